"""Labelled texts from TSV, CSV and JSON Lines, written here by Python's own csv and json."""

import csv
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqtasks.data.readers import LabelledTexts, read_labelled_texts
from seqtasks.errors import DataError

NSMC = Path(__file__).parents[2] / ".." / "shared" / "data" / "nsmc" / "dev.tsv"

# Every separator but "\n" that str.splitlines() knows, Hangul, composed and joined emoji.
TEXTS = [
    "진짜 좋다",
    'two  spaces, a comma and a "quote" ',
    "a\u2028b\u2029c",
    "a\x0bb\x0cc\x1cd\x1de\x1ef",
    "a\x85b",
    "👩‍👩‍👧 🇰🇷 e\u0301",
    "",
    "'",
    '"never closed',
    "carriage\rreturn",
]
LABELS = ["1", "0", "긍정", "1", "0", "1", "0", "neutral", "1", "0"]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def write_csv(path: Path, rows: list) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def error_of(path: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_labelled_texts(path, **options)
    message = str(caught.value)
    assert str(path) in message or path.name in message
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".TSV"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_tsv_keeps_texts_and_counts_lines_by_newline_only(tmp_path, suffix, line_end):
    lines = [f"{text}\t{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    path = write(tmp_path / f"a{suffix}", line_end.join(lines) + line_end)
    data = read_labelled_texts(path)
    assert data.texts == TEXTS
    assert data.labels == LABELS
    assert data.lines == list(range(1, len(TEXTS) + 1))
    assert data.source == str(path)
    assert len(data) == len(TEXTS)


def test_the_last_record_needs_no_newline(tmp_path):
    data = read_labelled_texts(write(tmp_path / "a.tsv", "good\t1\nbad\t0"))
    assert (data.texts, data.labels) == (["good", "bad"], ["1", "0"])


def test_blank_lines_are_skipped_and_counted(tmp_path):
    data = read_labelled_texts(write(tmp_path / "a.tsv", "\ngood\t1\n\r\n\nbad\t0\n\n"))
    assert (data.texts, data.lines) == (["good", "bad"], [2, 5])
    data = read_labelled_texts(write(tmp_path / "a.jsonl", '\n{"text":"a","label":"b"}\n \n'))
    assert (data.texts, data.lines) == (["a"], [2])
    data = read_labelled_texts(write(tmp_path / "a.csv", "text,label\n\na,b\n\n"))
    assert (data.texts, data.lines) == (["a"], [3])


def test_labels_are_stripped_and_texts_are_not(tmp_path):
    data = read_labelled_texts(write(tmp_path / "a.tsv", "  good \t 1 \n\u00a0\t very  bad\t\n"))
    assert data.texts == ["  good ", "\u00a0"]
    assert data.labels == ["1", "very  bad"]


def test_tsv_quotes_mean_nothing(tmp_path):
    data = read_labelled_texts(write(tmp_path / "a.tsv", '"a ""b"""\t"1"\n'))
    assert (data.texts, data.labels) == (['"a ""b"""'], ['"1"'])


def test_tsv_columns_by_number_leave_the_first_line_alone(tmp_path):
    path = write(tmp_path / "a.tsv", "7\tgood\t1\textra\n8\tbad\t0\n")
    for text_column, label_column in [(1, 2), ("1", "2")]:
        data = read_labelled_texts(path, text_column=text_column, label_column=label_column)
        assert (data.texts, data.labels) == (["good", "bad"], ["1", "0"])


def test_tsv_columns_by_name_imply_a_header(tmp_path):
    path = write(tmp_path / "a.tsv", "id\tlabel\tdocument\r\n7\t1\tgood\r\n8\t0\tbad\r\n")
    data = read_labelled_texts(path, text_column="document")
    assert (data.texts, data.labels, data.lines) == (["good", "bad"], ["1", "0"], [2, 3])


def test_tsv_header_can_be_announced(tmp_path):
    path = write(tmp_path / "a.tsv", "label\ttext\n1\tgood\n")
    data = read_labelled_texts(path, header=True)
    assert (data.texts, data.labels) == (["good"], ["1"])
    data = read_labelled_texts(path, header=True, text_column=0, label_column=1)
    assert (data.texts, data.labels) == (["1"], ["good"])


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_csv_reads_what_the_csv_module_writes(tmp_path, line_end):
    texts = [*TEXTS, "first\nsecond", "first\r\nsecond\n", "a\tb"]
    labels = [*LABELS, "1", "0", "1"]
    rows = [("id", "label", "text"), *((7, *pair) for pair in zip(labels, texts, strict=True))]
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        # Python 3.11 quotes a lone "\r" only if it is told to quote everything.
        csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    data = read_labelled_texts(path)
    assert data.texts == texts
    assert data.labels == labels


def test_csv_with_a_carriage_return_outside_quotes_is_refused(tmp_path):
    message = error_of(write(tmp_path / "a.csv", "text,label\na\rb,1\nc,0\n"))
    assert "line 2: malformed CSV" in message
    assert "\\r" in message


def test_csv_lines_are_where_records_start(tmp_path):
    rows = [("text", "label"), ("a\nb\nc", "1"), ("d", "0")]
    assert read_labelled_texts(write_csv(tmp_path / "a.csv", rows)).lines == [2, 5]


def test_csv_without_header_takes_the_first_two_columns(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("good, really", "1"), ("bad", "0")])
    data = read_labelled_texts(path, header=False)
    assert (data.texts, data.labels, data.lines) == (["good, really", "bad"], ["1", "0"], [1, 2])


def test_spaces_around_header_names_do_not_count(tmp_path):
    data = read_labelled_texts(write(tmp_path / "a.csv", "text , label\n good , 1\n"))
    assert (data.texts, data.labels) == ([" good "], ["1"])


def test_csv_columns_by_number_still_skip_the_header(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("sentiment", "review"), ("1", "good")])
    data = read_labelled_texts(path, text_column=1, label_column=0)
    assert (data.texts, data.labels) == (["good"], ["1"])


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_jsonl_reads_what_the_json_module_writes(tmp_path, suffix, ascii_only):
    texts = [*TEXTS, "a\nb\tc", "\0"]
    labels = [*LABELS, "1", "0"]
    lines = [
        json.dumps({"label": label, "text": text, "n": None}, ensure_ascii=ascii_only)
        for text, label in zip(texts, labels, strict=True)
    ]
    data = read_labelled_texts(write(tmp_path / f"a{suffix}", "\r\n".join(lines)))
    assert data.texts == texts
    assert data.labels == labels
    assert data.lines == list(range(1, len(texts) + 1))


def test_jsonl_labels_may_be_numbers_and_truth_values(tmp_path):
    labels = [3, -1, True, False, " yes "]
    lines = [json.dumps({"text": "a", "label": label}) for label in labels]
    data = read_labelled_texts(write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert data.labels == ["3", "-1", "true", "false", "yes"]


def test_jsonl_keys_can_be_named(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"review": "good", "0": 1}\n')
    data = read_labelled_texts(path, text_column="review", label_column="0")
    assert (data.texts, data.labels) == (["good"], ["1"])


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path, name, content):
    assert "no examples" in error_of(write(tmp_path / name, content))


def test_a_header_alone_is_refused(tmp_path):
    assert "no examples" in error_of(write(tmp_path / "a.csv", "text,label\n"))


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.tsv", "a\t1\nb\t \n", 2),
        ("a.csv", "text,label\na,1\nb,\n", 3),
        ("a.jsonl", '{"text":"a","label":""}', 1),
    ],
)
def test_an_empty_label_is_refused(tmp_path, name, content, line):
    message = error_of(write(tmp_path / name, content))
    assert f"line {line}: the label is empty" in message


# Without what ends a record or a column, the NUL that marks a binary file, and the byte order mark.
TSV_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\0\ufeff"))
LABEL = st.text(st.characters(codec="utf-8", categories=["L", "N", "So"]), min_size=1)
quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(
    rows=st.lists(st.tuples(TSV_TEXT, LABEL), min_size=1), line_end=st.sampled_from(["\n", "\r\n"])
)
def test_any_text_survives_tsv(tmp_path, rows, line_end):
    content = "".join(f"{text}\t{label}{line_end}" for text, label in rows)
    data = read_labelled_texts(write(tmp_path / "a.tsv", content))
    assert list(zip(data.texts, data.labels, strict=True)) == rows


@quick
@given(
    rows=st.lists(st.tuples(st.text(st.characters(codec="utf-8")), LABEL), min_size=1),
    ascii_only=st.booleans(),
)
def test_any_text_survives_jsonl(tmp_path, rows, ascii_only):
    records = [{"text": text, "label": label} for text, label in rows]
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    data = read_labelled_texts(write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert list(zip(data.texts, data.labels, strict=True)) == rows


@quick
@given(
    rows=st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0")), LABEL), min_size=1
    )
)
def test_any_text_survives_csv(tmp_path, rows):
    data = read_labelled_texts(write_csv(tmp_path / "a.csv", [("text", "label"), *rows]))
    assert list(zip(data.texts, data.labels, strict=True)) == rows


@pytest.mark.skipif(not NSMC.exists(), reason="the film reviews are not beside the repository")
def test_the_film_reviews_have_ten_thousand_rows_of_two_labels():
    data = read_labelled_texts(NSMC)
    assert len(data) == 10_000
    assert set(data.labels) == {"0", "1"}
    raw = NSMC.read_bytes().split(b"\n")[:-1]
    assert data.texts == [line.split(b"\t")[0].decode() for line in raw]
    assert Counter(data.labels) == Counter(line[-1:].decode() for line in raw)


def test_a_selection_keeps_texts_labels_and_lines_together():
    rng = random.Random(2)
    data = LabelledTexts([f"t{n}" for n in range(9)], list("012345678"), "a.tsv", [*range(5, 14)])
    rows = [rng.randrange(9) for _ in range(20)]
    chosen = data.select(rows)
    assert chosen.texts == [f"t{row}" for row in rows]
    assert chosen.labels == [str(row) for row in rows]
    assert chosen.lines == [row + 5 for row in rows]
    assert chosen.source == "a.tsv"
    assert data.keys() == data.texts
