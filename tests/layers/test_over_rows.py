"""Layers over rows that come again: as over the vectors themselves, whatever else they do."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional
from seqtasks.layers.convolution import WindowReader
from seqtasks.layers.variants import LayerNormLSTM

R, N, T, D, H = 6, 5, 4, 3, 2
# Padding on the right, on the left, between steps, and nothing but it.
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
LAYERS = {
    "rnn": lambda: RNN(H, dtype="float64"),
    "lstm": lambda: LSTM(H, dtype="float64", return_sequences=True, return_state=True),
    "gru backwards": lambda: GRU(H, dtype="float64", go_backwards=True, return_sequences=True),
    "gru, units dropped": lambda: GRU(H, dtype="float64", recurrent_dropout=0.4, seed=3),
    "lstm, weights dropped": lambda: LSTM(H, dtype="float64", weight_drop=0.4, seed=3),
    "lstm, inputs dropped": lambda: LSTM(H, dtype="float64", dropout=0.4, seed=3),
    "lstm with zoneout": lambda: LSTM(H, dtype="float64", zoneout=0.3, seed=3),
    "both": lambda: Bidirectional(LSTM(H, dtype="float64")),
    "both, all steps": lambda: Bidirectional(
        GRU(H, dtype="float64", return_sequences=True, return_state=True)
    ),
    "layer norm": lambda: LayerNormLSTM(H, dtype="float64"),
    "windows": lambda: WindowReader(H),
}


def found(layer, rows, which, mask, training, over_rows):
    """Outputs, and gradients of the rows and the weights, of a sum in which each output counts."""
    more = {} if isinstance(layer, WindowReader) else {"training": training}
    weights = [w.value for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(rows)
        if over_rows:
            outputs = layer.over_rows(rows, which, mask, **more)
        else:
            outputs = layer(tf.gather(rows, which), mask=mask, **more)
        outputs = tf.nest.flatten(outputs)
        total = tf.add_n([tf.reduce_sum(tf.sin(7.0 * output)) for output in outputs])
    gradients = tape.gradient(total, [rows, *weights])
    return [*outputs, *map(tf.convert_to_tensor, gradients)]


@pytest.mark.parametrize(
    ("kind", "masked"), [("lstm", False), ("both", False), *((kind, True) for kind in LAYERS)]
)
def test_the_same_outputs_and_gradients_as_of_vectors(kind, masked):
    steps = tf.constant(MASK) if masked else None
    dtype, limit = ("float32", 1e-5) if kind == "windows" else ("float64", 1e-12)
    rows = tf.constant(np.random.default_rng(1).normal(0, 1, (R, D)), dtype)
    which = tf.constant(np.random.default_rng(2).integers(0, R, (N, T)))
    results = []
    for over_rows in (False, True):
        layer = LAYERS[kind]()
        layer.build((None, None, D))
        reference.randomise(layer, 4)
        for training in (False, True):
            results.append(found(layer, rows, which, steps, training, over_rows))
    plain, trained, plain_over, trained_over = results
    assert reference.largest_difference(plain_over, plain) < limit
    assert reference.largest_difference(trained_over, trained) < limit


def test_in_a_layer_of_16_bits_gradients_are_found_too():
    """Keras gives a layer's weights in 16 bits while a layer around it runs; sums have 32."""

    class Around(keras.Layer):
        def __init__(self, over_rows):
            super().__init__(dtype="mixed_bfloat16")
            self.over_rows, self.reader = over_rows, LSTM(H, dtype=self.dtype_policy)
            self.reader.build((None, None, D))
            reference.randomise(self.reader, 4)

        def call(self, rows):
            if self.over_rows:
                return self.reader.over_rows(rows, which, training=True)
            return self.reader(tf.gather(rows, which), training=True)

    which = tf.constant(np.random.default_rng(2).integers(0, R, (N, T)))
    rows = tf.constant(np.random.default_rng(1).normal(0, 1, (R, D)), tf.float32)
    results = []
    for over_rows in (False, True):
        layer = Around(over_rows)
        weights = [w.value for w in layer.trainable_weights]
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.cast(layer(rows), tf.float32) * [[1.0, -2.0]])
        results.append([total, *tape.gradient(total, weights)])
    for plain, over in zip(*results, strict=True):
        assert over.dtype == tf.float32
        assert np.allclose(plain, over, rtol=0.03, atol=0.03 * np.abs(plain).max())


def test_rows_are_multiplied_and_not_steps(monkeypatch):
    """Where it pays: the input's weights meet (R, D), and never (N, T, D)."""
    sizes = []
    multiply = tf.matmul
    monkeypatch.setattr(
        tf, "matmul", lambda a, b, *x, **y: (sizes.append(a.shape), multiply(a, b, *x, **y))[1]
    )
    layer = Bidirectional(LSTM(H))
    layer.build((None, None, D))
    which = tf.constant(np.random.default_rng(2).integers(0, R, (N, T)))
    layer.over_rows(tf.ones((R, D)), which)
    assert [size for size in sizes if size[-1] == D] == [(R, D)] * 2
