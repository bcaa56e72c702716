"""What the runner finds, copies and writes is what the graph does."""

from collections import Counter

import numpy as np
import pytest
import random_texts
import tensorflow as tf

from seqtasks.runner import beam, case, copying, rules
from seqtasks.runner.subwords import Subwords
from seqtasks.runner.vocabulary import Vocabulary
from seqtasks.runner.written_text import LineText, TargetText, VerbatimText
from seqtasks.search import beam as graph_beam
from seqtasks.search import rules as graph_rules
from seqtasks.text import case as graph_case
from seqtasks.text import copying as graph_copying
from seqtasks.text import splitting as graph_splitting
from seqtasks.text.encoder import TextEncoder
from seqtasks.text.line_text import LineText as GraphLineText
from seqtasks.text.subwords import Subwords as GraphSubwords
from seqtasks.text.target_text import WrittenText
from seqtasks.text.vocabulary import Vocabulary as GraphVocabulary

TEXTS = random_texts.texts(1500, seed=8)


def strings(values):
    return [text.decode() for text in values.numpy().tolist()]


SETTINGS = [
    {"beam": 1, "n_best": 1},
    {"beam": 4, "n_best": 3, "length_penalty": 1.0},
    {"beam": 3, "n_best": 3, "min_length": 4, "no_repeat": 2, "coverage_penalty": 0.4, "copy": 1},
]


@pytest.mark.parametrize("how", SETTINGS, ids=str)
def test_beam_search_finds_what_the_graph_finds(how):
    draw = np.random.default_rng(5)
    V, N, S, K, limit = 9, 5, 4, how["beam"], 8
    table = draw.normal(size=(N, V, V)).astype(np.float32) * 2
    looks = draw.random((N, V, S)).astype(np.float32)
    looks /= looks.sum(axis=-1, keepdims=True)
    table[:, :, [0, 2]] = -np.inf  # padding and start
    log_probs = tf.nn.log_softmax(table).numpy()
    real = np.arange(S) < draw.integers(1, S + 1, N)[:, np.newaxis]
    copied = real & (draw.random((N, S)) < 0.6)
    settings = (how.get("min_length", 0), how.get("no_repeat", 0), how.get("coverage_penalty", 0.0))
    more = (real, copied if "copy" in how else None)
    start, end, penalty = 2, 3, how.get("length_penalty", 0.0)

    def graph_step(ids, state, memory):
        (row,) = memory
        pairs = tf.stack([row, ids], axis=1)
        return tf.gather_nd(log_probs, pairs), state, tf.gather_nd(looks, pairs)

    def step(ids, states, memory):
        return log_probs[memory[0], ids], states, looks[memory[0], ids]

    zeros, rows = np.zeros((N, 1), np.float32), np.arange(N, dtype=np.int32)
    right = graph_beam.beam_search(
        *(graph_step, tf.constant(zeros), start, end, K, limit, penalty, how["n_best"]),
        memory=(tf.constant(rows),),
        rules=graph_rules.Rules(*settings, *(m if m is None else tf.constant(m) for m in more)),
    )
    found = beam.beam_search(
        *(step, [zeros], [rows], start, end, K, limit, penalty, how["n_best"]),
        rules.Rules(*settings, *more),
    )
    np.testing.assert_array_equal(found.ids, right.ids.numpy())
    np.testing.assert_array_equal(found.finished, right.finished.numpy())
    np.testing.assert_allclose(found.scores, right.scores.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found.attention, right.attention.numpy(), rtol=1e-6)


@pytest.mark.parametrize("kept", [False, True])
def test_capitals_are_written_as_in_the_graph(kept):
    forms = {"smith": "Smith", "nasa": "NASA", "영화": "영화X", "dr": "Dr"}
    begins = {"\n": True, ". ": True, "! ": True, "\n“": False, ".": False}
    taught = (kept, forms, begins)
    texts = strings(graph_splitting.normalise(tf.constant(TEXTS)))
    texts += ["ins the end. émile sees istanbul! ßa. ǆ", "“il rit", "ŉa. i̇x"]
    right = strings(graph_case.Case(*taught).written(tf.constant(texts)))
    ours = case.Case(*taught)
    assert [ours.written(text) for text in texts] == right
    assert right != texts


def test_words_look_as_in_the_graph_and_are_copied_alike():
    words = [
        graph.split() for graph in (*TEXTS[:500], "Mr . Smith saw 7 of B2 in Rome . Then NASA")
    ]
    ragged = tf.ragged.constant(words, tf.string, ragged_rank=1)
    names = [*graph_copying.LOOKS]
    numbers = graph_copying._looks(ragged).numpy()
    found = [look for row in words for look in copying.looks_of(row)]
    assert found == [names[number] for number in numbers]
    assert set(found) == set(names)
    vocabulary = GraphVocabulary.by_frequency(Counter(["rome", "smith", "saw"]), 9)
    taught = (["rome"], {**graph_copying.LOOKS, "small": True})
    right = graph_copying.CopyRule(vocabulary, *taught)(ragged).to_list()
    ours = copying.CopyRule(Vocabulary(vocabulary.tokens), *taught)
    assert [ours(row) for row in words] == right


@pytest.fixture(scope="module")
def subwords(tmp_path_factory):
    """Subwords with pairs that come in texts, and their file."""
    pairs = [
        ("i", "s"),
        (" ", "r"),
        ("t", "h"),
        ("th", "e"),
        ("is", "t"),
        (" r", "o"),
        ("정", "말"),
    ]
    letters = sorted({c for pair in pairs for text in pair for c in text} | {"a", "o", "é", "\n"})
    spelled = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = ["[PAD]", "[UNK]", "[START]", "[END]", *letters, *(a + b for a, b in pairs), *spelled]
    learnt = GraphSubwords(tokens, pairs)
    path = tmp_path_factory.mktemp("subwords") / "tokens.json"
    learnt.save(path)
    return learnt, path


def test_subwords_are_cut_and_joined_as_in_the_graph(subwords):
    learnt, path = subwords
    ours = Subwords.load(path)
    texts = [*TEXTS, "the rest is\n\n istanbul\n", "정말"]
    right = learnt.ids(tf.constant(texts)).to_list()
    assert [ours.ids(text) for text in texts] == right
    shown = [ours.split(text) for text in texts]
    joined = strings(learnt.join(tf.ragged.constant(shown, tf.string, ragged_rank=1).to_tensor()))
    assert [ours.join(tokens) for tokens in shown] == joined


@pytest.mark.parametrize("unit", ["word", "char", "subword"])
@pytest.mark.parametrize("verbatim", [True, False])
def test_texts_that_are_written_are_the_graphs(unit, verbatim, subwords, tmp_path):
    learnt, path = subwords
    name = "tokens" if verbatim else "target"
    if unit == "subword":
        theirs = WrittenText(unit, learnt.vocabulary, verbatim=verbatim, subwords=learnt)
        (tmp_path / f"{name}.json").write_bytes(path.read_bytes())
    else:
        theirs = WrittenText.from_texts(TEXTS[:300], unit, 500, 1, 10**9, verbatim)
        theirs.save(tmp_path / f"{name}.txt")
    ours = (VerbatimText if verbatim else TargetText)(unit, tmp_path)
    ids = theirs.ids(tf.constant(TEXTS))
    tokens = theirs.tokens(ids.to_tensor())
    names = [ours.tokens(row) for row in ids.to_list()]
    assert [ours.join(row) for row in names] == strings(theirs.join(tokens))
    if isinstance(ours, VerbatimText):
        found = [ours.ids(ours.split(text.encode())) for text in TEXTS]
        assert found == ids.to_list()


@pytest.mark.parametrize("unit", ["word", "char", "subword"])
def test_lines_are_the_graphs(unit, tmp_path):
    sizes = (500, 500, 1, 10**9, 10**9, 450)
    theirs = GraphLineText(TextEncoder.from_texts(TEXTS[:300], unit, *sizes, written=True))
    theirs.encoder.save(tmp_path)
    ours = LineText(unit, tmp_path)
    assert len(ours) == len(theirs)
    right = theirs.ids(tf.constant(TEXTS))
    split = [ours.split(text.encode()) for text in TEXTS]
    assert split == [
        [t.decode() for t in row] for row in theirs.split(tf.constant(TEXTS)).to_list()
    ]
    assert [ours.ids(tokens) for tokens in split] == right.to_list()
    names = [ours.tokens([2, *row, 3, 0]) for row in right.to_list()]
    padded = tf.ragged.constant([[2, *row, 3, 0] for row in right.to_list()]).to_tensor()
    shown = theirs.tokens(tf.cast(padded, tf.int32))
    assert [ours.join(row[1:]) for row in names] == strings(theirs.join(shown[:, 1:]))
