"""What the recurrent layers of a network do, step by step, and what comes back through them.

A layer that is recorded runs its own cell's `step` with the weights and inputs it would have used,
so the numbers are the layer's; the way back is the cell's own `step_back`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.cells.parts import step_weights, vectors_of
from seqtasks.layers.gates import KEPT, observed
from seqtasks.layers.recurrent import Recurrent


@dataclass(frozen=True)
class Recorded:
    """One run of a layer.

    Attributes:
        layer: which.
        x: what it read, (N, T, D), in the order in which it read.
        a_x: x W_x + b, (T, N, G).
        steps: of each step the states before it, those after it, and what the cell kept.
        lengths: (N,) real steps of each row.
        weights: what the cell made of W_h, and its vectors if it has any.
    """

    layer: Recurrent
    x: tf.Tensor
    a_x: tf.Tensor
    steps: list[tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]]
    lengths: np.ndarray
    weights: tuple[tf.Tensor, ...]

    def in_time(self, values: np.ndarray) -> np.ndarray:
        """(T, N, ...) in the order of reading to the rows' real steps, one row after the other.

        Within a row in the order of the text, whichever way the layer goes.
        """
        way = -1 if self.layer.go_backwards else 1
        rows = [values[:length, n][::way] for n, length in enumerate(self.lengths)]
        return np.concatenate(rows) if rows else values[:0, 0]

    def arrays(self) -> dict[str, np.ndarray]:
        """Gates and states of all real steps, (steps, H) each."""
        names = KEPT.get(type(self.layer.cell), ())
        found = {
            name: np.stack([kept[k].numpy() for _, _, kept in self.steps])
            for k, name in enumerate(names)
        }
        for k, name in enumerate(("h", "c")[: len(self.steps[0][0])]):
            found[name] = np.stack([after[k].numpy() for _, after, _ in self.steps])
        return {name: self.in_time(values) for name, values in found.items()}


class Recorder:
    """Runs layers' cells step by step, as `Recurrent.observer`, and keeps what they did.

    Args:
        tape: what watches the layers' inputs, so that an answer can be differentiated by them;
            None where nothing is.
    """

    def __init__(self, tape: tf.GradientTape | None = None):
        self.tape = tape
        self.runs: list[Recorded] = []

    def __call__(self, layer: Recurrent, x: Any, states: Any, W_h: Any, lengths: Any) -> Any:
        """Run (N, T, D) to h (N, T, H) and the states after each row's last real step."""
        if self.tape:
            # One's own, since both directions read the same tensor: what comes back through the
            # other must not be counted here.
            x = tf.identity(x)
            self.tape.watch(x)
        cell: Any = layer.stepping_cell
        weights = step_weights(layer.cell, W_h)
        a_x = layer.cell.project(tf.transpose(x, [1, 0, 2]))
        steps, states = [], tuple(states)
        N, T = x.shape[:2]
        lengths = tf.fill([N], T) if lengths is None else lengths
        whole = bool(tf.reduce_all(lengths == T))
        for t, a_t in enumerate(tf.unstack(a_x, num=T)):
            after, kept = cell.step(a_t, states, weights)
            if not whole:
                real = (t < lengths)[:, tf.newaxis]
                after = tuple(
                    tf.where(real, new, old) for new, old in zip(after, states, strict=True)
                )
            steps.append((states, after, kept))
            states = after
        self.runs.append(Recorded(layer, x, a_x, steps, lengths.numpy(), weights))
        return tf.stack([after[0] for _, after, _ in steps], axis=1), states


@contextmanager
def recording(stacks: Iterable[Any], tape: tf.GradientTape | None = None) -> Iterator[Recorder]:
    """Record all runs of layers: `RNN`, `LSTM`, `GRU` and `Bidirectional` ones."""
    recorder = Recorder(tape)
    with observed(stacks, recorder):
        yield recorder


def looking_back(run: Recorded) -> dict[str, np.ndarray]:
    """How much the state after a row's last step changes with what was before it.

    Returns:
        Of all real steps, in the order of the text:

        - "d_last" (steps,): |∂h_T/∂x_t|, the Frobenius norm of the matrix of all derivatives.
        - "d_state" (steps,): |∂h_T/∂h_t|; of an LSTM with c_t held still.
        - of an LSTM "d_memory" (steps, H): ∂c_T/∂c_t of each unit by itself, along all ways; and
          "forgotten" (steps, H): the product of the forget gates after step t, which is what of it
          goes along c (page 000, "LSTM의 Gradient Flow").
    """
    cell: Any = run.layer.stepping_cell
    states, H, T = len(run.steps[0][0]), run.layer.units, len(run.steps)
    N = len(run.lengths)
    back = tuple(tf.transpose(W) for W in run.weights)
    d_last, d_state = np.zeros((T, N)), np.zeros((T, N))
    d_memory, forgotten = np.zeros((T, N, H)), np.ones((T, N, H))
    one = tf.eye(H, dtype=run.a_x.dtype)
    for n, length in enumerate(run.lengths):
        # A row of the batch is the derivative of one unit of one state at the end.
        d_states = tuple(
            tf.concat([one if k == state else tf.zeros_like(one) for k in range(states)], axis=0)
            for state in range(states)
        )
        kept_open = np.ones(H)
        for t in reversed(range(length)):
            d_state[t, n] = tf.norm(d_states[0][:H])
            if states > 1:
                d_memory[t, n] = tf.linalg.diag_part(d_states[1][H:]).numpy()
                forgotten[t, n] = kept_open
                zoned, f = run.layer.zoneout, run.steps[t][2][0][n].numpy()
                kept_open = kept_open * (zoned + (1 - zoned) * f)
            before, after, kept = (
                tuple(tf.tile(value[n : n + 1], [states * H, 1]) for value in part)
                for part in run.steps[t]
            )
            da, d_states, *_ = cell.step_back(d_states, before, after, kept, back)
            d_last[t, n] = tf.norm(_d_input(run.layer.cell, run.x[n, t], da[:H]))
    found = {"d_last": d_last, "d_state": d_state}
    if states > 1:
        found |= {"d_memory": d_memory, "forgotten": forgotten}
    return {name: run.in_time(values) for name, values in found.items()}


def _d_input(cell: Any, x_t: tf.Tensor, da: tf.Tensor) -> tf.Tensor:
    """The gradients (any, D) of one step's inputs (D,) from those of a_x (any, G)."""
    W_x = tf.cast(cell.W_x.value, da.dtype)
    vectors = vectors_of(cell, "input_vectors", da.dtype)
    if not vectors:
        return tf.matmul(da, W_x, transpose_b=True)
    x, W_x = tf.repeat(tf.cast(x_t, da.dtype)[tf.newaxis], len(da), 0), cell.input_matrix(W_x)
    _, saved = cell.affine(x, W_x, tf.cast(cell.b.value, da.dtype), vectors)
    return cell.affine_back(x, tf.transpose(W_x), vectors, saved, da)[0]
