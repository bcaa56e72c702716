"""The runner's texts are the graph's, for any script: the same words, sentences, characters."""

import json
import os
import random
from pathlib import Path

import pytest
import random_texts
import tensorflow as tf
import unicode_tables

from seqtasks.runner import characters, sentences, splitting, windows
from seqtasks.runner.learnt_splitting import LearntSplitter
from seqtasks.text import learnt_splitting as graph_learnt
from seqtasks.text import sentences as graph_sentences
from seqtasks.text import splitting as graph
from seqtasks.text import windows as graph_windows

SHARED = Path(__file__).parents[3] / "shared" / "data"
STEP = int(os.environ.get("SEQTASKS_STEP", "97"))  # of the lines of a data set
TEXTS = random_texts.texts(int(os.environ.get("SEQTASKS_TEXTS", "4000")), seed=3)
BATCH = 4_096


def strings(values):
    """Strings of a ragged tensor's rows, or of a tensor."""
    found = values.to_list() if isinstance(values, tf.RaggedTensor) else values.numpy().tolist()
    return [
        [one.decode() for one in row] if isinstance(row, list) else row.decode() for row in found
    ]


def check(texts, ours, graphs):
    for start in range(0, len(texts), BATCH):
        some = texts[start : start + BATCH]
        for text, expected in zip(some, strings(graphs(tf.constant(some))), strict=True):
            assert ours(text) == expected, ascii(text)


@pytest.mark.slow
def test_the_tables_are_what_tensorflow_says_of_every_character():
    assert json.loads(unicode_tables.FILE.read_text("utf-8")) == unicode_tables.ask()


def doubles():
    def lowered(function, lowercase):
        return lambda text: function(text, lowercase)

    for name in ("normalise", "split_words", "split_reversibly", "split_characters"):
        for lowercase in (True, False):
            functions = (getattr(place, name) for place in (splitting, graph))
            yield pytest.param(
                *(lowered(function, lowercase) for function in functions), id=f"{name}-{lowercase}"
            )
    yield pytest.param(splitting.lower_case, graph.lower_case, id="lower_case")
    yield pytest.param(
        sentences.split_sentences, graph_sentences.split_sentences, id="split_sentences"
    )


@pytest.mark.parametrize(("ours", "graphs"), [*doubles()])
def test_texts_of_any_script_are_split_as_in_the_graph(ours, graphs, request):
    texts = TEXTS
    if "lower_case" in request.node.name:  # of which no text has one: `normalise` leaves none
        texts = [text.replace("\0", "") for text in texts]
    check(texts, ours, graphs)


def test_words_are_joined_as_in_the_graph():
    words = [splitting.split_reversibly(text) + [""] * (len(text) % 3) for text in TEXTS]
    ragged = tf.ragged.constant(words, tf.string, ragged_rank=1)
    joined = strings(graph.join_words(ragged.to_tensor()))
    assert [splitting.join_words(one) for one in words] == joined


def test_bytes_that_are_no_text_are_read_as_in_the_graph():
    draw = random.Random(5)
    broken = []
    for text in TEXTS[:2000]:
        data = bytearray(text.encode())
        for _ in range(3):
            data.insert(draw.randrange(len(data) + 1), draw.randrange(256))
        broken.append(bytes(data))
    expected = strings(graph.normalise(tf.constant(broken)))
    assert [splitting.normalise(splitting.decoded(data)) for data in broken] == expected


def learnt_splitter():
    """A splitter with weights of patterns that texts have, and with words for some pieces."""
    written = graph_learnt.Written
    sentence = [
        written(form, (form,), space)
        for form, space in (
            *(
                ("l'", False),
                ("ami", True),
                ("Do", False),
                ("n't", True),
                ("3", False),
                (".", True),
            ),
            *(
                ("x", False),
                ("-", False),
                ("Y", True),
                ("영화", False),
                ("가", False),
                ("!", False),
            ),
        )
    ]
    expanded = [written("Du", ("De", "le"), True), written("ΣΑΣ", ("σα", "ς"), False)]
    return graph_learnt.LearntSplitter.learn([[*sentence, *expanded]] * 5)


@pytest.mark.parametrize(("spaces", "cased"), [(False, True), (True, True), (False, False)])
def test_a_learnt_splitter_cuts_as_in_the_graph(spaces, cased):
    learnt = learnt_splitter()
    expansions = {form: list(w) for form, w in learnt.expansions.items()}
    taught = dict(learnt.weights), expansions, spaces, cased
    theirs, ours = (kind(*taught) for kind in (graph_learnt.LearntSplitter, LearntSplitter))
    texts = [*TEXTS[:1500], "l'ami du roi. DU ΣΑΣ don't", "3.영화가!", ""]
    words, widths = theirs.words_and_widths(tf.constant(texts))
    expected = [*zip(strings(words), widths.to_list(), strict=True)]
    assert [ours.words_and_widths(text) for text in texts] == expected
    assert any(len(one) > 1 for one in theirs.expansions.values())
    assert any(0 in row for row in widths.to_list())


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8])
def test_windows_are_those_of_the_graph(size):
    rows = [[*range(100 * length, 101 * length)] for length in range(20)]
    given, places = graph_windows.cut_in_windows(tf.ragged.constant(rows), size)
    given, places = given.to_list(), places.numpy().tolist()
    found, at = [], []
    for row in rows:
        own, inside = windows.cut_in_windows(len(row), size)
        starts = [sum(map(len, found))]
        for window in own:
            found.append([row[n] for n in window])
            starts.append(sum(map(len, found)))
        at += [starts[number] + place for number, place in inside]
    assert (found, at) == (given, places)


@pytest.mark.parametrize("mutant", ["python's letters", "python's lower"])
def test_a_double_by_pythons_own_tables_would_be_noticed(mutant, monkeypatch):
    if mutant == "python's lower":
        monkeypatch.setattr(splitting, "lower", str.lower)
        monkeypatch.setattr(splitting, "lower_case", str.lower)
    else:
        monkeypatch.setattr(
            splitting,
            "pattern",
            lambda text: characters.pattern(text.replace(r"\p{L}", r"\w").replace(r"\p{S}", "")),
        )
    with pytest.raises(AssertionError):
        check(TEXTS[:1000], splitting.split_words, graph.split_words)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data sets here")
@pytest.mark.parametrize(
    "pattern", ["nsmc/*.tsv", "uci_sls/*.tsv", "ud_en_ewt/*.conllu", "tatoeba*/*.tsv"]
)
def test_lines_of_known_data_sets_are_split_as_in_the_graph(pattern):
    lines = {
        line
        for file in sorted(SHARED.glob(pattern))
        for line in file.read_text("utf-8", errors="replace").split("\n")[::STEP]
    }
    assert lines
    check(sorted(lines), splitting.split_words, graph.split_words)
    check(sorted(lines), sentences.split_sentences, graph_sentences.split_sentences)
