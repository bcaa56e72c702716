"""`data.on_error=skip`: what can't be read is left out and counted, and nothing else is."""

import json

import numpy as np
import pytest
from PIL import Image

from seqtasks.data.columns import Layout
from seqtasks.data.images import read_captioned_images
from seqtasks.data.pairs import read_text_pairs
from seqtasks.data.readers import read_labelled_texts
from seqtasks.data.tagged import read_tagged_sentences
from seqtasks.errors import DataError
from seqtasks.tasks.labelled_sources import read_texts

SKIP, STOP = Layout(on_error="skip"), Layout()
NOT_TEXT = [b"caf\xe9\tx\n", b"a\0b\tx\n", b"\xff\xfe\n", b"\xed\xa0\x80\tx\n"]


def labelled(number):
    return f"text {number}\tab"


def conllu(number):
    return f"1\tDogs{number}\tdog\tNOUN\t_\t_\t0\t_\t_\t_\n2\trun\trun\tVERB\t_\t_\t1\t_\t_\t_\n"


FORMATS = {  # an example, what is above all, and how to read: texts and lines
    "a.tsv": (labelled, "", lambda path, layout: read_labelled_texts(path, layout=layout)),
    "a.csv": (
        lambda n: f'"text, {n}",ab',
        "text,label\n",
        lambda path, layout: read_labelled_texts(path, layout=layout),
    ),
    "a.jsonl": (
        lambda n: json.dumps({"text": f"text {n}", "label": "ab"}),
        "",
        lambda path, layout: read_labelled_texts(path, layout=layout),
    ),
    "pairs.tsv": (labelled, "", lambda path, layout: read_text_pairs(path, layout=layout)),
    "a.conllu": (conllu, "", lambda path, layout: read_tagged_sentences(path, layout=layout)),
    "a.bio": (
        lambda n: f"Ada{n} B-PER\nsings O\n",
        "",
        lambda path, layout: read_tagged_sentences(path, layout=layout),
    ),
    "tagged.csv": (
        lambda n: f"Ada{n},B-PER\nsings,O\n",
        "token,tag\n",
        lambda path, layout: read_tagged_sentences(path, layout=layout),
    ),
    "spans.jsonl": (
        lambda n: json.dumps({"text": f"Ada {n}", "entities": [[0, 3, "PER"]]}),
        "",
        lambda path, layout: read_tagged_sentences(path, layout=layout),
    ),
}


SENTENCES = ("a.conllu", "a.bio", "tagged.csv")


def examples(part):
    texts = getattr(part, "texts", None) or part.tokens
    return texts, part.lines


@pytest.mark.parametrize("line", NOT_TEXT, ids=range(len(NOT_TEXT)))
@pytest.mark.parametrize("name", FORMATS)
def test_lines_that_are_no_text_are_left_out_and_counted(tmp_path, name, line):
    example, head, read = FORMATS[name]
    rows = [f"{example(n)}\n".encode() for n in range(6)]
    path = tmp_path / name
    if name in SENTENCES:
        line += b"\n"  # a sentence of its own, which a blank line ends
    path.write_bytes(head.encode() + b"".join([*rows[:3], line, *rows[3:]]))
    with pytest.raises(DataError, match=r", line [0-9]+, byte [0-9]+: "):
        read(path, STOP)
    found = read(path, SKIP)
    assert found.bad_rows.count == 1
    bad_line = head.count("\n") + b"".join(rows[:3]).count(b"\n") + 1
    assert f"line {bad_line}" in found.bad_rows.notice()
    path.write_bytes(head.encode() + b"".join([*rows[:3], b"\n" * line.count(b"\n"), *rows[3:]]))
    assert examples(found) == examples(read(path, SKIP))  # as if it were blank
    path.write_bytes(head.encode() + line * 3)
    with pytest.raises(DataError):  # nothing is left
        read(path, SKIP)


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_with_a_line_that_is_no_text_is_left_out_whole(tmp_path, name):
    example, head, read = FORMATS[name]
    sentences = [f"{example(n)}\n".encode().splitlines(keepends=True) for n in range(3)]
    inside = sentences[1]
    inside.insert(1, b"\xff\xfe\n")
    path = tmp_path / name
    path.write_bytes(head.encode() + b"".join(line for one in sentences for line in one))
    found = read(path, SKIP)
    assert [tokens[0][-1] for tokens in found.tokens] == ["0", "2"]
    assert found.bad_rows.count >= 1


@pytest.mark.parametrize("name", ["a.csv", "tagged.csv"])
def test_without_the_columns_names_nothing_is_read(tmp_path, name):
    example, _, read = FORMATS[name]
    (tmp_path / name).write_bytes(b"t\xe9xt,label\n" + f"{example(1)}\n".encode() * 3)
    with pytest.raises(DataError, match="line 1, byte 1: 0xe9 is not UTF-8"):
        read(tmp_path / name, SKIP)


def test_a_pair_of_parallel_files_with_a_bad_side_is_left_out(tmp_path):
    english, french = tmp_path / "a.en", tmp_path / "a.fr"
    english.write_bytes(b"one\ntwo\nthr\xe9e\nfour\n")
    french.write_bytes(b"un\nd\xe9ux\ntrois\nquatre\n")
    with pytest.raises(DataError):
        read_text_pairs(f"{english},{french}")
    found = read_text_pairs(f"{english},{french}", layout=SKIP)
    assert list(zip(found.texts, found.targets, strict=True)) == [("one", "un"), ("four", "quatre")]
    assert found.bad_rows.count == 2


def test_an_image_whose_caption_is_no_text_is_left_out(tmp_path):
    for number in range(4):
        Image.fromarray(np.full((4, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    table = tmp_path / "captions.tsv"
    for rows, name in (
        ([f"{n}.png\tcaption {n}\n".encode() for n in range(4)], "captions.tsv"),
        (
            [json.dumps({"image": f"{n}.png", "caption": f"caption {n}"}).encode() + b"\n"
             for n in range(4)],
            "captions.jsonl",
        ),
    ):  # fmt: skip
        table = tmp_path / name
        for bad in (b"2.png\tcapti\xe9n\n", b'{"image": 3}\n'):
            table.write_bytes(b"".join([*rows[:2], bad, *rows[3:]]))
            with pytest.raises(DataError):
                read_captioned_images(f"{tmp_path},{table}")
            found = read_captioned_images(f"{tmp_path},{table}", layout=SKIP)
            assert found.captions == ["caption 0", "caption 1", "caption 3"]
            assert found.bad_rows.count == 1


QUOTES = {  # rows, and which of them are left
    'good 0,a\n"never closed,b\ngood 2,a\ngood 3,b\n': ["good 0", "good 2", "good 3"],
    'good 0,a\n"closed"behind,b\ngood 2,a\n': ["good 0", "good 2"],
    '"open\ngood 1,a\n"two\nlines",b\n"open again,a\ngood 6,b\n': [
        "good 1",
        "two\nlines",
        "good 6",
    ],
    'good 0,a\n"open,b\n\xff\ngood 3,a\n': ["good 0", "good 3"],
}


@pytest.mark.parametrize(("rows", "left"), QUOTES.items(), ids=range(len(QUOTES)))
def test_quotes_that_are_never_closed_cost_their_own_line_only(tmp_path, rows, left):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + rows.encode("latin-1"))
    with pytest.raises(DataError):
        read_labelled_texts(path)
    found = read_labelled_texts(path, layout=SKIP)
    assert found.texts == left
    every = ("text,label\n" + rows).encode("latin-1").split(b"\n")
    starts = [every[line - 1].decode("latin-1").lstrip('"') for line in found.lines]
    assert [start.split(",")[0].split("\n")[0] for start in starts] == [
        text.split("\n")[0] for text in left
    ]
    assert found.bad_rows.count == rows.count("\n") - sum(t.count("\n") + 1 for t in left)


def test_labels_that_are_no_numbers_are_left_out_where_numbers_are_meant(tmp_path):
    path = tmp_path / "a.tsv"
    labels = ["1.5", "many", "2", "nan", "1e39", "-3", ""]
    path.write_text("".join(f"text {n}\t{label}\n" for n, label in enumerate(labels)))
    with pytest.raises(DataError) as error:
        read_texts(path, "number", None, None, STOP)
    assert "line 7" in str(error.value)
    found = read_texts(path, "number", None, None, SKIP)
    assert found.labels == ["1.5", "2", "-3"]
    assert found.lines == [1, 3, 6]
    assert found.bad_rows.count == 4
    path.write_text("".join(f"text {n}\t{label}\n" for n, label in enumerate(labels[:6])))
    with pytest.raises(DataError, match=r"line 2: expected a number.*'many'.*3 bad rows in all"):
        read_texts(path, "number", None, None, STOP)


@pytest.mark.parametrize("suffix", ["tsv", "txt", "csv"])
def test_json_in_a_file_of_columns_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_text('{"text": "good", "label": "a"}\n{"text": "bad", "label": "b"}\n')
    with pytest.raises(DataError, match=r"line 1: an object of JSON.*\.jsonl"):
        read_labelled_texts(path)
    path.write_text("text,label\n{a},b\n" if suffix == "csv" else "{a}\tb\n")
    assert read_labelled_texts(path).texts == ["{a}"]
