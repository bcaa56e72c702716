"""What the cells share: the affine map, initial weights block by block, two derivatives."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "seqtasks' layers run on Keras' TensorFlow backend. Received: KERAS_BACKEND="
        f"{keras.backend.backend()}; set it to tensorflow, or leave it out, before importing keras"
    )


def matmul(x: tf.Tensor, W: tf.Tensor) -> tf.Tensor:
    """x W as a matrix product that runs in W's dtype, its value in x's: (N, D) to (N, G).

    The matrices that a cell's step is given may be of bfloat16, which new CPUs multiply faster; the
    states, and all that is made of the product, stay float32.

    >>> x, W = tf.constant([[1.001]]), tf.constant([[1.0]], tf.bfloat16)
    >>> matmul(x, W).numpy()
    array([[1.]], dtype=float32)
    """
    return tf.cast(tf.matmul(tf.cast(x, W.dtype), W), x.dtype)


def affine(x: tf.Tensor, W: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """x W + b over the last axis as ONE matrix product: (..., D), (D, G), (G,) to (..., G).

    The product runs in W's dtype, the rest in b's: under a 16-bit policy the gates' sums,
    and the states made from them, stay in float32.

    >>> affine(tf.ones((5, 2, 3)), tf.ones((3, 4)), tf.ones((4,)))[0, 0].numpy().tolist()
    [4.0, 4.0, 4.0, 4.0]
    """
    product = tf.matmul(tf.reshape(tf.cast(x, W.dtype), [-1, W.shape[0]]), W)
    a = tf.nn.bias_add(tf.cast(product, b.dtype), b)
    return tf.reshape(a, tf.concat([tf.shape(x)[:-1], tf.shape(b)], axis=0))


def affine_back(x: tf.Tensor, W_T: tf.Tensor, da: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The gradients of x, W and b in a = x W + b, from Wᵀ (G, D) and that of a (..., G).

    >>> x, W_T, da = tf.ones((5, 2, 3)), tf.ones((4, 3)), tf.ones((5, 2, 4))
    >>> [tuple(gradient.shape) for gradient in affine_back(x, W_T, da)]
    [(5, 2, 3), (3, 4), (4,)]
    """
    G, D = W_T.shape
    rows = tf.reshape(da, [-1, G])
    product = tf.cast(rows, W_T.dtype)
    dx = tf.reshape(tf.matmul(product, W_T), tf.shape(x))
    x_rows = tf.reshape(tf.cast(x, W_T.dtype), [-1, D])
    dW = tf.matmul(x_rows, product, transpose_a=True)
    return tf.cast(dx, x.dtype), tf.cast(dW, da.dtype), tf.reduce_sum(rows, axis=0)


def in_blocks(make_initializer: Callable[[], Any], blocks: int) -> Callable[..., tf.Tensor]:
    """Return an initializer that draws each of `blocks` column blocks separately.

    Fusing the gates' matrices (page 002, "4개의 수식을 모아 단 한 번의 아핀변환으로 계산") must not
    change what each is drawn from: Glorot's variance belongs to a (D, H) matrix and not to a
    (D, 4H) one, and the columns of (H, 4H) can't all be orthogonal. `make_initializer` is called
    once per block, since one Keras initializer repeats its values.

    >>> W_h = in_blocks(keras.initializers.Orthogonal, 4)((3, 12), "float32")
    >>> first_block = W_h[:, :3]
    >>> bool(tf.reduce_max(tf.abs(tf.matmul(first_block, first_block, True) - tf.eye(3))) < 1e-5)
    True
    """

    def initialize(shape: tuple[int, int], dtype: str | None = None) -> tf.Tensor:
        rows, columns = shape
        block = (rows, columns // blocks)
        return tf.concat([make_initializer()(block, dtype) for _ in range(blocks)], axis=1)

    return initialize


def state_dtype(layer: keras.Layer) -> str:
    """The dtype of states and sums: the layer's compute dtype, but float32 for 16-bit policies."""
    return "float32" if layer.compute_dtype in ("float16", "bfloat16") else layer.compute_dtype


def step_as_layer(cell: Any, x_t: tf.Tensor, states: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """One whole step of `cell` as Keras calls it: (N, D) and states to h_t and [h_t, ...]."""
    dtype = state_dtype(cell)
    states = tuple(tf.cast(s, dtype) for s in states)
    states, _ = cell.step(cell.project(x_t), states, step_weights(cell, tf.cast(cell.W_h, dtype)))
    states = [tf.cast(s, cell.compute_dtype) for s in states]
    return states[0], states


def step_weights(cell: Any, W_h: Any) -> tuple[tf.Tensor, ...]:
    """What a step of `cell` needs: the matrices that it makes of W_h, then its vectors, if any."""
    return (*cell.recurrent_weights(W_h), *vectors_of(cell, "vectors", W_h.dtype))


def vectors_of(cell: Any, kind: str, dtype: Any) -> tuple[tf.Tensor, ...]:
    """The values of a cell's `vectors` or `input_vectors`; none where it has no such.

    >>> from seqtasks.cells.rnn import RNNCell
    >>> vectors_of(RNNCell(2), "vectors", "float32")
    ()
    """
    names = getattr(cell, kind, ())
    return tuple(tf.cast(tf.convert_to_tensor(getattr(cell, name)), dtype) for name in names)


def d_sigmoid(y: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
    """dy y (1 - y): the gradient before y = σ(x), from y. One op.

    >>> float(d_sigmoid(tf.constant(0.25), tf.constant(2.0)))
    0.375
    """
    return tf.raw_ops.SigmoidGrad(y=y, dy=dy)


def d_tanh(y: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
    """dy (1 - y²): the gradient before y = tanh(x), from y (page 002, ∂y/∂x = 1 - y²). One op.

    >>> float(d_tanh(tf.constant(0.5), tf.constant(2.0)))
    1.5
    """
    return tf.raw_ops.TanhGrad(y=y, dy=dy)
