"""What every reader shares: existing files, their lines, and records of two columns."""

import csv
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqtasks.data.files import (
    check_file,
    column_number,
    exists,
    file_format,
    files_of,
    read_lines,
    read_records,
    shorten,
)
from seqtasks.errors import DataError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def write_csv(path: Path, rows: list) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def error_of(path: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        list(read_records(path, **options))
    message = str(caught.value)
    assert str(path) in message or path.name in message
    assert len(message.splitlines()) == 1
    return message


# Files


def test_a_byte_order_mark_inside_the_file_stays(tmp_path):
    lines = read_lines(write(tmp_path / "a.txt", "a\n\ufeffb\n"))
    assert list(lines) == ["a\n", "\ufeffb\n"]


def test_a_missing_file_names_its_neighbours(tmp_path):
    write(tmp_path / "Train.tsv", "a\t1\n")
    message = error_of(tmp_path / "trian.tsv")
    assert "does not exist" in message
    assert "did you mean 'Train.tsv'?" in message
    assert "did you mean" not in error_of(tmp_path / "zzzzzzzz.csv")
    assert str(tmp_path / "no") in error_of(tmp_path / "no" / "train.tsv")
    assert "does not exist" in error_of(tmp_path / "Train.tsv" / "train.tsv")


def test_a_folder_is_refused(tmp_path):
    assert "is a folder" in error_of(tmp_path)


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tsv", "a\t1\n")
    if os.geteuid() == 0:  # root reads everything

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    else:
        path.chmod(0)
    assert "can't be read: Permission denied" in error_of(path)


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.tsv.gz"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path, name):
    message = error_of(write(tmp_path / name, "a\t1\n"))
    assert ".tsv, .txt, .csv, .jsonl, .ndjson" in message


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bytes_that_are_not_utf8_are_located(tmp_path, mark):
    path = tmp_path / "a.tsv"
    path.write_bytes(mark + "좋다\t1\nok\t0\nab".encode() + "나쁘다".encode("cp949") + b"\t0\n")
    offset = path.read_bytes().index("나쁘다".encode("cp949"))
    message = error_of(path)
    assert f"line 3, byte {offset}: 0x" in message
    assert "iconv -f CP949 -t UTF-8" in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf16_is_refused(tmp_path, encoding):
    message = error_of(write(tmp_path / "a.tsv", "good\t1\nbad\t0\n", encoding))
    assert "line 1, byte 0" in message
    assert "UTF-8" in message
    if encoding == "utf-16":
        assert "iconv -f UTF-16 -t UTF-8" in message


@pytest.mark.parametrize(
    ("name", "before"),
    [("a.tsv", "a\t1\n"), ("a.csv", "text,label\n"), ("a.jsonl", '{"text":"a","label":1}\n')],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_nul_byte_is_located(tmp_path, name, before, encoding):
    path = write(tmp_path / name, before + "좋\0다\t1\n", encoding)
    offset = path.read_bytes().index(0)
    assert f"line 2, byte {offset}: a NUL byte" in error_of(path)


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    for name in ("a\0b.tsv", "x" * 5000 + ".tsv"):
        assert not exists(tmp_path / name)
        with pytest.raises(DataError, match=r"is no file's name|can't be read"):
            check_file(tmp_path / name)


def test_what_is_there_exists_file_or_folder(tmp_path):
    path = write(tmp_path / "a.tsv", "")
    assert exists(path)
    assert exists(tmp_path)
    assert not exists(tmp_path / "b.tsv")
    assert not exists(path / "b.tsv")


def test_a_file_has_the_format_of_its_suffix(tmp_path):
    formats = {".bio": "columns", ".conllu": "CoNLL-U"}
    assert file_format(write(tmp_path / "a.CoNLLu", ""), formats) == "CoNLL-U"
    assert file_format(write(tmp_path / "a.x.bio", ""), formats) == "columns"
    with pytest.raises(DataError, match=r"ends in one of \.bio, \.conllu; it has '\.tsv'$"):
        file_format(write(tmp_path / "a.tsv", ""), formats)
    with pytest.raises(DataError, match=r"it has no suffix$"):
        file_format(write(tmp_path / "bio", ""), formats)


def test_a_comma_separates_two_files_unless_one_has_the_whole_name(tmp_path):
    one, two = tmp_path / "a.en", tmp_path / "a.fr"
    assert files_of(f"{one},{two}") == [one, two]
    assert files_of(str(one)) == [one]
    both = write(tmp_path / "b.en,b.fr", "")
    assert files_of(str(both)) == [both]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_lines_end_at_newlines_only_and_joined_are_the_file(tmp_path, text):
    lines = list(read_lines(write(tmp_path / "a.txt", "\ufeff" + text)))
    assert "".join(lines) == text
    assert all(line.endswith("\n") for line in lines[:-1])
    assert not any("\n" in line[:-1] for line in lines)
    assert all(lines)


def test_quoted_text_is_one_short_line():
    assert shorten("a\nb") == "'a\\nb'"
    assert shorten("x" * 60) == repr("x" * 60)
    assert shorten("x" * 61) == repr("x" * 59 + "…")


# Records


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
        ('{"text": "a", "label": [1.5]}', "received '[1.5]'"),
        ('{"text": "a", "label": null}', "received 'null'"),
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


ROLES = ("source", "target")


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
