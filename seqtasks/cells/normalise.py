"""Layer normalisation (Ba, Kiros & Hinton 2016, section 3), forward and back, in few operations.

LN(a; α, β) = α ⊙ (a - μ) / σ + β        μ, σ² = mean and variance of the numbers of a row
"""

import tensorflow as tf

from seqtasks.cells.parts import affine, affine_back

# Added to σ², so that a row of zeros stays one; the authors' programs have the same number.
EPSILON = 1e-5


def centred(W: tf.Tensor) -> tf.Tensor:
    """W (K, G) less the mean of each row, so that each row of any product with it has mean 0.

    h (W - W's means) is h W less its own mean, so that a step needn't subtract one.

    >>> centred(tf.constant([[1.0, 2.0, 6.0]])).numpy().tolist()
    [[-2.0, -1.0, 3.0]]
    """
    return W - tf.reduce_mean(W, axis=1, keepdims=True)


def scaled(a: tf.Tensor) -> tf.Tensor:
    """Rows whose mean is 0, (N, G), to (a / σ, 1 / σ): (N, G) and (N, 1).

    >>> hat, inverse = scaled(tf.constant([[2.0, -2.0]]))
    >>> [round(float(value), 3) for value in [*hat[0], *inverse[0]]]
    [1.0, -1.0, 0.5]
    """
    inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(a), axis=1, keepdims=True) + EPSILON)
    return a * inverse, inverse


def scaled_back(d_hat: tf.Tensor, hat: tf.Tensor, inverse: tf.Tensor) -> tf.Tensor:
    """The gradient of a in `scaled`, from that of a / σ.

    >>> hat, inverse = scaled(tf.constant([[2.0, -2.0]]))
    >>> bool(tf.norm(scaled_back(hat, hat, inverse)) < 1e-5)  # a longer row is scaled to the same
    True
    """
    return inverse * (d_hat - hat * tf.reduce_mean(d_hat * hat, axis=1, keepdims=True))


def normalised(a: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows (N, G) to ((a - μ) / σ, 1 / σ)."""
    return scaled(a - tf.reduce_mean(a, axis=1, keepdims=True))


def normalised_back(d_hat: tf.Tensor, hat: tf.Tensor, inverse: tf.Tensor) -> tf.Tensor:
    """The gradient of a in `normalised`, from that of (a - μ) / σ."""
    d = scaled_back(d_hat, hat, inverse)
    return d - tf.reduce_mean(d, axis=1, keepdims=True)


def normalised_affine(
    x: tf.Tensor, W: tf.Tensor, b: tf.Tensor, gain: tf.Tensor, widths: tuple[int, ...]
) -> tf.Tensor:
    """LN(x W; α, b), each block of `widths` columns by itself: (..., D) to (..., G).

    >>> normalised_affine(tf.ones((5, 2, 3)), tf.eye(3, 4), tf.ones(4), tf.ones(4), (2, 2)).shape
    TensorShape([5, 2, 4])
    """
    products = tf.reshape(affine(x, W, tf.zeros_like(b)), [-1, W.shape[1]])
    hats = [normalised(block)[0] for block in tf.split(products, widths, axis=1)]
    a = gain * tf.concat(hats, axis=1) + b
    return tf.reshape(a, tf.concat([tf.shape(x)[:-1], tf.shape(b)], axis=0))


def normalised_affine_back(
    x: tf.Tensor,
    W: tf.Tensor,
    W_T: tf.Tensor,
    gain: tf.Tensor,
    da: tf.Tensor,
    widths: tuple[int, ...],
) -> tuple[tf.Tensor, ...]:
    """The gradients of x, W, b and α in `normalised_affine`, from that of its value (..., G).

    x W is made once more: that takes less time than memory for all steps of it would cost.
    """
    G = W.shape[1]
    rows = tf.reshape(da, [-1, G])
    products = tf.reshape(affine(x, W, tf.zeros((G,), da.dtype)), [-1, G])
    hats, d_products = [], []
    d_hats = tf.split(rows * gain, widths, axis=1)
    for block, d_hat in zip(tf.split(products, widths, axis=1), d_hats, strict=True):
        hat, inverse = normalised(block)
        hats.append(hat)
        d_products.append(normalised_back(d_hat, hat, inverse))
    d_product = tf.reshape(tf.concat(d_products, axis=1), tf.shape(da))
    dx, dW, _ = affine_back(x, W_T, d_product)
    d_gain = tf.reduce_sum(rows * tf.concat(hats, axis=1), axis=0)
    return dx, dW, tf.reduce_sum(rows, axis=0), d_gain
