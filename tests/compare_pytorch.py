#!/usr/bin/env python3
"""Times ./train against PyTorch: the same network, data and update rule on the same device.

    python3 tests/compare_pytorch.py cnn --data data/mnist --device cpu

PyTorch trains eagerly and in its faster forms: channels last for the convolutions, torch.compile
where there is one, on a GPU also the whole step as a CUDA graph, and there each with and without
TF32, which rounds the factors of products to 10 bits of fraction. Its images are on the device as floats before the clock starts. First every form, and
./train, must give the losses of PyTorch in float64 from the same weights. Then they train in turn,
round after round, and the medians of the seconds for a training epoch are printed, with the ratio
ours/PyTorch.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass

import compare_steps as steps  # first: it clears OPENBLAS_* before numpy and torch are loaded
import torch
from torch import nn

TOLERANCE = 1e-2  # for a loss; PyTorch may multiply in TF32, which has 10 bits of fraction
VALIDATION_STEPS = 10


@dataclass(frozen=True)
class Form:
    """A way to run PyTorch."""

    channels_last: bool = False
    compiled: bool = False
    graph: bool = False
    tf32: bool = False

    def __str__(self):
        parts = [
            "torch.compile" if self.compiled else "" if self.graph else "eager",
            "CUDA graph" if self.graph else "",
            "channels last" if self.channels_last else "",
            "TF32" if self.tf32 else "",
        ]
        return ", ".join(part for part in parts if part)


def forms_of(model, device):
    """Every form for this model and device, plain eager first."""
    for tf32 in (False, True) if device == "cuda" else (False,):
        for channels_last in (False, True) if model != "bilstm" else (False,):
            for compiled in (False, True) if hasattr(torch, "compile") else (False,):
                for graph in (False, True) if device == "cuda" else (False,):
                    yield Form(channels_last, compiled, graph, tf32)


def set_tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


class Trainer:
    """Trains a model in one form. What a GPU computes stays there until it is asked for."""

    def __init__(self, model, form, weights, images, labels):
        set_tf32(form.tf32)
        self.form, self.images, self.labels = form, images, labels
        device = images.device
        layout = form.channels_last
        self.network = steps.make_network(model, weights, torch.float32, device, layout)
        self.optimizer = steps.make_optimizer(model, self.network)
        self.forward = self.network
        if form.compiled:
            # Not dynamic: the smaller last batch gets code of its own.
            self.forward = torch.compile(self.network, dynamic=False)
        self.graphs = {}  # batch size -> (graph, its indices, its loss)
        if form.graph:
            for size in {len(batch) for batch in images.split(steps.BATCH)}:
                self.graphs[size] = self.record(torch.arange(size, device=device))

    def step(self, indices):
        """Trains on one batch; its mean loss before the update."""
        self.optimizer.zero_grad(set_to_none=True)
        x, label = self.images[indices], self.labels[indices]
        loss = nn.functional.cross_entropy(self.forward(x), label)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def record(self, indices):
        """Records a step as a CUDA graph, and leaves the weights as they were, the velocities 0."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        weights = [parameter.detach().clone() for parameter in parameters]
        stream = torch.cuda.Stream()  # a recording may not start on the default stream
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # so that lazy set-up is not recorded
                self.step(indices)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.step(indices)
        with torch.no_grad():
            for parameter, value in zip(parameters, weights):
                parameter.copy_(value)
                self.optimizer.state[parameter]["momentum_buffer"].zero_()
        return graph, indices, loss

    def train(self, order):
        """One pass over the images, in that order; the loss of each batch."""
        set_tf32(self.form.tf32)
        losses = torch.zeros(-(-len(order) // steps.BATCH), device=order.device)
        for i, indices in enumerate(order.split(steps.BATCH)):
            if self.graphs:
                graph, graph_indices, loss = self.graphs[len(indices)]
                graph_indices.copy_(indices)
                graph.replay()
                losses[i] = loss
            else:
                losses[i] = self.step(indices)
        return losses.tolist()

    def time_epoch(self):
        """Seconds for one pass, its shuffle included."""
        start = time.perf_counter()
        self.train(torch.randperm(len(self.images), device=self.images.device))
        return time.perf_counter() - start


def check(name, losses, expected):
    difference = steps.largest_difference(losses, expected)
    if not difference <= TOLERANCE:
        sys.exit(f"{name}: a loss differs by {difference} from float64, more than {TOLERANCE}")
    print(f"  {name}: first {len(losses)} losses within {difference:.1e} of float64", flush=True)


def make_trainers(model, device, weights, images, labels):
    """A trainer for every form that works here, validated and warm."""
    limit = VALIDATION_STEPS * steps.BATCH
    expected = steps.torch_losses(model, weights, images[:limit], labels[:limit], torch.float64)
    images, labels = steps.to_device(model, images, labels, torch.float32, device)
    trainers = []
    if hasattr(torch, "compile"):
        # All networks share the code of nn.Sequential.forward: at its usual limit of 8 versions,
        # torch.compile would fall back to eager.
        torch._dynamo.config.cache_size_limit = 64
    for form in forms_of(model, device):
        try:
            trainer = Trainer(model, form, weights, images, labels)
            losses = trainer.train(torch.arange(min(limit, len(images)), device=device))
        except Exception as error:
            if not form.compiled:
                raise
            # torch.compile needs a compiler, or Triton, and does not take every network.
            first_line = str(error).split("\n")[0]
            print(f"  {form}: left out, {type(error).__name__}: {first_line}", flush=True)
            continue
        check(form, losses, expected)
        trainer.time_epoch()
        trainers.append(trainer)
    return trainers, expected


def time_ours(model, data, epochs, options):
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "log.csv")
        protocol = ["--data", data.resolve(), "--epochs", epochs, "--log", log]
        steps.run_train(model, [*protocol, *options], folder)
        return steps.read_column(log, "seconds")


def warn_of_slow_blas():
    """PyTorch with the reference BLAS is several times slower, and no fair opponent."""
    maps = pathlib.Path("/proc/self/maps")
    if torch.backends.mkl.is_available() or not maps.exists():
        return
    # numpy's own copy of OpenBLAS does not serve PyTorch.
    libraries = [line for line in maps.read_text().splitlines() if "numpy.libs" not in line]
    if not any("openblas" in line or "libmkl" in line for line in libraries):
        print("warning: PyTorch's BLAS is neither OpenBLAS nor MKL: its times will be poor")


def seconds_of_others():
    """CPU seconds that the machine has spent on anything but this process and its children."""
    stat = pathlib.Path("/proc/stat")
    if not stat.exists():
        return 0
    user, nice, system, _, _, interrupt, soft, steal = map(int, stat.read_text().split()[1:9])
    busy = (user + nice + system + interrupt + soft + steal) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])


def describe(device):
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return f"CPU, {torch.get_num_threads()} threads"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=steps.MODELS)
    parser.add_argument("--data", type=pathlib.Path, default=steps.ROOT / "data/mnist")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="on the CPU, of both (2)")
    parser.add_argument("--limit", type=int, help="the first so many training images (all)")
    parser.add_argument("--epochs", type=int, help="in each turn (1 on a CPU, 5 on a GPU)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pytorch-only", action="store_true", help="without ./train")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("--rounds: expected 3 or more, a median of fewer means little")
    device = "cuda" if options.device == "gpu" else "cpu"
    epochs = options.epochs or (5 if device == "cuda" else 1)
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("--device gpu: this PyTorch finds no GPU")
    torch.set_num_threads(options.threads)
    if device == "cpu":
        warn_of_slow_blas()

    images, labels = steps.read_images(options.data, options.limit)
    weights = steps.initial_weights(options.model)
    print(f"{options.model}, {len(images)} images, PyTorch {torch.__version__}, {describe(device)}")

    train_options = ["--device", options.device]
    if device == "cpu":
        train_options += ["--threads", options.threads]
    trainers, expected = make_trainers(options.model, device, weights, images, labels)
    if not options.pytorch_only:
        limit = min(VALIDATION_STEPS * steps.BATCH, len(images))
        losses = steps.our_losses(options.model, weights, options.data, limit, train_options)
        check("./train", losses, expected)

    ours, theirs = [], [[] for _ in trainers]
    start, others = time.perf_counter(), seconds_of_others()
    for _ in range(options.rounds):
        for trainer, seconds in zip(trainers, theirs):
            seconds += [trainer.time_epoch() for _ in range(epochs)]
        if not options.pytorch_only:
            limit = ["--limit", len(images)]
            ours += time_ours(options.model, options.data, epochs, [*train_options, *limit])

    others = (seconds_of_others() - others) / (time.perf_counter() - start)
    if others > 0.1:
        # PyTorch's threads wait for each other by spinning: one busy core can slow it tenfold.
        print(f"warning: other processes kept {others:.1f} cores busy: no fair comparison")

    print(f"Seconds for a training epoch, {options.rounds * epochs} of each:")
    print("     median    fastest  ours/PyTorch")
    if ours:
        print(f"  {statistics.median(ours):9.4f}  {min(ours):9.4f}                ./train")
    for trainer, seconds in zip(trainers, theirs):
        median = statistics.median(seconds)
        ratio = f"{statistics.median(ours) / median:.3f}" if ours else ""
        print(f"  {median:9.4f}  {min(seconds):9.4f}  {ratio:12}  PyTorch: {trainer.form}")


if __name__ == "__main__":
    main()
