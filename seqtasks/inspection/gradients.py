"""How far a gradient reaches back, in each cell: page 002's pictures as figures of our own.

The task is recall in its barest form: the first of T symbols is one of `CHOICES`, all others are
distractions, and the loss at the end asks for the first one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.layers.recurrent import GRU, LSTM, RNN

LAYERS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
CHOICES = 4
_DISTRACTIONS = 4
_ROWS = 32
_TEST_ROWS = 256


@dataclass(frozen=True)
class Reach:
    """The gradient of one cell.

    Attributes:
        cell: "rnn", "lstm" or "gru".
        trained: whether the network was trained before.
        h: for each step, from the first, the mean over texts of the norm of ∂L/∂h_t.
        c: the same of ∂L/∂c_t; None where there is no c.
        accuracy: the share of right answers, on texts that training didn't see.
    """

    cell: str
    trained: bool
    h: list[float]
    c: list[float] | None
    accuracy: float


@dataclass(frozen=True)
class Repeated:
    """What the repeated product with W_hᵀ does to a gradient (page 002).

    Attributes:
        scale: W_h is this times standard normal numbers.
        singular_value: the largest one of W_h.
        norms: of the gradient before the first product and after each.
    """

    scale: float
    singular_value: float
    norms: list[float]


def reach_of_cells(
    length: int, units: int, batches: int, seed: int, show: Callable[[str], None] = lambda _: None
) -> Iterator[Reach]:
    """Measure each cell untrained and then, unless `batches` is 0, trained.

    Args:
        length: T, steps of a text.
        units: H.
        batches: how many batches of 32 texts to train on.
        seed: of weights and texts.
        show: told the name of each cell before it is trained.
    """
    rng = np.random.default_rng(seed)
    test = _texts(rng, _TEST_ROWS, length)
    for cell in LAYERS:
        keras.utils.set_random_seed(seed)
        layer, head = LAYERS[cell](units), keras.layers.Dense(CHOICES)
        head(layer(tf.zeros((1, length, CHOICES + _DISTRACTIONS))))
        yield _measure(cell, False, layer, head, test)
        if batches:
            show(cell)
            _train(layer, head, batches, length, np.random.default_rng(seed + 1))
            yield _measure(cell, True, layer, head, test)


def state_gradients(
    layer: Any, x: tf.Tensor, loss: Callable[[tf.Tensor], tf.Tensor]
) -> list[tf.Tensor]:
    """Differentiate a loss of the last h with respect to the states after every step.

    Args:
        layer: a built `RNN`, `LSTM` or `GRU`.
        x: (N, T, D).
        loss: from h_T (N, H) to the loss of each row, (N,).

    Returns:
        For each state (h, for the LSTM also c) its gradient, (T, N, H). That of h_t holds c_t, and
        that of c_t includes what it does through h_t.
    """
    cell = layer.cell
    weights = cell.recurrent_weights(tf.convert_to_tensor(cell.W_h))
    dtype = cell.W_h.dtype
    states = tuple(tf.zeros((x.shape[0], size), dtype) for size in cell.state_size)
    h, *others = states
    steps: list[list[Any]] = [[] for _ in cell.state_size]
    with tf.GradientTape() as tape:
        tape.watch(states)
        for t in range(int(x.shape[1] or 0)):
            a_x = tf.matmul(x[:, t], cell.W_x) + cell.b
            (h, *others), _ = cell.step(a_x, (h, *others), weights)
            for kept, state in zip(steps, (h, *others), strict=True):
                kept.append(state)
        total = tf.reduce_sum(loss(h))
    gradients: Any = tape.gradient(total, steps, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.stack(each) for each in gradients]


def repeated_product(scale: float, units: int, steps: int, seed: int) -> Repeated:
    """Send a gradient of ones back through W_h alone, step after step."""
    W_h = scale * np.random.default_rng(seed).standard_normal((units, units))
    gradient = np.ones(units)
    norms = [float(np.linalg.norm(gradient))]
    for _ in range(steps):
        gradient = gradient @ W_h.T
        norms.append(float(np.linalg.norm(gradient)))
    return Repeated(scale, float(np.linalg.svd(W_h, compute_uv=False)[0]), norms)


def tanh_and_derivative() -> tuple[list[float], list[float], list[float]]:
    """Places from -4 to 4, tanh there, and its derivative 1 - tanh² (page 002)."""
    places = np.linspace(-4, 4, 33)
    values = np.tanh(places)
    return places.tolist(), values.tolist(), (1 - values**2).tolist()


def _texts(rng: np.random.Generator, rows: int, length: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Symbols as one-hot vectors (N, T, D), and the number of each row's first symbol."""
    symbols = rng.integers(CHOICES, CHOICES + _DISTRACTIONS, (rows, length))
    symbols[:, 0] = rng.integers(0, CHOICES, rows)
    x = np.eye(CHOICES + _DISTRACTIONS, dtype=np.float32)[symbols]
    return tf.constant(x), tf.constant(symbols[:, 0])


def _loss(targets: tf.Tensor, logits: Any) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)


def _train(layer, head, batches: int, length: int, rng: np.random.Generator) -> None:
    weights = [*layer.trainable_variables, *head.trainable_variables]
    optimizer = keras.optimizers.Adam(0.005, global_clipnorm=1.0)
    optimizer.build(weights)

    @tf.function(reduce_retracing=True)
    def step(x, targets):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(_loss(targets, head(layer(x, training=True))))
        gradients: Any = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply(gradients, weights)

    for _ in range(batches):
        step(*_texts(rng, _ROWS, length))


def _measure(cell: str, trained: bool, layer, head, test) -> Reach:
    x, targets = test
    gradients = state_gradients(layer, x, lambda h: _loss(targets, head(h)))
    norms = [np.linalg.norm(each.numpy(), axis=2).mean(axis=1).tolist() for each in gradients]
    right = np.argmax(head(layer(x)), axis=1) == targets.numpy()
    return Reach(cell, trained, norms[0], norms[1] if len(norms) > 1 else None, float(right.mean()))
