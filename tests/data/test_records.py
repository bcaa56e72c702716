"""Records of two columns: tables of every delimiter, JSON Lines, and rows that are neither."""

import csv
import json
from pathlib import Path

import pytest

from seqtasks.data.columns import SOURCE, TARGET, Layout, column_number
from seqtasks.data.records import read_records
from seqtasks.errors import DataError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def write_csv(path: Path, rows: list) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def error_of(path: Path, header: bool | None = None, **options) -> str:
    with pytest.raises(DataError) as caught:
        list(read_records(path, layout=Layout(header), **options))
    message = str(caught.value)
    assert str(path) in message or path.name in message
    assert len(message.splitlines()) == 1
    return message


def test_csv_fields_may_be_longer_than_the_csv_module_allows(tmp_path):
    text = "긴 글 " * 50_000
    path = write_csv(tmp_path / "a.csv", [("text", "label"), (text, "1")])
    before = csv.field_size_limit(131_072)
    try:
        records = read_records(path)
        assert next(records) == (2, text, "1")
        # Between two records the limit is what others set, as it is after the last one.
        assert csv.field_size_limit() == 131_072
        assert list(records) == []
        assert csv.field_size_limit() == 131_072
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tsv", "a\t1\n"), ("a.csv", "text,label\na,1\n"), ("a.jsonl", '{"text":"a","label":1}\n')],
)
def test_a_byte_order_mark_is_accepted_once(tmp_path, name, content):
    records = list(read_records(write(tmp_path / name, content, "utf-8-sig")))
    assert [record[1:] for record in records] == [("a", "1")]


def test_too_few_columns_show_what_came(tmp_path):
    message = error_of(write(tmp_path / "a.tsv", "a\t1\n" + "b " * 100 + "\n"))
    assert "line 2: expected 2 tab-separated columns" in message
    assert "received 1: 'b b b " in message
    assert len(message) - len(str(tmp_path)) < 250
    message = error_of(write(tmp_path / "a.tsv", "a\tb\n"), columns=(1, 4))
    assert "line 1: expected 5 tab-separated columns" in message
    assert "label in 4" in message
    message = error_of(write(tmp_path / "a.csv", 'text,label\n"a\nb",1\nc\n'))
    assert "line 4: expected 2 comma-separated columns" in message


def test_a_third_column_that_nobody_asked_for_is_refused(tmp_path):
    message = error_of(write(tmp_path / "a.tsv", "a\t1\n9976970\t좋다\t1\n"))
    assert "line 2: expected 2 tab-separated columns" in message
    assert "received 3" in message
    assert "--text-column" in message


def test_csv_without_the_default_names_lists_the_columns(tmp_path):
    message = error_of(write(tmp_path / "a.csv", "id,review,labels\n1,good,1\n"))
    assert "line 1" in message
    assert "'id', 'review', 'labels'" in message
    assert "--text-column and --label-column" in message
    message = error_of(tmp_path / "a.csv", columns=("review", None))
    assert "no column 'label'" in message
    assert "did you mean 'labels'?" in message


def test_a_name_that_stands_twice_in_the_header_is_refused(tmp_path):
    message = error_of(write(tmp_path / "a.csv", "text,text,label\na,b,1\n"))
    assert "'text' more than once" in message


def test_columns_that_contradict_each_other_are_refused(tmp_path):
    path = write(tmp_path / "a.tsv", "a\t1\n")
    assert "needs a header" in error_of(path, columns=("text", None), header=False)
    assert "both column 1" in error_of(path, columns=(1, None))
    with pytest.raises(DataError, match="counted from 0; received -1"):
        list(read_records(path, (-1, None)))
    assert "keys; received a number" in error_of(
        write(tmp_path / "a.jsonl", "{}"), columns=(1, None)
    )


def test_a_quote_that_is_never_closed_names_where_it_opened(tmp_path):
    message = error_of(write(tmp_path / "a.csv", 'text,label\na,1\n"b,1\nc,0\nd,1\n'))
    assert "line 3: malformed CSV" in message
    assert "line 2: malformed CSV" in error_of(write(tmp_path / "b.csv", 'text,label\n"a"b,1\n'))


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ('{"text": "a", "label": 1', "malformed JSON"),
        ("[" * 100_000, "malformed JSON"),
        ('["a", 1]', "expected an object"),
        ('{"text": "a", "sentiment": 1}', "no key 'label'; keys found: 'text, sentiment'"),
        ('{"label": 1}', "no key 'text'"),
        ('{"text": null, "label": 1}', "'text' must be a string, received 'null'"),
        ('{"text": "a", "label": NaN}', "received 'NaN'"),
        ('{"text": "a", "label": {"b": 1}}', "received '{\"b\": 1}'"),
        ('{"text": "a", "label": null}', "received 'null'"),
        ('{"text": "a", "label": [1.5]}', "received '[1.5]'"),
        ('{"text": "a", "label": [[1]]}', "received '[[1]]'"),
        ('{"text": "\\ud83d", "label": 1}', "\\ud800"),
        ('{"text": "a", "label": "\\udc00"}', "\\ud800"),
    ],
)
def test_a_json_record_that_does_not_fit_is_located(tmp_path, record, problem):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": 1}\n\n' + record + "\n")
    message = error_of(path)
    assert f"{path}, line 3: " in message
    assert problem in message


def test_a_column_written_as_a_number_is_one():
    assert [column_number(column) for column in ("12", 3, "upos", "٣", None)] == [
        12,
        3,
        "upos",
        "٣",
        None,
    ]


ROLES = (SOURCE, TARGET)


def test_roles_are_the_default_names_of_columns_and_keys(tmp_path):
    rows = [("target", "text", "source", "label"), ("T", "x", "S", "y")]
    assert list(read_records(write_csv(tmp_path / "a.csv", rows), roles=ROLES)) == [(2, "S", "T")]
    record = dict(zip(*rows, strict=True))
    path = write(tmp_path / "a.jsonl", json.dumps(record) + "\n")
    assert list(read_records(path, roles=ROLES)) == [(1, "S", "T")]
    assert list(read_records(path)) == [(1, "x", "y")]
    assert list(read_records(path, ("label", None), roles=ROLES)) == [(1, "y", "T")]


def test_roles_are_named_in_messages(tmp_path):
    path = write(tmp_path / "a.tsv", "a\tb\nc\n")
    message = error_of(path, roles=ROLES)
    assert "line 2: expected 2 tab-separated columns (source in 0, target in 1)" in message
    assert "--text-column (source) and --label-column (target)" in message
    assert "source and target are both column 1" in error_of(path, columns=(1, 1), roles=ROLES)
    message = error_of(write(tmp_path / "a.csv", "text,label\n"), roles=ROLES)
    assert "no column 'source'" in message
    message = error_of(write(tmp_path / "a.jsonl", '{"text": "a"}'), roles=ROLES)
    assert "no key 'source'; keys found: 'text'" in message


def test_one_key_for_both_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": "b"}')
    assert "text and label are both the key 'label'" in error_of(path, columns=("label", None))


def test_numbers_are_taken_as_the_second_only_where_they_may_be(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": 7}')
    assert list(read_records(path)) == [(1, "a", "7")]
    assert "'label' must be a string, received '7'" in error_of(path, numbers=False)
    path = write(tmp_path / "b.jsonl", '{"text": 7, "label": "a"}')
    assert "'text' must be a string, received '7'" in error_of(path)


def test_a_list_is_a_label_as_json_and_only_a_label(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "label": ["극", "b, c", 1]}\n')
    assert [*read_records(path)] == [(1, "a", '["극", "b, c", 1]')]
    with pytest.raises(DataError, match="'label' must be a string, received"):
        [*read_records(path, numbers=False)]
