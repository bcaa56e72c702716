"""Tables of vectors in parts: what is looked up, what is trained and when, what is put in."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.layers.vectors import PartedVectors, vectors_of

UNITS = 3
IDS = np.array([[0, 7, 2, 5], [4, 4, 6, 1]])
SIZES = [(3, 2, 3), (5, 0, 3), (6, 2, 0), (8, 0, 0)]  # of 8 in all

each_size = pytest.mark.parametrize("sizes", SIZES)


def parted(sizes, seed=1):
    layer = PartedVectors(*sizes, UNITS)
    layer.build(None)
    reference.randomise(layer, seed)
    parts = (
        f"{name}_vectors" for name, n in zip(("own", "late", "fixed"), sizes, strict=True) if n
    )
    return layer, {part: getattr(layer, part).embeddings for part in parts}


@each_size
@pytest.mark.parametrize("training", [False, True])
def test_the_parts_are_one_table(sizes, training):
    layer, weights = parted(sizes)
    table = np.concatenate([weight.numpy() for weight in weights.values()])
    assert np.array_equal(layer(IDS, training=training), table[IDS])


@each_size
@pytest.mark.parametrize("tuning", [False, True])
def test_gradients_reach_the_late_part_only_once_it_is_tuned_and_the_fixed_one_never(sizes, tuning):
    layer, weights = parted(sizes)
    layer.tuning.assign(tuning)
    assert [w.path for w in layer.trainable_variables] == [
        weight.path for part, weight in weights.items() if part != "fixed_vectors"
    ]
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(IDS, training=True) ** 2)
    found = tape.gradient(total, [w.value for w in layer.trainable_variables])
    first = 0
    for (part, weight), gradient in zip(weights.items(), found, strict=False):
        read = np.bincount(IDS.ravel(), minlength=8)[first : first + weight.shape[0], np.newaxis]
        moved = part != "late_vectors" or tuning
        expected = 2 * weight.numpy() * read * moved
        assert np.allclose(tf.convert_to_tensor(gradient), expected, rtol=1e-6, atol=0), part
        first += weight.shape[0]


@each_size
@pytest.mark.parametrize("rows", [0, 1, 4, 8])
def test_what_is_put_in_are_the_last_vectors_over_all_parts(sizes, rows):
    layer, _ = parted(sizes)
    before = layer(tf.range(8)).numpy()
    new = np.random.default_rng(rows).normal(size=(rows, UNITS)).astype("float32")
    layer.put_in(new)
    assert np.array_equal(layer(tf.range(8)), np.concatenate([before[: 8 - rows], new]))
    plain = vectors_of(8, UNITS)
    plain.build(None)
    kept = plain(tf.range(8)).numpy()[: 8 - rows]
    plain.put_in(new)
    assert np.array_equal(plain(tf.range(8)), np.concatenate([kept, new]))
