#!/usr/bin/env python3
"""Makes the reference values in this folder, with PyTorch in float64.

    python3 tests/references/make_references.py

Each case is one text file NAME.txt, which tests/reference.cpp reads: inputs, parameters, the
upstream gradient dy, and what PyTorch makes of them. Layouts are plainnet's: activations
[batch][height][width][channels], convolution kernels [height][width][in][out], dense kernels
[in][out].

Before a case is written, its forward pass is compared to explicit loops in numpy, and its gradients
to central differences of those loops, so that a misunderstanding of PyTorch's conventions cannot
get in.

Inputs and parameters are multiples of 2^-12: the same numbers in float and in double.
"""

import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = pathlib.Path(__file__).resolve().parent
KINK = 1e-4  # how far a case stays from where ReLU and max have no derivative


def random_of(name):
    """A generator for this case alone: adding a case leaves the others as they are."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def uniform(random, *shape, limit=1.0):
    return np.round(random.uniform(-limit, limit, shape) * 4096) / 4096


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def write(name, description, parameters, tensors):
    lines = [f"# {description}; made by make_references.py with PyTorch {torch.__version__}"]
    lines += [f"parameter {key} {value}" for key, value in parameters.items()]
    for key, array in tensors.items():
        array = np.asarray(array, dtype=np.float64)
        assert np.isfinite(array).all(), (name, key)
        lines.append(" ".join(["tensor", key, *map(str, array.shape)]))
        # Adding 0 turns -0 into 0.
        values = [f"{value + 0:.17g}" for value in array.ravel()]
        lines += [" ".join(values[i : i + 4]) for i in range(0, len(values), 4)]
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return name


def check_close(name, what, got, expected, tolerance=1e-12):
    difference = np.max(np.abs(got - expected)) / max(1.0, np.max(np.abs(expected)))
    assert difference <= tolerance, f"{name}: {what} differs by {difference}"


def check(name, forward, inputs, y, gradients, dy):
    """Compares PyTorch's y to forward(inputs), and its gradients, along a random direction, to the
    central difference of sum(dy * forward)."""
    check_close(name, "y", y, forward(inputs))
    random = random_of(name + " direction")
    step = 1e-6
    for key, gradient in gradients.items():
        direction = random.uniform(-1, 1, inputs[key].shape)
        ahead = forward({**inputs, key: inputs[key] + step * direction})
        behind = forward({**inputs, key: inputs[key] - step * direction})
        expected = np.sum(dy * (ahead - behind)) / (2 * step)
        got = np.sum(gradient * direction)
        assert abs(got - expected) <= 1e-7 * max(1.0, abs(expected)), (name, key, got, expected)


# Convolutions and pooling


def padding_of(size, kernel, stride, padding):
    """The zeros before and after one axis. "same" is TensorFlow's and Keras's: the output has
    ceil(size / stride) elements, and of an odd number of zeros the smaller half comes first."""
    if padding == "valid":
        return 0, 0
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


# By hand, since the loops below share the function: 13 elements, kernel 6, stride 5 need 3 zeros.
assert padding_of(13, 6, 5, "same") == (1, 2)
assert padding_of(4, 3, 2, "same") == (0, 1)
assert padding_of(5, 3, 2, "same") == (1, 1)
assert padding_of(5, 1, 2, "same") == (0, 0)


def activation(y, relu):
    assert not relu or np.abs(y).min() > KINK, "too near ReLU's kink: another name, other numbers"
    return np.maximum(y, 0) if relu else y


def convolution_loops(inputs, stride, padding, relu, depthwise):
    x, kernel, bias = inputs["x"], inputs["kernel"], inputs["bias"]
    rows = padding_of(x.shape[1], kernel.shape[0], stride, padding)
    columns = padding_of(x.shape[2], kernel.shape[1], stride, padding)
    x = np.pad(x, ((0, 0), rows, columns, (0, 0)))
    height = (x.shape[1] - kernel.shape[0]) // stride + 1
    width = (x.shape[2] - kernel.shape[1]) // stride + 1
    y = np.zeros((x.shape[0], height, width, len(bias)))
    for b in range(x.shape[0]):
        for i in range(height):
            for j in range(width):
                for p in range(kernel.shape[0]):
                    for q in range(kernel.shape[1]):
                        pixel = x[b, i * stride + p, j * stride + q]
                        tap = kernel[p, q]
                        y[b, i, j] += pixel * tap[:, 0] if depthwise else pixel @ tap
    return activation(y + bias, relu)


def convolution(layer, suffix, batch, height, width, channels, kernel, out, stride, padding, relu):
    """A case of conv2d, of depthwise_conv2d if out is None, or of pooled_conv2d: conv2d and then
    max_pool2d over windows of 2 x 2, side by side."""
    depthwise, pooled = out is None, layer == "pooled_conv2d"
    name = f"{layer}_{kernel[0]}x{kernel[1]}_{suffix}"
    random = random_of(name)
    shape = (*kernel, channels, 1 if depthwise else out)
    inputs = {
        "x": uniform(random, batch, height, width, channels),
        "kernel": uniform(random, *shape),
        "bias": uniform(random, channels if depthwise else out),
    }
    leaves = {key: leaf(value) for key, value in inputs.items()}
    top, bottom = padding_of(height, kernel[0], stride, padding)
    left, right = padding_of(width, kernel[1], stride, padding)
    y = F.conv2d(
        F.pad(leaves["x"].permute(0, 3, 1, 2), (left, right, top, bottom)),
        # PyTorch's kernels are [out][in][height][width], for a depthwise one [channels][1][h][w].
        leaves["kernel"].permute((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)),
        leaves["bias"],
        stride=stride,
        groups=channels if depthwise else 1,
    ).permute(0, 2, 3, 1)
    y = F.relu(y) if relu else y
    if pooled:
        y = F.max_pool2d(y.permute(0, 3, 1, 2), 2, 2).permute(0, 2, 3, 1)
    dy = uniform(random, *y.shape)
    y.backward(torch.tensor(dy))
    y = y.detach().numpy()
    gradients = {key: value.grad.numpy() for key, value in leaves.items()}

    def loops(i):
        y = convolution_loops(i, stride, padding, relu, depthwise)
        return max_pool_loops(y, 2, 2) if pooled else y

    check(name, loops, inputs, y, gradients, dy)
    return write(
        name,
        f"{layer}: x {inputs['x'].shape} NHWC, kernel {shape}",
        {"stride": stride, "padding": padding, "relu": int(relu)},
        {**inputs, "y": y, "dy": dy, **{"d" + key: value for key, value in gradients.items()}},
    )


def max_pool_loops(x, size, stride):
    height, width = (x.shape[1] - size) // stride + 1, (x.shape[2] - size) // stride + 1
    y = np.zeros((x.shape[0], height, width, x.shape[3]))
    for i in range(height):
        for j in range(width):
            window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
            y[:, i, j] = window.max(axis=(1, 2))
    return y


def max_pool2d(suffix, batch, height, width, channels, size, stride):
    name = f"max_pool2d_{size}x{size}_{suffix}"
    random = random_of(name)
    # All values differ, so that no window has two largest; most are negative, so that some windows
    # have no positive value.
    count = batch * height * width * channels
    x = (random.permutation(count).reshape(batch, height, width, channels) - 0.75 * count) / 128
    x_leaf = leaf(x)
    y = F.max_pool2d(x_leaf.permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)
    dy = uniform(random, *y.shape)
    y.backward(torch.tensor(dy))
    y, dx = y.detach().numpy(), x_leaf.grad.numpy()
    check(name, lambda i: max_pool_loops(i["x"], size, stride), {"x": x}, y, {"x": dx}, dy)
    return write(
        name,
        f"max_pool2d: x {x.shape} NHWC, no padding",
        {"size": size, "stride": stride},
        {"x": x, "y": y, "dy": dy, "dx": dx},
    )


# Dense and the loss


def dense(name, batch, inputs_count, out, relu):
    random = random_of(name)
    inputs = {
        "x": uniform(random, batch, inputs_count),
        "kernel": uniform(random, inputs_count, out),
        "bias": uniform(random, out),
    }
    leaves = {key: leaf(value) for key, value in inputs.items()}
    y = F.linear(leaves["x"], leaves["kernel"].T, leaves["bias"])
    y = F.relu(y) if relu else y
    dy = uniform(random, *y.shape)
    y.backward(torch.tensor(dy))
    y = y.detach().numpy()
    gradients = {key: value.grad.numpy() for key, value in leaves.items()}

    def loops(i):
        y = [[sum(row * column) for column in i["kernel"].T] for row in i["x"]]
        return activation(y + i["bias"], relu)

    check(name, loops, inputs, y, gradients, dy)
    return write(
        name,
        f"dense: x {inputs['x'].shape}, kernel {inputs['kernel'].shape}",
        {"relu": int(relu)},
        {**inputs, "y": y, "dy": dy, **{"d" + key: value for key, value in gradients.items()}},
    )


def softmax_cross_entropy(name, logits, labels):
    """The loss is the mean over the batch of -ln softmax(logits)[label], in nats."""
    logits_leaf = leaf(logits)
    loss = F.cross_entropy(logits_leaf, torch.tensor(labels))
    loss.backward()
    loss, dlogits = loss.item(), logits_leaf.grad.numpy()

    def loops(i):
        total = 0
        for row, label in zip(i["logits"], labels):
            total += row.max() + np.log(np.exp(row - row.max()).sum()) - row[label]
        return total / len(labels)

    check(name, loops, {"logits": logits}, loss, {"logits": dlogits}, 1)
    return write(
        name,
        f"softmax_cross_entropy: logits {logits.shape}; loss is the mean over the batch",
        {},
        {"logits": logits, "labels": labels, "loss": [loss], "dlogits": dlogits},
    )


# LSTM
#
# PyTorch's nn.LSTM and ours have the gates in the same order: i, f, g, o. Per direction:
#   weight_ih [4u][in]   is our kernel [in][4u], transposed
#   weight_hh [4u][u]    is our recurrent_kernel [u][4u], transposed
#   bias_ih + bias_hh    is our bias [4u]: the gates see only the sum, so the gradient by either is
#                        the gradient by ours. Here bias_ih is our bias, and bias_hh is zero.
# weight_ih_l0_reverse and its kin are the backward direction's.

LSTM_NAMES = {
    "kernel": "weight_ih_l0",
    "recurrent_kernel": "weight_hh_l0",
    "bias": "bias_ih_l0",
}


def lstm_loops(inputs, directions, sequence):
    x = inputs["x"]
    steps = x.shape[1]
    results = []
    for direction in directions:
        kernel, recurrent_kernel, bias = (inputs[f"{direction}.{part}"] for part in LSTM_NAMES)
        units = recurrent_kernel.shape[0]
        h = c = np.zeros((x.shape[0], units))
        outputs = np.zeros((x.shape[0], steps, units))
        times = range(steps) if direction == "forward" else range(steps - 1, -1, -1)
        for t in times:
            z = x[:, t] @ kernel + h @ recurrent_kernel + bias
            i, f, g, o = (z[:, gate * units : (gate + 1) * units] for gate in range(4))
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            outputs[:, t] = h
        results.append(outputs if sequence else h)
    return np.concatenate(results, axis=-1)


def lstm(batch, steps, inputs_count, units, bidirectional, sequence):
    """The whole sequence of the backward direction is in the order of the input; its last output is
    that of its own last step, at input time 0. Both as in Keras."""
    kind = "both" if bidirectional else "one"
    name = f"lstm_{kind}_{'sequence' if sequence else 'last'}_steps{steps}"
    random = random_of(name)
    directions = ["forward", "backward"] if bidirectional else ["forward"]
    inputs = {"x": uniform(random, batch, steps, inputs_count)}
    for direction in directions:
        inputs[f"{direction}.kernel"] = uniform(random, inputs_count, 4 * units)
        inputs[f"{direction}.recurrent_kernel"] = uniform(random, units, 4 * units)
        inputs[f"{direction}.bias"] = uniform(random, 4 * units)

    layer = torch.nn.LSTM(inputs_count, units, batch_first=True, bidirectional=bidirectional)
    layer.double()
    parameters = {}  # our name -> PyTorch's parameter
    for direction in directions:
        suffix = "" if direction == "forward" else "_reverse"
        getattr(layer, f"bias_hh_l0{suffix}").data.zero_()
        for part, theirs in LSTM_NAMES.items():
            parameter = getattr(layer, theirs + suffix)
            parameter.data.copy_(torch.tensor(inputs[f"{direction}.{part}"].T))
            parameters[f"{direction}.{part}"] = parameter

    x = leaf(inputs["x"])
    y, (h, _) = layer(x)
    if not sequence:
        y = torch.cat(tuple(h), dim=-1)
    dy = uniform(random, *y.shape)
    y.backward(torch.tensor(dy))
    y = y.detach().numpy()
    gradients = {"x": x.grad.numpy()}
    gradients.update({key: value.grad.numpy().T for key, value in parameters.items()})
    check(name, lambda i: lstm_loops(i, directions, sequence), inputs, y, gradients, dy)

    def with_d(key):  # "forward.kernel" -> "forward.dkernel"
        head, dot, tail = key.rpartition(".")
        return f"{head}{dot}d{tail}"

    return write(
        name,
        f"lstm: x {inputs['x'].shape}, {units} units, gates i, f, g, o",
        {"units": units, "bidirectional": int(bidirectional), "sequence": int(sequence)},
        {**inputs, "y": y, "dy": dy, **{with_d(key): value for key, value in gradients.items()}},
    )


# Update rules: five steps from w0 with the gradients g, the weights after each step in w.
#
# Where PyTorch and Keras differ:
# - SGD: PyTorch keeps the velocity without the learning rate, b = m b + g, w -= lr (g + m b); Keras
#   has v = m v - lr g, w += m v - lr g. With v = -lr b they are the same as long as lr is constant.
# - Weight decay of SGD is L2: weight_decay * w is added to the gradient. AdamW's is decoupled:
#   w -= lr * weight_decay * w, apart from the gradient.
# - RMSprop and Adam add epsilon after the square root.


def update_loops(rule, w, g, p):
    velocity = np.zeros_like(w)
    first, second = np.zeros_like(w), np.zeros_like(w)
    lr, decay = p["learning_rate"], p.get("weight_decay", 0)
    trajectory = []
    for step, gradient in enumerate(g, start=1):
        if rule == "sgd":
            gradient = gradient + decay * w
            velocity = p["momentum"] * velocity - lr * gradient
            w = w + (p["momentum"] * velocity - lr * gradient if p["nesterov"] else velocity)
        elif rule == "rmsprop":
            second = p["alpha"] * second + (1 - p["alpha"]) * gradient**2
            w = w - lr * gradient / (np.sqrt(second) + p["epsilon"])
        else:
            w = w - lr * decay * w
            first = p["beta1"] * first + (1 - p["beta1"]) * gradient
            second = p["beta2"] * second + (1 - p["beta2"]) * gradient**2
            mean = first / (1 - p["beta1"] ** step)
            w = w - lr * mean / (np.sqrt(second / (1 - p["beta2"] ** step)) + p["epsilon"])
        trajectory.append(w)
    return np.array(trajectory)


def update(name, rule, **parameters):
    random = random_of(name)
    w0, g = uniform(random, 7), uniform(random, 5, 7)
    w = leaf(w0)
    decay = parameters.get("weight_decay", 0)
    settings = {"lr": parameters["learning_rate"], "weight_decay": decay}
    if rule == "sgd":
        settings.update(momentum=parameters["momentum"], nesterov=bool(parameters["nesterov"]))
        optimizer = torch.optim.SGD([w], **settings)
    elif rule == "rmsprop":
        settings.update(alpha=parameters["alpha"], eps=parameters["epsilon"])
        optimizer = torch.optim.RMSprop([w], **settings)
    else:
        settings.update(betas=(parameters["beta1"], parameters["beta2"]), eps=parameters["epsilon"])
        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[rule]([w], **settings)
    trajectory = []
    for gradient in g:
        w.grad = torch.tensor(gradient)
        optimizer.step()
        trajectory.append(w.detach().numpy().copy())
    check_close(name, "w", np.array(trajectory), update_loops(rule, w0, g, parameters))
    return write(
        name,
        f"{rule}: w[t] is the weights after the update with gradient g[t], from w0",
        {"rule": rule, **parameters},
        {"w0": w0, "g": g, "w": trajectory},
    )


def make_all():
    # suffix, batch, height, width, channels, kernel, out, stride, padding, relu
    for case in (
        ("valid_relu", 2, 8, 7, 3, (5, 5), 4, 1, "valid", True),
        ("valid", 1, 9, 9, 1, (5, 5), 3, 1, "valid", False),
        ("same_wider_than_x", 1, 3, 4, 2, (5, 5), 3, 1, "same", False),
        ("stride2_same", 2, 7, 6, 3, (3, 3), 5, 2, "same", False),
        ("stride2_same_relu", 1, 8, 8, 2, (3, 3), 3, 2, "same", True),
        ("relu", 2, 3, 5, 7, (1, 1), 5, 1, "valid", True),
        ("stride2", 1, 5, 6, 3, (1, 1), 7, 2, "valid", False),
        ("same", 1, 6, 5, 3, (2, 3), 7, 1, "same", False),
        ("stride3", 2, 7, 8, 2, (2, 3), 3, 3, "valid", False),
    ):
        yield convolution("conv2d", *case)

    for case in (
        ("valid_relu", 2, 8, 7, 3, (5, 5), None, 1, "valid", True),
        ("same", 1, 5, 6, 7, (3, 3), None, 1, "same", False),
        ("stride2_same", 2, 7, 6, 5, (3, 3), None, 2, "same", False),
        ("stride2_same_relu", 1, 8, 8, 3, (3, 3), None, 2, "same", True),
        ("stride2_valid", 2, 6, 8, 3, (2, 3), None, 2, "valid", False),
    ):
        yield convolution("depthwise_conv2d", *case)

    for case in (
        ("valid_relu", 2, 8, 7, 1, (3, 3), 5, 1, "valid", True),  # few taps
        ("same_relu", 2, 5, 6, 5, (3, 3), 4, 1, "same", True),  # many taps, a row and a column left over
        ("stride2", 1, 9, 11, 4, (3, 4), 3, 2, "valid", False),
    ):
        yield convolution("pooled_conv2d", *case)

    yield max_pool2d("even", 2, 4, 6, 3, 2, 2)
    yield max_pool2d("odd", 2, 5, 7, 3, 2, 2)
    yield max_pool2d("overlapping", 1, 7, 8, 3, 3, 2)

    yield dense("dense", 3, 13, 11, False)
    yield dense("dense_relu", 5, 7, 9, True)

    random = random_of("softmax_cross_entropy")
    logits, labels = uniform(random, 5, 10, limit=4), random.integers(0, 10, 5)
    yield softmax_cross_entropy("softmax_cross_entropy", logits, labels)
    # The label's logit is the largest by far; the smallest by far; equal to another; one of three
    # near each other.
    large = [[1000, 0, -1000], [1000, 0, -1000], [1000, 1000, 0], [-1000, -1001.5, -998]]
    yield softmax_cross_entropy("softmax_cross_entropy_large", np.array(large, float), [0, 2, 1, 0])

    for bidirectional in (False, True):
        for sequence in (False, True):
            for steps in (1, 2, 7):
                yield lstm(2, steps, 5, 3, bidirectional, sequence)

    yield update("sgd", "sgd", learning_rate=0.1, momentum=0, nesterov=0)
    yield update("sgd_momentum", "sgd", learning_rate=0.1, momentum=0.9, nesterov=0)
    yield update("sgd_nesterov", "sgd", learning_rate=0.1, momentum=0.9, nesterov=1)
    decay = {"momentum": 0.9, "nesterov": 1, "weight_decay": 0.01}
    yield update("sgd_weight_decay", "sgd", learning_rate=0.1, **decay)
    yield update("rmsprop", "rmsprop", learning_rate=0.01, alpha=0.99, epsilon=1e-8)
    adam = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    yield update("adam", "adam", **adam)
    yield update("adamw", "adamw", **adam, weight_decay=0.1)


if __name__ == "__main__":
    made = set(make_all())
    for path in FOLDER.glob("*.txt"):
        if path.stem not in made:
            path.unlink()
    size = sum(path.stat().st_size for path in FOLDER.glob("*.txt"))
    print(f"{len(made)} cases, {size} bytes")
