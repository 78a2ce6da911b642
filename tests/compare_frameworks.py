#!/usr/bin/env python3
"""Times ./train against PyTorch, TensorFlow with Keras, and JAX: the same network, data and update rule.

    pip install torch keras tensorflow-cpu jax
    python3 tests/compare_frameworks.py cnn --data data/mnist

Each framework runs in its faster forms (compare_peers.py), from images that are in memory as floats. First
each form must give the losses of ./train from the same weights. Then all train in turn, round after round, and
then evaluate; the medians are printed, with the ratio ours/theirs, and the largest memory of the process. The
first epoch of a process, with all that is compiled or seen for the first time on the way, is printed apart. --race adds the seconds from the start of a process to 98%
on the test set, of each library's fastest form. What is not installed, or does not run, is said and left out.
Nothing else may run meanwhile: threads that wait by spinning make a busy processor very slow.
"""

import argparse
import importlib.metadata
import multiprocessing
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import compare_task as task
import numpy as np
from compare_peers import LIBRARIES, Data

TOLERANCE = 1e-2  # for a loss; PyTorch may multiply in TF32, which has 10 bits of fraction
VALIDATION_STEPS = 5  # after which `separable` may be off by rounding alone: see compare_steps.py
PAUSE = 0.5  # seconds between turns: threads that wait by spinning are at rest by then


def megabytes(kilobytes):
    return kilobytes / 1024


class Ours:
    """./train and ./predict, a process for each turn."""

    name = "plainnet"

    def __init__(self, model, options):
        self.model, self.options = model, options
        self.folder = tempfile.TemporaryDirectory()
        self.memory = 0

    def run(self, program, *words):
        command = [str(task.ROOT / program), *map(str, words), "--data", str(self.options.data.resolve())]
        command += ["--device", self.options.device, "--threads", str(self.options.threads)]
        process = subprocess.Popen(
            command, cwd=self.folder.name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{' '.join(command)}\n{output}")
        self.memory = max(self.memory, megabytes(usage.ru_maxrss))
        return output

    def train(self, epochs=1):
        """Seconds for each epoch, and the test accuracy after each."""
        log = pathlib.Path(self.folder.name, "log.csv")
        limit = ["--limit", self.options.limit] if self.options.limit else []
        self.run("train", self.model, "--epochs", epochs, "--log", log, "--out", "run", *limit)
        return task.read_column(log, "seconds"), task.read_column(log, "test_accuracy")

    def evaluate(self):
        output = self.run("predict", "run/weights.safetensors", "--evaluate")
        return float(re.search(r"([\d.]+) s$", output, re.MULTILINE)[1])

    def race(self, accuracy):
        """The fewest epochs that reach it, from the start of the process to its end."""
        for epochs in range(1, 100):
            start = time.perf_counter()
            if self.train(epochs)[1][-1] >= accuracy:
                return time.perf_counter() - start

    def close(self):
        self.folder.cleanup()


def serve(connection, library, model, form, options):
    """In a process of its own: makes the peer, and does what it is told."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what the frameworks say of themselves
    try:
        data = Data(options.data, options.limit)
        peer = LIBRARIES[library](model, form, data, options.device, options.threads)
        connection.send((len(data.images), 0, 0))
        random = np.random.default_rng(1)
        while message := connection.recv():
            work, argument = message
            start = time.perf_counter()
            if work == "train":  # an epoch, or the first so many images in their order
                count = argument or len(data.images)
                result = peer.train(np.arange(count) if argument else random.permutation(count))
            else:
                result = peer.evaluate(argument)
            seconds = time.perf_counter() - start
            memory = megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            connection.send((result, seconds, memory))
    except EOFError:  # the one who asks is gone
        pass
    except Exception as error:  # a form that does not run here is no reason to stop
        lines = str(error).strip().split("\n")
        connection.send(RuntimeError(f"{type(error).__name__}: {lines[0]}"))


class Peer:
    """A framework in one form, in its own process."""

    def __init__(self, library, model, form, options):
        self.library, self.form = library, form
        self.name = f"{library}: {', '.join(form)}"
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        arguments = (other, library, model, form, options)
        self.start = time.perf_counter()
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        other.close()
        self.memory = 0
        self.images = self.receive()[0]

    def receive(self):
        try:
            answer = self.connection.recv()
        except EOFError:
            answer = RuntimeError("the process ended")
        if isinstance(answer, Exception):
            self.close()
            raise answer
        return answer

    def do(self, work, argument=None):
        self.connection.send((work, argument))
        result, seconds, self.memory = self.receive()
        return result, seconds

    def train(self):
        return [self.do("train")[1]]

    def evaluate(self):
        return min(self.do("evaluate", batch)[1] for batch in (task.BATCH, 1000))

    def race(self, accuracy):
        while True:
            self.do("train")
            if self.do("evaluate", 1000)[0] >= accuracy:
                return time.perf_counter() - self.start

    def close(self):
        self.process.kill()
        self.process.join()


def check(peer, expected):
    count = min(VALIDATION_STEPS * task.BATCH, peer.images)
    losses = peer.do("train", count)[0]
    difference = task.largest_difference(losses, expected)
    if not difference <= TOLERANCE:
        sys.exit(f"{peer.name}: a loss differs by {difference} from plainnet's, more than {TOLERANCE}")
    return difference


def make_peers(model, options):
    """Every form that runs here, after its losses were found right and after its first epoch."""
    limit = min(VALIDATION_STEPS * task.BATCH, options.limit or 60000)
    words = ["--device", options.device, "--threads", options.threads]
    expected = task.our_losses(model, task.initial_weights(model), options.data, limit, words)
    peers = []
    for library, kind in LIBRARIES.items():
        for form in kind.forms(model, options.device):
            try:
                peer = Peer(library, model, form, options)
                difference = check(peer, expected)
                peer.first = peer.do("train")[1]
            except RuntimeError as error:
                print(f"  {library}, {', '.join(form)}: left out, {error}", flush=True)
                continue
            print(f"  {peer.name}: first losses within {difference:.1e} of plainnet's, "
                  f"first epoch {peer.first:.1f} s", flush=True)
            peers.append(peer)
    return peers


def busy_share():
    """The share of a second for which the processors are busy. Nothing of ours runs now."""
    def busy():
        user, nice, system, _, _, interrupt, soft, steal = map(
            int, pathlib.Path("/proc/stat").read_text().split()[1:9]
        )
        return (user + nice + system + interrupt + soft + steal) / os.sysconf("SC_CLK_TCK")

    before = busy()
    time.sleep(1)
    return busy() - before


def installed_megabytes(package, seen):
    """Of a package and what it requires."""
    name = re.match(r"[\w.-]+", package)[0].lower().replace("_", "-")
    if name in seen or "extra ==" in package:
        return 0
    seen.add(name)
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return 0  # for another platform
    size = sum(file.size or 0 for file in distribution.files or []) / 2**20
    return size + sum(installed_megabytes(one, seen) for one in distribution.requires or [])


def compare(model, options):
    print(f"{model}, {options.limit or 'all'} training images, {options.threads} threads", flush=True)
    ours, peers = Ours(model, options), make_peers(model, options)
    seconds, evaluations = {}, {}
    for _ in range(options.rounds):
        for one in [ours, *peers]:
            time.sleep(PAUSE)
            if one is ours:
                one.first, *trained = one.train(options.epochs + 1)[0]
            else:
                trained = sum([one.train() for _ in range(options.epochs)], [])
            seconds.setdefault(one, []).extend(trained)
    for _ in range(options.rounds):
        for one in [ours, *peers]:
            time.sleep(PAUSE)
            evaluations.setdefault(one, []).append(one.evaluate())

    median = lambda of, one: statistics.median(of[one])
    print("\n  epoch, s  fastest  ours/theirs  evaluation, s  ours/theirs  first epoch, s  memory, MB")
    for one in sorted(seconds, key=lambda one: median(seconds, one)):
        epoch, evaluation = median(seconds, one), median(evaluations, one)
        ratios = ["", ""] if one is ours else [
            f"{median(seconds, ours) / epoch:.3f}", f"{median(evaluations, ours) / evaluation:.3f}"]
        print(f"  {epoch:8.3f}  {min(seconds[one]):7.3f}  {ratios[0]:>11}  {evaluation:13.3f}"
              f"  {ratios[1]:>11}  {one.first:14.1f}  {one.memory:10.0f}  {one.name}")
    if options.race:
        race(model, options, sorted(peers, key=lambda one: median(seconds, one)))
    for one in [ours, *peers]:
        one.close()


def race(model, options, peers):
    print("  from the start of the process to 98% on the test set, with all training images, s:")
    options = argparse.Namespace(**{**vars(options), "limit": None})
    ours = Ours(model, options)
    for library in [None, *LIBRARIES]:
        of_library = [peer for peer in peers if peer.library == library]
        if library and not of_library:
            continue
        times = []
        for _ in range(options.rounds):
            time.sleep(PAUSE)
            one = Peer(library, model, of_library[0].form, options) if library else ours
            times.append(one.race(0.98))
            if library:
                one.close()
        print(f"  {statistics.median(times):8.1f}  {one.name}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", choices=task.MODELS)
    parser.add_argument("--data", type=pathlib.Path, default=task.ROOT / "data/mnist")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu", help="gpu: PyTorch alone (cpu)")
    parser.add_argument("--threads", type=int, default=2, help="of all, on the CPU (2)")
    parser.add_argument("--limit", type=int, help="the first so many training images (all)")
    parser.add_argument("--epochs", type=int, default=1, help="in each turn (1)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--race", action="store_true", help="also the time to 98%%")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("--rounds: expected 3 or more, a median of fewer means little")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    if busy_share() > 0.1:
        print("warning: other processes are busy: no fair comparison")
    for library, kind in list(LIBRARIES.items()):
        try:
            version = importlib.metadata.version(kind.package)
            size = installed_megabytes(kind.package, set())
            print(f"{library} {version}: {size:,.0f} MB installed, with what it requires")
        except importlib.metadata.PackageNotFoundError:
            print(f"{library}: {kind.package} is not installed: left out")
            del LIBRARIES[library]
    for model in options.models:
        compare(model, options)


if __name__ == "__main__":
    main()
