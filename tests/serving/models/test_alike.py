"""Which rows share a run: what is padded, and that nothing of a request is lost."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.serving.models.alike import has_even_rows, longest, taken_apart
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.models.signature import Signature, TensorSpec


def texts(lengths):
    return {"text": np.array([b"x" * length for length in lengths], object)}


@settings(deadline=None)
@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=40))
def test_every_row_is_in_one_part_and_no_part_is_mostly_padding(lengths):
    parts = taken_apart(texts(lengths))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    padded = sum(max(lengths[row] for row in part) * len(part) for part in parts)
    assert padded <= max(65_536 * len(parts), 4 * sum(lengths))


def test_one_long_text_beside_many_short_ones_runs_alone():
    parts = taken_apart(texts([20] * 15 + [100_000] + [30] * 16))
    assert [part.tolist() for part in parts if len(part) == 1] == [[15]]
    assert len(parts) == 2
    assert len(taken_apart(texts([20, 3000, 100]))) == 1  # so little isn't worth a second run


def test_the_longest_row_is_measured_in_bytes():
    assert longest({"x": np.zeros((3, 5), np.float32)}) == 20
    assert longest({"x": np.zeros((0, 5), np.float32)}) == 0
    assert longest({**texts([3, 9]), "n": np.zeros(2, np.int64)}) == 9


def test_rows_whose_width_varies_are_not_even():
    def signature(*shape):
        spec = TensorSpec("t", np.dtype("f"), (None,))
        return Signature("s", {"x": spec}, {"y": TensorSpec("u", np.dtype("f"), shape)})

    assert has_even_rows(signature(None))
    assert has_even_rows(signature(None, 4))
    assert not has_even_rows(signature(None, None))
    assert not has_even_rows(signature(4))
    assert not has_even_rows(signature())


def test_signatures_that_draw_are_known_however_deep_they_do(tmp_path):
    text, n = tf.TensorSpec([None], tf.string, "text"), tf.TensorSpec([None], tf.int32, "n")

    def seeded(n):
        return {"y": tf.random.stateless_uniform(tf.shape(n), [1, 2])}

    def in_a_loop(n):
        start = tf.zeros_like(n)
        (end,) = tf.while_loop(lambda i: i[0] < 3, lambda i: [i + drawn(tf.shape(i))], [start])
        return {"y": end}

    def plain_loop(n):
        return {"y": tf.while_loop(lambda i: i[0] < 3, lambda i: [i + 1], [n])[0]}

    @tf.function(autograph=False)
    def drawn(shape):
        return 1 + tf.cast(tf.random.uniform(shape), tf.int32)

    functions = {
        "serving_default": (lambda text: {"y": tf.strings.length(text)}, text),
        "seeded": (seeded, n),
        "in_a_loop": (in_a_loop, n),
        "plain_loop": (plain_loop, n),
    }
    signatures = {
        name: tf.function(function, input_signature=[spec], autograph=False)
        for name, (function, spec) in functions.items()
    }
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"), signatures=signatures)
    servable = Servable(tmp_path / "1")
    assert servable.draws == {"seeded", "in_a_loop"}
    assert BatchedServable(servable, BatchingOptions(careful=True))._even == {
        "serving_default",
        "plain_loop",
    }
    servable.close()
