"""The runner chooses tags together as the graph does."""

import json

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("onnx")

from seqtasks.entities import recognise
from seqtasks.layers.crf import CRF
from seqtasks.onnx_export.tagger import paths_told
from seqtasks.runner import tag_paths
from seqtasks.tasks.schemes import allowed, inside_and_goes_on
from seqtasks.topologies.tag_paths import Marks, TagPaths

IOB2 = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
BIOES = ["O", "S-A", "B-A", "I-A", "E-A", "S-B", "B-B", "E-B"]
LENGTHS = np.array([9, 1, 0, 6, 2, 9, 7], np.int32)


def paths_of(tags, crf, follows, marked, temperature):
    scheme = recognise([[tag] for tag in tags])
    assert scheme
    layer = None
    if crf:
        layer, draw = CRF(), np.random.default_rng(3)
        layer.build((None, None, len(tags)))
        for weight in layer.trainable_variables:
            weight.assign(draw.normal(0, 1.5, weight.shape))
    marks = Marks(*inside_and_goes_on(scheme, tags)) if marked else None
    return TagPaths(layer, marks, allowed(scheme, tags) if follows else None, temperature)


def outputs_of(tags, seed):
    """Scores (N, T, K), some so far apart that their exponentials are no floats."""
    draw = np.random.default_rng(seed)
    shape = (len(LENGTHS), LENGTHS.max(), len(tags))
    return (draw.normal(0, 2, shape) * draw.choice([1, 1, 40], shape[:2])[..., None]).astype("f4")


def difference(paths, logits):
    """Where tags differ, and how far numbers are apart at most."""
    # Its own JSON: what an export knows of a run goes through a file.
    ours = tag_paths.TagPaths(json.loads(json.dumps(paths_told(paths), allow_nan=False)))
    right, soft = paths(logits, LENGTHS), paths.activate(logits).numpy()
    wrong, apart = 0, 0.0
    for row, T in enumerate(LENGTHS):
        rows, path, chances = ours(logits[row, :T], soft[row, :T])
        wrong += int((path != right.tags[row, :T].numpy()).sum())
        pairs = [(rows, right.probabilities)]
        assert (chances is None) == (right.entities is None)
        if chances is not None:
            pairs.append((chances, right.entities))
        for found, wanted in pairs:
            assert found.dtype == np.float32
            apart = max([apart, *np.abs(found - wanted[row, :T].numpy()).ravel()])
    return wrong, apart


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize(("tags", "marked"), [(IOB2, True), (BIOES, True), (IOB2, False)])
def test_tags_and_entities_are_the_graphs(crf, follows, tags, marked):
    for seed, temperature in ((1, 1.0), (2, 1.7), (3, 0.6)):
        paths = paths_of(tags, crf, follows, marked, temperature)
        wrong, apart = difference(paths, outputs_of(tags, seed))
        assert wrong == 0
        assert apart < 2e-6


def test_following_a_scheme_and_a_crf_change_the_tags():
    logits, own = outputs_of(IOB2, 1), []
    for crf, follows in ((False, False), (False, True), (True, False), (True, True)):
        told = paths_told(paths_of(IOB2, crf, follows, True, 1.0))
        ours, soft = tag_paths.TagPaths(told), tf.nn.softmax(logits).numpy()
        own.append([tag for pair in zip(logits, soft, strict=True) for tag in ours(*pair)[1]])
    assert len({*map(tuple, own)}) == len(own)


@pytest.mark.parametrize("what", ["start", "end", "order", "temperature", "marks"])
def test_mutants_of_what_is_told_are_noticed(what, monkeypatch):
    paths = paths_of(IOB2, True, True, True, 1.7)
    right = paths_told(paths)
    chain, goes_on = right["chain"], np.array(right["marks"]["goes_on"])
    turned = [list(row) for row in zip(*chain["transitions"], strict=True)]
    changed = {
        "start": {"chain": {**chain, "start": [0.0] * 5}},
        "end": {"chain": {**chain, "end": [0.0] * 5}},
        "order": {"chain": {**chain, "transitions": turned}},
        "temperature": {"temperature": 1.0},
        "marks": {"marks": {**right["marks"], "goes_on": goes_on.T.tolist()}},
    }[what]
    monkeypatch.setitem(globals(), "paths_told", lambda _: {**right, **changed})
    wrong, apart = difference(paths, outputs_of(IOB2, 4))
    assert wrong or apart > 1e-3
