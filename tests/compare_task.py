"""What every framework is given: images, initial weights and the protocol of ./train."""

import csv
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

# Before numpy, or a framework, loads OpenBLAS: settings made for another program would slow it down.
for variable in [name for name in os.environ if name.startswith("OPENBLAS_")]:
    del os.environ[variable]

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
BATCH = 128
MOMENTUM = 0.9
LEARNING_RATES = {"cnn": 0.05, "separable": 0.05, "bilstm": 0.5}
MODELS = list(LEARNING_RATES)


# The data


def read_idx(path):
    """An IDX file of bytes: two zeros, the type 8, the number of dimensions, the dimensions."""
    try:
        data = path.read_bytes()
    except OSError as error:
        sys.exit(str(error))
    if data[:3] != b"\0\0\x08":
        sys.exit(f"{path}: expected an IDX file of bytes, found {data[:4].hex()}")
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def read_images(folder, limit=None, part="train"):
    """The first `limit` images of "train" or "t10k", [n][28][28] bytes, and their labels."""
    images = read_idx(folder / f"{part}-images-idx3-ubyte")[:limit]
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte")[:limit]
    if limit and len(images) < limit:
        sys.exit(f"{folder}: expected {limit} images of {part} or more, found {len(images)}")
    return images, labels


# The weights, in plainnet's names and layouts


def glorot_uniform(random, *shape):
    limit = np.sqrt(6 / (shape[0] + shape[1]))
    return random.uniform(-limit, limit, shape)


def he_normal(random, fan_in, *shape):
    return random.normal(0, np.sqrt(2 / fan_in), shape)


def orthogonal(random, rows, columns):
    """Orthonormal rows, at most as many as columns."""
    return np.linalg.qr(random.normal(size=(columns, rows)))[0].T


def initial_weights(model, seed=1):
    """name -> float32 array. From the distributions that ./train itself draws from, but that the
    fan_in of a depthwise kernel is its window alone, with which the first steps are calmer: where
    the loss jumps up and down, it multiplies rounding errors by a million in 40 steps."""
    random = np.random.default_rng(seed)
    weights = {}
    if model == "cnn":
        weights["conv2d_1.kernel"] = random.uniform(-0.1, 0.1, (5, 5, 1, 24))
        weights["conv2d_2.kernel"] = random.uniform(-0.1, 0.1, (5, 5, 24, 48))
        weights["dense_1.kernel"] = random.uniform(-0.01, 0.01, (768, 512))
        weights["dense_2.kernel"] = random.uniform(-0.01, 0.01, (512, 10))
    elif model == "separable":
        weights["conv2d_1.kernel"] = he_normal(random, 25, 5, 5, 1, 24)
        weights["depthwise_conv2d_1.kernel"] = he_normal(random, 25, 5, 5, 24, 1)
        weights["conv2d_2.kernel"] = he_normal(random, 24, 1, 1, 24, 48)
        weights["dense_1.kernel"] = he_normal(random, 768, 768, 512)
        weights["dense_2.kernel"] = glorot_uniform(random, 512, 10)
    else:
        for direction in ("forward", "backward"):
            prefix = f"bidirectional_1.{direction}."
            weights[prefix + "kernel"] = glorot_uniform(random, 28, 512)
            weights[prefix + "recurrent_kernel"] = orthogonal(random, 128, 512)
            weights[prefix + "bias"] = np.repeat([0.0, 1, 0, 0], 128)  # gates i, f, g, o
        weights["dense_1.kernel"] = glorot_uniform(random, 256, 10)
    for name in [name for name in weights if name.endswith(".kernel")]:
        outputs = 24 if name.startswith("depthwise") else weights[name].shape[-1]
        weights.setdefault(name.removesuffix("kernel") + "bias", np.zeros(outputs))
    return {name: value.astype(np.float32) for name, value in weights.items()}


def write_safetensors(path, tensors):
    """https://github.com/huggingface/safetensors, "Format"; float32."""
    header, offset = {}, 0
    for name, value in tensors.items():
        end = offset + value.nbytes
        header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(np.ascontiguousarray(value, "<f4").tobytes() for value in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# ./train


def run_train(model, options, folder):
    """Runs ./train in `folder`, where its own output then stays."""
    command = [str(ROOT / "train"), model, *map(str, options)]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"{error}; run make first")
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {result.returncode}\n{result.stderr}")


def read_column(path, column):
    with open(path, newline="") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def our_losses(model, weights, data, limit, options):
    """The mean loss of each batch of the first `limit` images, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        init, log = pathlib.Path(folder, "init.safetensors"), pathlib.Path(folder, "steps.csv")
        write_safetensors(init, weights)
        protocol = ["--data", data.resolve(), "--init", init, "--shuffle", "off", "--epochs", 1]
        run_train(model, [*protocol, "--limit", limit, "--step-log", log, *options], folder)
        return read_column(log, "loss")


def largest_difference(ours, theirs):
    """NaN if any loss is NaN."""
    if len(ours) != len(theirs):
        sys.exit(f"expected {len(theirs)} losses, found {len(ours)}")
    return np.max(np.abs(np.subtract(ours, theirs)))
