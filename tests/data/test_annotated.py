"""Texts with spans, in the forms of the tools that write them."""

import json
import logging

import pytest

from seqtasks.data.annotated import _token_places
from seqtasks.data.tagged import read_tagged_sentences
from seqtasks.errors import DataError

TEXT = "Ann Lee met Bo in Oslo."
TAGS = ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC", "O"]
SPANS = [(0, 7, "PER"), (12, 14, "PER"), (18, 22, "LOC")]


def read(tmp_path, *records):
    path = tmp_path / "a.jsonl"
    lines = (r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return read_tagged_sentences(path)


def named(start, end, type_):
    return [{start: s, end: e, type_: t, "id": n} for n, (s, e, t) in enumerate(SPANS)]


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "entities": SPANS},
        {"id": 3, "text": TEXT, "label": SPANS, "Comments": []},
        {"text": TEXT, "spans": named("start", "end", "label"), "answer": "accept"},
        {"text": TEXT, "entities": named("start_offset", "end_offset", "label")},
        {"text": TEXT, "spans": [{"start": s, "end": e, "labels": [t]} for s, e, t in SPANS]},
        [TEXT, {"entities": SPANS}],
        {"text": TEXT, "entities": SPANS[::-1]},
        {"text": TEXT, "entities": [(0, 8, "PER"), *SPANS[1:]]},  # with the space behind it
    ],
)
def test_spans_become_tags_of_our_tokens(tmp_path, record):
    data = read(tmp_path, record, {"text": "", "entities": []})
    assert data.tokens == [["Ann", "Lee", "met", "Bo", "in", "Oslo", "."]]
    assert data.tags == [TAGS]
    assert data.lines == [1]
    assert data.asked(1) == [TEXT]


def test_tokens_and_tags_may_be_ready(tmp_path):
    data = read(tmp_path, {"tokens": ["a b", "#1"], "ner_tags": ["O", "B-X"]})
    assert (data.tokens, data.tags, data.pieces) == ([["a b", "#1"]], [["O", "B-X"]], None)


def test_a_span_that_cuts_a_token_is_widened_and_said(tmp_path, caplog):
    record = {"text": "철수가 왔다", "entities": [[0, 2, "PER"]]}
    with caplog.at_level(logging.WARNING):
        data = read(tmp_path, {"text": "x y", "entities": []}, record)
    assert (data.tokens[1], data.tags[1]) == (["철수가", "왔다"], ["B-PER", "O"])
    assert "1 spans cut a token" in caplog.text
    assert "line 2, is '철수' in '철수가'" in caplog.text


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", r"line 1: malformed JSON"),
        ("3", r"line 1: expected an object"),
        ({"text": "a"}, r"line 1: expected 'text', a string, and 'entities'"),
        ({"text": 3, "entities": []}, r"line 1: expected 'text'"),
        ({"text": "a", "entities": [[0, 1]]}, r"line 1: expected a span as \[start, end, type\]"),
        ({"text": "a", "entities": [{"start": 0, "label": "X"}]}, r"expected a span as"),
        ({"text": "a", "entities": [[0, 2, "X"]]}, r"of 1 characters, received 0 to 2"),
        ({"text": "a", "entities": [[1, 1, "X"]]}, r"received 1 to 1"),
        ({"text": "a b", "entities": [[0, 3, "X"], [2, 3, "Y"]]}, r"two spans share 'b'"),
        ({"tokens": ["a"], "tags": []}, r"received 1 tokens and 0 tags"),
        ({"tokens": ["a", 3], "tags": ["O", "O"]}, r"expected 'tokens' as a list of strings"),
    ],
)
def test_what_is_no_span_is_refused_with_its_line(tmp_path, record, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, record)


def test_texts_are_cut_as_in_the_graph():
    import tensorflow as tf

    from seqtasks.text.splitting import split_words

    for text in (
        "Don't go - 정말 좋다!",
        "l'ami (a.b) #12_x",
        "",
        "rock'n'roll 'a' 3,5 ₩",
        "नमस्ते।",
    ):
        words = [word.decode() for word in split_words(tf.constant([text]), False)[0].numpy()]
        assert [text[start:end] for start, end in _token_places(text)] == words
