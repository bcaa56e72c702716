"""What a cell must have, and the pages whose equations the cells are.

A cell is one step of a recurrent network, forward and back. A layer (`seqtasks.layers.recurrent`)
runs it over time, so it is all that a new kind of network needs. `Cell` below lists its members;
`RNNCell`, `LSTMCell` and `GRUCell` have these and no others.

Letters: N batch, T time, D input features, H hidden units, G = blocks * H columns.

## The pages

Five Korean teaching pages give the equations. The code cites them by number and section.

000  "LSTM & GRU" (Soohwan Kim, blog, 2020)
     the GRU; why the gradient survives along c
001  "Recurrent Neural Network(RNN)와 Long Short Term Memory(LSTM)" (blog, 2018)
     how networks are wired: many to one and the others, several layers, both directions, levels
002  "LSTM 모델 개요" (slides, 양석환)
     the RNN's step and its gradients; the LSTM's gates, all in one affine map, and the gradient
     along c; gradient clipping; truncated back-propagation through time
003  "LSTM: Gate를 도입해 RNN의 한계를 완화한 모델" (article)
     the RNN in words; each equation of the LSTM once more, step by step
004  "LSTM 공부한거 정리" (blog, 2023)
     the LSTM's c_t; its gates once more

## How to write a cell of your own

Take `lstm.py` as the pattern. All weights that a step needs are in three arrays: W_x (D, G) and
b (G), whose product with the inputs a layer makes for many steps at once, and W_h, of any shape,
which `recurrent_weights` cuts into the matrices that the step multiplies with. A class of two
lines, `class MyLayer(Recurrent): cell_class = MyCell`, then makes a layer of the cell, with masks,
both directions, stacks and the fast loop. Compare its gradients with automatic differentiation of
the step, as this example does: an LSTM with peepholes (Gers & Schmidhuber 2000), whose gates see
c_{t-1} too, each through a vector p (H):

    f, i, o = σ(x_t W_x + h_{t-1} W_h + p ⊙ c_{t-1} + b)

>>> import tensorflow as tf
>>> from seqtasks.cells.lstm import LSTMCell
>>> from seqtasks.cells.parts import d_sigmoid, d_tanh
>>> from seqtasks.layers.recurrent import Recurrent
>>> class PeepholeCell(LSTMCell):
...     \"\"\"In blocks [f i o g]; three more columns of W_h (H, 4H + 3) are the vectors p.\"\"\"
...
...     @staticmethod
...     def step(a_x, states, weights):
...         (h_prev, c_prev), (W_gates, W_g) = states, weights
...         H = h_prev.shape[1]
...         a_gates = a_x[:, : 3 * H] + tf.matmul(tf.concat([h_prev, c_prev], axis=1), W_gates)
...         f, i, o = tf.split(tf.sigmoid(a_gates), 3, axis=1)
...         g = tf.tanh(a_x[:, 3 * H :] + tf.matmul(h_prev, W_g))
...         c_t = f * c_prev + i * g
...         return (o * tf.tanh(c_t), c_t), (f, i, o, g)
...
...     @staticmethod
...     def step_back(d_states, states_prev, states, saved, weights_T):
...         (dh, dc), (_, c_prev), (_, c_t) = d_states, states_prev, states
...         (f, i, o, g), (W_gates_T, W_g_T) = saved, weights_T
...         tanh_c = tf.tanh(c_t)
...         dc = dc + d_tanh(tanh_c, dh * o)
...         df, di, do = d_sigmoid(f, dc * c_prev), d_sigmoid(i, dc * g), d_sigmoid(o, dh * tanh_c)
...         d_gates, dg = tf.concat([df, di, do], axis=1), d_tanh(g, dc * i)
...         dh_prev, dc_prev = tf.split(tf.matmul(d_gates, W_gates_T), 2, axis=1)
...         d_states_prev = dh_prev + tf.matmul(dg, W_g_T), dc_prev + dc * f
...         return tf.concat([d_gates, dg], axis=1), d_states_prev
...
...     @staticmethod
...     def recurrent_weights(W_h):
...         H = W_h.shape[0]
...         peepholes = [tf.linalg.diag(p) for p in tf.unstack(W_h[:, 4 * H :], axis=1)]
...         W_gates = tf.concat([W_h[:, : 3 * H], tf.concat(peepholes, axis=1)], axis=0)
...         return W_gates, W_h[:, 3 * H : 4 * H]  # (2H, 3H), (H, H)
...
...     @staticmethod
...     def recurrent_operands(states_prev, saved):
...         h_prev, c_prev = states_prev
...         return tf.concat([h_prev, c_prev], axis=1), h_prev
...
...     def build(self, input_shape):
...         D, H = input_shape[-1], self.units
...         self.W_x = self.add_weight((D, 4 * H), name="W_x")
...         self.W_h = self.add_weight((H, 4 * H + 3), name="W_h", autocast=False)
...         self.b = self.add_weight((4 * H,), "random_normal", name="b", autocast=False)
>>> class PeepholeLSTM(Recurrent):
...     cell_class = PeepholeCell
>>> layer = PeepholeLSTM(3, dtype="float64")
>>> x = tf.random.stateless_normal((2, 5, 4), seed=(6, 7), dtype="float64")
>>> def step_by_step(x):
...     states = [tf.zeros((2, 3), "float64"), tf.zeros((2, 3), "float64")]
...     for x_t in tf.unstack(x, axis=1):
...         h_t, states = layer.cell(x_t, states)
...     return h_t
>>> def h_and_gradients(run):
...     with tf.GradientTape() as tape:
...         h = run(x)
...     return [h, *tape.gradient(h, layer.trainable_weights)]
>>> pairs = zip(h_and_gradients(layer), h_and_gradients(step_by_step), strict=True)
>>> bool(max(tf.reduce_max(tf.abs(ours - expected)) for ours, expected in pairs) < 1e-12)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # so that reading this page's names needs no TensorFlow
    import tensorflow as tf

    States = tuple[tf.Tensor, ...]  # (N, H) each: (h,), the LSTM's (h, c)


class Cell(Protocol):
    """One step of a recurrent network: a `keras.Layer` with these members.

    The layer makes it as `cell_class(units, name=..., dtype=...)`. The five static methods are
    given all that they need, so a loop may call them with whatever weights a batch has.
    """

    units: int  # H
    state_size: list[int]  # widths of the states, h first: [H], the LSTM's [H, H]
    output_size: int  # H, width of h
    blocks: int  # column blocks of W_x and b, H columns each
    saves: int  # how many tensors (N, H) `step` keeps for `step_back`, besides the states
    W_x: Any  # (D, G), a weight
    W_h: Any  # a weight; (H, G) in the three cells
    b: Any  # (G,), a weight

    @staticmethod
    def step(a_x: tf.Tensor, states: States, weights: States) -> tuple[States, States]:
        """One step forward.

        Args:
            a_x: x_t W_x + b, (N, G): what `project` makes of the inputs.
            states: those before the step.
            weights: what `recurrent_weights` made of W_h.

        Returns:
            The states after the step, and the tensors that `saves` counts.
        """
        ...

    @staticmethod
    def step_back(
        d_states: States, states_prev: States, states: States, saved: States, weights_T: States
    ) -> tuple[tf.Tensor, States]:
        """One step back.

        Args:
            d_states: gradients of the states after the step.
            states_prev, states: the states before the step and after it.
            saved: what `step` kept.
            weights_T: the matrices of `recurrent_weights`, transposed.

        Returns:
            The gradient of a_x, (N, G), and those of the states before the step.
        """
        ...

    @staticmethod
    def recurrent_weights(W_h: tf.Tensor) -> States:
        """W_h as one matrix (K, columns) for each product of the step, in the order of a_x.

        Their columns are G in all: those of a_x that the product is added to.
        """
        ...

    @staticmethod
    def recurrent_operands(states_prev: States, saved: States) -> States:
        """What the step multiplies with each matrix of `recurrent_weights`: (N, K) each."""
        ...

    def build(self, input_shape: Any) -> None:
        """Create W_x, W_h and b for inputs (..., D)."""
        ...

    def project(self, x: tf.Tensor) -> tf.Tensor:
        """a_x = x W_x + b, the part of a step that needs no state: (..., D) to (..., G)."""
        ...

    def call(
        self, inputs: tf.Tensor, states: Any, training: bool = False
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One whole step, as `keras.layers.RNN` and a decoder call it: to h_t and all states."""
        ...

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this cell again."""
        ...
