"""What every reader shares: existing files and their lines."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqtasks.data.files import (
    check_file,
    exists,
    file_format,
    files_of,
    read_lines,
    shorten,
)
from seqtasks.data.records import read_records
from seqtasks.errors import DataError


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
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


@pytest.mark.parametrize("name", ["a.xls", "a", "a.tsv.gz"])
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "train.tsv"
    os.mkfifo(path)
    assert error_of(path) == (
        f"{path} is a pipe, socket or device; expected a file that ends in one of "
        ".tsv, .txt, .csv, .jsonl, .ndjson, .xlsx"
    )
    with pytest.raises(DataError, match="pipe, socket or device; expected an image"):
        check_file(path, "an image")
