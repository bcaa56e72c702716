"""The gradients of one run: in its network, and what its training wrote."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqtasks.config import load_config
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.inspection.gradients import state_gradients
from seqtasks.inspection.gradients_page import epoch_charts
from seqtasks.inspection.run_gradients import _aligned_at_the_end, reach_of_run
from seqtasks.tasks.registry import get_task
from seqtasks.topologies.text_input import TextEmbedding

TEXTS = ["a b c d", "b a", "c c a b d", "d", "a d b", "b b c a"]
KEYS = {"model.units": 3, "model.embedding_units": 4}


def network(arch):
    """A sentiment run's network as it begins, and its data."""
    config = load_config((), (), {"task": "sentiment", "model.arch": arch, **KEYS})
    part = LabelledTexts(TEXTS, ["x", "y"] * 3, "here", [*range(6)])
    splits = Splits(part, part, None)
    task = get_task("sentiment")
    codec = task.make_codec(config, splits)
    keras.utils.set_random_seed(3)
    model = task.build(config, codec)
    return config, splits, SimpleNamespace(model=model, codec=codec)


@pytest.mark.parametrize("arch", ["gru", "bilstm"])
def test_the_reach_is_that_of_each_text_alone_with_its_last_steps_together(arch):
    config, splits, predictor = network(arch)
    found = reach_of_run(predictor, config, splits)
    model = predictor.model
    (embedding,) = (each for each in model.layers if isinstance(each, TextEmbedding))
    (stack,) = (each for each in model.layers if each.name in ("gru_1", "bilstm_1"))
    head = model.get_layer("classes")
    directions = [stack] if arch == "gru" else [stack.layer, stack.backward_layer]
    rows, losses = {layer.name: [] for layer in directions}, []
    for text, label in zip(TEXTS, splits.train.labels, strict=True):
        x = embedding(predictor.codec.encoder(tf.constant([text])))[:, : len(text.split())]
        ends = [layer(x)[0] if layer.return_state else layer(x) for layer in directions]
        for n, layer in enumerate(directions):

            def loss(h, n=n, ends=ends, label=label):
                h = tf.concat([*ends[:n], h, *ends[n + 1 :]], axis=1)
                return -tf.math.log_softmax(head(h))[:, predictor.codec.labels.index(label)]

            read = tf.reverse(x, [1]) if layer.go_backwards else x
            gradient = state_gradients(layer, read, loss)[0]
            rows[layer.name].append(np.linalg.norm(gradient[:, 0], axis=1))
        losses.append(float(loss(ends[-1])[0]))
    assert (found.texts, found.loss) == (6, pytest.approx(np.mean(losses), rel=1e-5))
    assert [each.layer for each in found.layers] == [layer.name for layer in directions]
    for each in found.layers:
        assert len(each.h) == 4  # as many as half of the texts have
        for back in range(1, 5):
            mean = np.mean([row[-back] for row in rows[each.layer] if len(row) >= back])
            assert each.h[-back] == pytest.approx(mean, rel=1e-4)


def test_rows_are_aligned_where_they_end():
    rows = [np.array([5.0, 1.0]), np.array([7.0, 7.0, 3.0]), np.array([2.0])]
    assert _aligned_at_the_end(rows) == [6.0, 2.0]


ROWS = [
    {"epoch": n, "gradient_norm": 0.5 * n, "largest_gradient_norm": 2.0 * n, "clipped": 1 / n,
     "largest_singular_values": {"lstm_1": 2.0, "lstm_1_backward": 1.5}}
    for n in (2, 3)
]  # fmt: skip


def test_what_training_wrote_is_drawn_and_epochs_that_lack_it_are_left_out():
    norms, clipped, sigma = epoch_charts([{"epoch": 1}, *ROWS])
    assert norms.rows == [["2", "4", "1"], ["3", "6", "1.5"]]
    assert clipped.rows == [["2", "0.5"], ["3", "0.3333"]]
    assert sigma.head == ["epoch", "lstm_1", "lstm_1_backward"]
    assert epoch_charts([{"epoch": 1}]) == []
