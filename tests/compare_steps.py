#!/usr/bin/env python3
"""Compares the first losses of ./train to those of the same network in PyTorch, in float64.

    python3 tests/compare_steps.py cnn --data data/mnist

Both start from the same weights, made here, and see the same images in the same order. Prints both
losses of every step, and fails if any two differ by more than 3e-4. With --reference-only, PyTorch in
float32 takes the place of ./train: what then remains is what rounding alone does. Once it has switched
a ReLU or a maximum, it can be more: of `separable` after some 5 steps, of the others after some 20.
"""

import argparse
import os
import pathlib
import sys
from collections import OrderedDict

import compare_task as task  # first: it clears OPENBLAS_* before torch is loaded
import numpy as np
import torch
from torch import nn

TOLERANCE = 3e-4


def to_device(model, images, labels, dtype, device="cpu"):
    """Pixels / 255, one channel for the convolutions, a sequence of rows for the LSTM."""
    images = torch.tensor(images, dtype=dtype, device=device) / 255
    labels = torch.tensor(labels, dtype=torch.int64, device=device)
    return images if model == "bilstm" else images.unsqueeze(1), labels


# The networks in PyTorch


class Flatten(nn.Module):
    """[b][c][h][w] to [b][c*h*w], or to [b][h*w*c], which is free where channels come last."""

    def __init__(self, channels_last):
        super().__init__()
        self.channels_last = channels_last

    def forward(self, x):
        return (x.permute(0, 2, 3, 1) if self.channels_last else x).flatten(1)


class LastOutputs(nn.Module):
    """What nn.LSTM returns to [b][2u]: each direction's output at its own last step."""

    def forward(self, outputs):
        _, (h, _) = outputs
        return torch.cat((h[0], h[1]), dim=1)


def make_layers(model, channels_last):
    if model == "bilstm":
        lstm = nn.LSTM(28, 128, batch_first=True, bidirectional=True)
        layers = {"bidirectional_1": lstm, "last": LastOutputs(), "dense_1": nn.Linear(256, 10)}
        return nn.Sequential(OrderedDict(layers))
    if model == "cnn":
        middle = {"conv2d_2": nn.Conv2d(24, 48, 5)}
    else:
        middle = {
            "depthwise_conv2d_1": nn.Conv2d(24, 24, 5, groups=24),
            "relu_d": nn.ReLU(),
            "conv2d_2": nn.Conv2d(24, 48, 1),
        }
    layers = {
        "conv2d_1": nn.Conv2d(1, 24, 5),
        "relu_1": nn.ReLU(),
        "pool_1": nn.MaxPool2d(2),
        **middle,
        "relu_2": nn.ReLU(),
        "pool_2": nn.MaxPool2d(2),
        "flatten": Flatten(channels_last),
        "dense_1": nn.Linear(768, 512),
        "relu_3": nn.ReLU(),
        "dense_2": nn.Linear(512, 10),
    }
    return nn.Sequential(OrderedDict(layers))


def torch_tensors(layer, name, tensors, channels_last):
    """A layer's tensors in PyTorch's names and layouts, from ours."""
    if isinstance(layer, nn.LSTM):
        # The gates are in our order. PyTorch has two biases and uses only their sum.
        for direction, suffix in (("forward", ""), ("backward", "_reverse")):
            bias = tensors[f"{direction}.bias"]
            yield "weight_ih_l0" + suffix, tensors[f"{direction}.kernel"].T
            yield "weight_hh_l0" + suffix, tensors[f"{direction}.recurrent_kernel"].T
            yield "bias_ih_l0" + suffix, bias
            yield "bias_hh_l0" + suffix, np.zeros_like(bias)
        return
    kernel = tensors["kernel"]
    if isinstance(layer, nn.Conv2d):
        # Ours is [h][w][in][out], PyTorch's [out][in][h][w]; a depthwise one's out is its in.
        kernel = kernel.transpose((2, 3, 0, 1) if layer.groups > 1 else (3, 2, 0, 1))
    else:
        if name == "dense_1" and kernel.shape[0] == 768 and not channels_last:
            kernel = kernel.reshape(4, 4, 48, 512).transpose(2, 0, 1, 3).reshape(768, 512)
        kernel = kernel.T
    yield "weight", kernel
    yield "bias", tensors["bias"]


def make_network(model, weights, dtype, device="cpu", channels_last=False):
    """The model in PyTorch, with our weights."""
    network = make_layers(model, channels_last)
    used = 0
    with torch.no_grad():
        for name, layer in network.named_children():
            mine = {
                key.removeprefix(name + "."): value
                for key, value in weights.items()
                if key.startswith(name + ".")
            }
            used += len(mine)
            if mine:
                state = dict(torch_tensors(layer, name, mine, channels_last))
                layer.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
    assert used == len(weights), "the file has tensors that the network has not"
    for name, parameter in network.named_parameters():
        # Trained, PyTorch's second bias would double the step of the sum of the two.
        parameter.requires_grad = "bias_hh" not in name
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return network.to(device=device, dtype=dtype).to(memory_format=layout)


def make_optimizer(model, network):
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate = task.LEARNING_RATES[model]
    return torch.optim.SGD(parameters, lr=rate, momentum=task.MOMENTUM, nesterov=True)


def torch_losses(model, weights, images, labels, dtype):
    """The mean loss of each batch, in nats, before its update."""
    network = make_network(model, weights, dtype)
    optimizer = make_optimizer(model, network)
    images, labels = to_device(model, images, labels, dtype)
    losses = []
    for x, label in zip(images.split(task.BATCH), labels.split(task.BATCH)):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), label)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=task.MODELS)
    parser.add_argument("--data", type=pathlib.Path, default=task.ROOT / "data/mnist", metavar="DIR")
    parser.add_argument("--device", default="cpu", help="for ./train (cpu)")
    parser.add_argument("--kernels", choices=["plain", "fast"], default="fast", help="of ./train (fast)")
    parser.add_argument("--steps", type=int, help="20, of separable 5")
    parser.add_argument("--seed", type=int, default=1, help="of the weights (1)")
    parser.add_argument("--reference-only", action="store_true", help="without ./train")
    options = parser.parse_args()

    limit = (options.steps or (5 if options.model == "separable" else 20)) * task.BATCH
    images, labels = task.read_images(options.data, limit)
    weights = task.initial_weights(options.model, options.seed)
    print(f"{options.model}: {sum(value.size for value in weights.values())} parameters")
    torch.set_num_threads(os.cpu_count())

    expected = torch_losses(options.model, weights, images, labels, torch.float64)
    if options.reference_only:
        name = "float32"
        losses = torch_losses(options.model, weights, images, labels, torch.float32)
    else:
        name = "./train"
        words = ["--device", options.device, "--kernels", options.kernels]
        losses = task.our_losses(options.model, weights, options.data, limit, words)
    difference = task.largest_difference(losses, expected)

    print(f"step  {name:>10}     float64  difference")
    for step, (loss, other) in enumerate(zip(losses, expected), start=1):
        print(f"{step:4}  {loss:10.6f}  {other:10.6f}  {loss - other:10.1e}")
    agree = difference <= TOLERANCE  # false for NaN
    verdict = "at most" if agree else "MORE than"
    print(f"largest difference {difference:.1e}, {verdict} {TOLERANCE}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
