"""The networks in PyTorch, TensorFlow and JAX, in their fastest forms: what compare_frameworks.py times.

A peer is made from a model, a form (words, such as "eager" and "channels last") and the data. It has
train(order), an epoch in that order of the images, which returns the loss of each batch before its
update, and evaluate(batch), the accuracy on the test images. It holds all images as floats from the
start. Each framework is loaded by its own class only: they would be in each other's way in one process.
"""

import itertools
import os

import compare_task as task
import numpy as np


class Data:
    """The images as floats of 0 to 1, [n][28][28], and their labels."""

    def __init__(self, folder, limit):
        self.images, self.labels = task.read_images(folder, limit)
        self.test_images, self.test_labels = task.read_images(folder, part="t10k")
        self.images, self.test_images = (
            part.astype(np.float32) / 255 for part in (self.images, self.test_images)
        )


def batches(order):
    """All full batches as rows, and the smaller last one."""
    full = len(order) // task.BATCH * task.BATCH
    return order[:full].reshape(-1, task.BATCH), order[full:]


class PyTorch:
    package = "torch"

    @staticmethod
    def forms(model, device):
        layouts = [[], ["channels last"]] if model != "bilstm" else [["nn.LSTM"], ["LSTM by hand"]]
        runs = [["eager"], ["torch.compile"]]
        if device == "gpu":
            runs += [["CUDA graph"], ["torch.compile", "CUDA graph"]]
        rounding = [[], ["TF32"]] if device == "gpu" else [[]]
        return [sum(words, []) for words in itertools.product(runs, layouts, rounding)]

    def __init__(self, model, form, data, device, threads):
        import compare_steps as steps
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = "TF32" in form
        torch.backends.cudnn.allow_tf32 = "TF32" in form
        self.device = "cuda" if device == "gpu" else "cpu"
        shape = (-1, 28, 28) if model == "bilstm" else (-1, 1, 28, 28)
        tensor = lambda array: torch.tensor(array, device=self.device)
        self.images = tensor(data.images.reshape(shape))
        self.test_images = tensor(data.test_images.reshape(shape))
        self.labels = tensor(data.labels.astype(np.int64))
        self.test_labels = tensor(data.test_labels.astype(np.int64))
        network = steps.make_network(
            model, task.initial_weights(model), torch.float32, self.device, "channels last" in form
        )
        if "LSTM by hand" in form:
            network = torch.nn.Sequential(lstm_by_hand(network.bidirectional_1), network.dense_1)
        self.optimizer = steps.make_optimizer(model, network)
        # Not dynamic: the smaller last batch gets code of its own.
        compiled = "torch.compile" in form
        self.network = torch.compile(network, dynamic=False) if compiled else network
        self.graphs = {}  # batch size -> (graph, its indices, its loss)
        if "CUDA graph" in form:
            for size in {task.BATCH, len(self.images) % task.BATCH} - {0}:
                self.graphs[size] = self.record(torch.arange(size, device=self.device))

    def step(self, indices):
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network(self.images[indices])
        loss = self.torch.nn.functional.cross_entropy(logits, self.labels[indices])
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def record(self, indices):
        """Records a step as a CUDA graph, and leaves the weights as they were, the velocities 0."""
        torch = self.torch
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
        order = self.torch.tensor(order, device=self.device)
        losses = self.torch.zeros(-(-len(order) // task.BATCH), device=self.device)
        for i, indices in enumerate(order.split(task.BATCH)):
            if self.graphs:
                graph, graph_indices, loss = self.graphs[len(indices)]
                graph_indices.copy_(indices)
                graph.replay()
                losses[i] = loss
            else:
                losses[i] = self.step(indices)
        return losses.tolist()

    def evaluate(self, batch):
        right = 0
        with self.torch.inference_mode():
            for x, label in zip(self.test_images.split(batch), self.test_labels.split(batch)):
                right += (self.network(x).argmax(1) == label).sum()
        return right.item() / len(self.test_labels)


def lstm_by_hand(lstm):
    """The outputs at the last steps of an nn.LSTM in both directions, with its weights. Both directions
    are one product; those by x are made before the loop."""
    import torch

    class Lstm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            both = lambda name: torch.nn.Parameter(
                torch.stack([getattr(lstm, name).detach().T, getattr(lstm, name + "_reverse").detach().T])
            )
            self.weight, self.recurrent = both("weight_ih_l0"), both("weight_hh_l0")
            bias = torch.stack([lstm.bias_ih_l0.detach(), lstm.bias_ih_l0_reverse.detach()])
            self.bias = torch.nn.Parameter(bias[:, None])

        def forward(self, x):  # [batch][steps][features]
            count, steps, _ = x.shape
            both = torch.stack((x, x.flip(1))).flatten(1, 2)
            z_x = torch.baddbmm(self.bias, both, self.weight).view(2, count, steps, -1)
            h = c = x.new_zeros(2, count, self.recurrent.shape[1])
            for t in range(steps):
                i, f, g, o = (z_x[:, :, t] + torch.bmm(h, self.recurrent)).chunk(4, dim=2)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
            return torch.cat((h[0], h[1]), dim=1)

    return Lstm()


class TensorFlow:
    """Keras' layers and its fit(), or the epoch as one tf.function, with an update written for it."""

    package = "tensorflow-cpu"

    @staticmethod
    def forms(model, device):
        if device == "gpu":
            return []
        loops = [["loop"], ["unrolled"]] if model == "bilstm" else [[]]
        runs = [["Keras fit"], ["tf.function"], ["tf.function", "XLA"]]
        return [run + loop for run, loop in itertools.product(runs, loops)]

    def __init__(self, model, form, data, device, threads):
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        os.environ["KERAS_BACKEND"] = "tensorflow"
        import keras
        import tensorflow as tf
        from keras import layers

        self.tf, self.keras, self.fits = tf, keras, "Keras fit" in form
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        shape = (28, 28) if model == "bilstm" else (28, 28, 1)
        end = [layers.Flatten(), layers.Dense(512, "relu"), layers.Dense(10)]
        first = [layers.Conv2D(24, 5, activation="relu"), layers.MaxPooling2D(2)]
        if model == "bilstm":
            lstm = layers.LSTM(128, unroll="unrolled" in form)
            stack = [layers.Bidirectional(lstm), layers.Dense(10)]
        elif model == "cnn":
            stack = [*first, layers.Conv2D(48, 5, activation="relu"), layers.MaxPooling2D(2), *end]
        else:
            depthwise = layers.DepthwiseConv2D(5, activation="relu")
            pointwise = layers.Conv2D(48, 1, activation="relu")
            stack = [*first, depthwise, pointwise, layers.MaxPooling2D(2), *end]
        self.network = keras.Sequential([layers.Input(shape), *stack])
        self.network.set_weights(in_keras_order(task.initial_weights(model)))

        self.images = data.images.reshape(-1, *shape)
        self.labels = data.labels.astype(np.int32)
        self.test_images = tf.constant(data.test_images.reshape(-1, *shape))
        self.test_labels = data.test_labels
        rate = task.LEARNING_RATES[model]
        if self.fits:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            optimizer = keras.optimizers.SGD(rate, task.MOMENTUM, nesterov=True)
            self.network.compile(optimizer, loss)
        else:
            self.images, self.labels = tf.constant(self.images), tf.constant(self.labels)
            self.velocities = [tf.Variable(tf.zeros_like(w)) for w in self.network.trainable_weights]
            # XLA compiles a step, not the loop: in a loop, its convolutions on a CPU are slow.
            step = tf.function(lambda indices: self.step(indices, rate), jit_compile="XLA" in form)
            self.epoch = tf.function(lambda rows: self.steps(rows, step))
        self.guess = tf.function(lambda x: tf.argmax(self.network(x), 1), jit_compile="XLA" in form)

    def step(self, indices, rate):
        tf, weights = self.tf, self.network.trainable_weights
        with tf.GradientTape() as tape:
            logits = self.network(tf.gather(self.images, indices), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(self.labels, indices), logits)
            loss = tf.reduce_mean(losses)
        for w, v, gradient in zip(weights, self.velocities, tape.gradient(loss, weights)):
            v.assign(task.MOMENTUM * v - rate * gradient)
            w.assign_add(task.MOMENTUM * v - rate * gradient)
        return loss

    def steps(self, rows, step):
        """A step for each row of indices."""
        losses = self.tf.TensorArray(self.tf.float32, rows.shape[0])
        for i in self.tf.range(rows.shape[0]):
            losses = losses.write(i, step(rows[i]))
        return losses.stack()

    def train(self, order):
        if self.fits:
            return self.fit(order)
        full, last = batches(order.astype(np.int32))
        losses = [self.epoch(self.tf.constant(full))]
        if len(last):
            losses.append(self.epoch(self.tf.constant(last[None])))
        return np.concatenate([part.numpy() for part in losses])

    def fit(self, order):
        means = []  # of all batches so far: that is what Keras tells
        note = self.keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: means.append(logs["loss"])
        )
        in_order = np.array_equal(order, np.arange(len(order)))  # else Keras shuffles
        x, y = self.images[: len(order)], self.labels[: len(order)]
        callbacks = [note] if in_order else []
        self.network.fit(x, y, task.BATCH, verbose=0, shuffle=not in_order, callbacks=callbacks)
        sums = np.multiply(means, np.arange(1, len(means) + 1))
        return np.diff(sums, prepend=0)

    def evaluate(self, batch):
        guesses = [
            self.guess(self.test_images[i : i + batch]) for i in range(0, len(self.test_labels), batch)
        ]
        return np.mean(np.concatenate([part.numpy() for part in guesses]) == self.test_labels)


def in_keras_order(weights):
    """Layer after layer. Each tensor's layout is ours."""
    layers = dict.fromkeys(name.rsplit(".", 1)[0] for name in weights)
    names = [f"{layer}.{part}" for layer in layers for part in ("kernel", "recurrent_kernel", "bias")]
    return [weights[name] for name in names if name in weights]


class Jax:
    """A step, compiled. (An epoch as one scan is slower: in a loop, XLA's convolutions on a CPU are slow.)"""

    package = "jax"

    @staticmethod
    def forms(model, device):
        return [["jit"]] if device == "cpu" else []

    def __init__(self, model, form, data, device, threads):
        import jax
        from jax import lax, nn
        import jax.numpy as jnp

        shape = (-1, 28, 28) if model == "bilstm" else (-1, 28, 28, 1)
        images, labels = jnp.asarray(data.images.reshape(shape)), jnp.asarray(data.labels, jnp.int32)
        self.test_images, self.test_labels = jnp.asarray(data.test_images.reshape(shape)), data.test_labels
        self.weights = {name: jnp.asarray(w) for name, w in task.initial_weights(model).items()}
        self.velocities = jax.tree.map(jnp.zeros_like, self.weights)
        rate = task.LEARNING_RATES[model]

        def conv(w, name, x, groups=1):
            kernel = w[name + ".kernel"]
            if groups > 1:
                kernel = kernel.transpose(0, 1, 3, 2)
            layout = ("NHWC", "HWIO", "NHWC")
            z = lax.conv_general_dilated(
                x, kernel, (1, 1), "VALID", dimension_numbers=layout, feature_group_count=groups
            )
            return nn.relu(z + w[name + ".bias"])

        def pool(x):  # several times faster than lax.reduce_window and its gradient
            b, h, width, c = x.shape
            return x.reshape(b, h // 2, 2, width // 2, 2, c).max((2, 4))

        def dense(w, name, x):
            return x @ w[name + ".kernel"] + w[name + ".bias"]

        def lstm(w, direction, x):  # [steps][batch][features]
            of = lambda name: w[f"bidirectional_1.{direction}.{name}"]

            def step(state, z_x):
                h, c = state
                i, f, g, o = jnp.split(z_x + h @ of("recurrent_kernel"), 4, axis=1)
                c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
                return (nn.sigmoid(o) * jnp.tanh(c), c), None

            zeros = jnp.zeros((x.shape[1], 128))
            z = x @ of("kernel") + of("bias")
            return lax.scan(step, (zeros, zeros), z, unroll=len(x))[0][0]

        def network(w, x):
            if model == "bilstm":
                steps = x.transpose(1, 0, 2)
                h = [lstm(w, "forward", steps), lstm(w, "backward", steps[::-1])]
                return dense(w, "dense_1", jnp.concatenate(h, 1))
            x = pool(conv(w, "conv2d_1", x))
            if model == "separable":
                x = conv(w, "depthwise_conv2d_1", x, groups=24)
            x = pool(conv(w, "conv2d_2", x))
            return dense(w, "dense_2", nn.relu(dense(w, "dense_1", x.reshape(len(x), -1))))

        def mean_loss(w, x, label):
            return -jnp.take_along_axis(nn.log_softmax(network(w, x)), label[:, None], 1).mean()

        def step(state, indices):
            w, v = state
            loss, gradient = jax.value_and_grad(mean_loss)(w, images[indices], labels[indices])
            v = jax.tree.map(lambda v, g: task.MOMENTUM * v - rate * g, v, gradient)
            w = jax.tree.map(lambda w, v, g: w + task.MOMENTUM * v - rate * g, w, v, gradient)
            return (w, v), loss

        self.step = jax.jit(step, donate_argnums=0)
        self.guess = jax.jit(lambda w, x: network(w, x).argmax(1))

    def train(self, order):
        state, losses = (self.weights, self.velocities), []
        for i in range(0, len(order), task.BATCH):
            state, loss = self.step(state, order[i : i + task.BATCH].astype(np.int32))
            losses.append(loss)
        self.weights, self.velocities = state
        return np.array(losses)

    def evaluate(self, batch):
        guesses = [
            self.guess(self.weights, self.test_images[i : i + batch])
            for i in range(0, len(self.test_labels), batch)
        ]
        return np.mean(np.concatenate(guesses) == self.test_labels)


LIBRARIES = {"PyTorch": PyTorch, "TensorFlow": TensorFlow, "JAX": Jax}
