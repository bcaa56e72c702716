"""What a cell must have, and the pages whose equations the cells are.

A cell is one step of a recurrent network, forward and back. A layer (`seqtasks.layers.recurrent`)
runs it over time, so it is all that a new kind of network needs. `Cell` below lists its members;
the pages' `RNNCell`, `LSTMCell` and `GRUCell` have these and no others.

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

## Cells of papers

`LayerNormLSTMCell` and `LayerNormGRUCell` (Ba, Kiros & Hinton 2016) and `PeepholeLSTMCell` (Gers &
Schmidhuber 2000) have, besides, what `VectorCell` and `NormalisedCell` list. `zoneout` and
`dropped` have what runs any cell with zoneout (Krueger et al. 2017) and with dropped recurrent
units (Gal & Ghahramani 2016).

## How to write a cell of your own

Take `lstm.py` as the pattern, and `peephole_lstm.py` where a step has vectors of its own. The
matrices that a step needs are in three arrays: W_x (D, G) and b (G), whose product with the inputs
a layer makes for many steps at once, and W_h, of any shape, which `recurrent_weights` cuts into the
matrices that the step multiplies with, by `matmul` of `seqtasks.cells.parts`, since they may be of
another dtype than the states. A class of two lines, `class MyLayer(Recurrent): cell_class
= MyCell`, then makes a layer of the cell, with masks, both directions, stacks and the fast loop.
Compare its gradients with automatic differentiation of the step, as this example does: an LSTM
whose gates f and i are one (i = 1 - f), so that it forgets as much as it takes in.

>>> import tensorflow as tf
>>> from seqtasks.cells.lstm import LSTMCell
>>> from seqtasks.cells.parts import d_sigmoid, d_tanh, matmul
>>> from seqtasks.layers.recurrent import Recurrent
>>> class CoupledCell(LSTMCell):
...     \"\"\"In blocks [f g o].\"\"\"
...
...     blocks, saves = 3, 3
...
...     @staticmethod
...     def step(a_x, states, weights):
...         (h_prev, c_prev), (W_h,) = states, weights
...         f, g, o = tf.split(a_x + matmul(h_prev, W_h), 3, axis=1)
...         f, g, o = tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
...         c_t = f * c_prev + (1 - f) * g
...         return (o * tf.tanh(c_t), c_t), (f, g, o)
...
...     @staticmethod
...     def step_back(d_states, states_prev, states, saved, weights_T):
...         (dh, dc), (_, c_prev), (_, c_t) = d_states, states_prev, states
...         (f, g, o), (W_h_T,) = saved, weights_T
...         tanh_c = tf.tanh(c_t)
...         dc = dc + d_tanh(tanh_c, dh * o)
...         df, do = d_sigmoid(f, dc * (c_prev - g)), d_sigmoid(o, dh * tanh_c)
...         da = tf.concat([df, d_tanh(g, dc * (1 - f)), do], axis=1)
...         return da, (matmul(da, W_h_T), dc * f)
...
...     def build(self, input_shape):
...         D, H = input_shape[-1], self.units
...         self.W_x = self.add_weight((D, 3 * H), name="W_x")
...         self.W_h = self.add_weight((H, 3 * H), name="W_h", autocast=False)
...         self.b = self.add_weight((3 * H,), "random_normal", name="b", autocast=False)
>>> class CoupledLSTM(Recurrent):
...     cell_class = CoupledCell
>>> layer = CoupledLSTM(3, dtype="float64")
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


class VectorCell(Cell, Protocol):
    """A cell whose step has weights besides the matrices, each a vector.

    `step` and `step_back` are given them after the matrices, `step_back` as they are.
    """

    vectors: tuple[str, ...]  # the names of these weights

    @staticmethod
    def step_back(  # type: ignore[override]
        d_states: States, states_prev: States, states: States, saved: States, weights_T: States
    ) -> tuple[tf.Tensor, States, States]:
        """One step back, as `Cell` has it, and third the gradients of the vectors by row.

        They are (N, width) each: the loop sums them over all rows and steps.
        """
        ...


class NormalisedCell(VectorCell, Protocol):
    """A cell whose products are normalised before they become a_x, or are added to it."""

    input_vectors: tuple[str, ...]  # the names of the weights of `affine` besides W_x and b
    input_saves: int  # how many tensors `affine` keeps for `affine_back`

    @staticmethod
    def step_back(  # type: ignore[override]
        d_states: States, states_prev: States, states: States, saved: States, weights_T: States
    ) -> tuple[tf.Tensor, States, States, tf.Tensor]:
        """One step back, as `VectorCell` has it, and fourth the gradient of the products, (N, G).

        It is that of what the matrices of `recurrent_weights` make, which isn't a_x's here.
        """
        ...

    @staticmethod
    def input_matrix(W_x: tf.Tensor) -> tf.Tensor:
        """W_x as `affine` multiplies with it, made once for all steps."""
        ...

    @staticmethod
    def affine(
        x: tf.Tensor, W_x: tf.Tensor, b: tf.Tensor, input_vectors: States
    ) -> tuple[tf.Tensor, States]:
        """a_x (..., G) of inputs (..., D), and what `affine_back` needs of it.

        Args:
            x: the inputs.
            W_x: what `input_matrix` made.
            b, input_vectors: the weights.
        """
        ...

    @staticmethod
    def affine_back(
        x: tf.Tensor, W_x_T: tf.Tensor, input_vectors: States, saved: States, da: tf.Tensor
    ) -> States:
        """The gradients of x, of W_x as `affine` had it, of b and of the vectors, from a_x's."""
        ...
