"""Files of word vectors: each form that programs write, read as it was written; and broken ones."""

import gzip
import io
import struct

import numpy as np
import pytest

from seqtasks.errors import DataError
from seqtasks.text.vectors_file import open_vectors

WORDS = ["the", "한국어", "naïve", ",", "3.14", "5", "new_york", "\u00a0x", "a\u2028b", "#", "-0.5"]


def some_rows(width, words=WORDS, seed=3):
    """Words and numbers that float32 holds exactly, so that text loses nothing of them."""
    draw = np.random.default_rng([seed, width])
    return [(word, np.float32(draw.integers(-999, 999, width) / 64)) for word in words]


def as_text(rows, header=True, between=" ", end="\n", behind=""):
    lines = [f"{len(rows)} {len(rows[0][1])}"] if header else []
    lines += [between.join([word, *map(repr, map(float, row))]) + behind for word, row in rows]
    return "".join(line + end for line in lines).encode()


def as_binary(rows, behind=b""):
    out = f"{len(rows)} {len(rows[0][1])}\n".encode()
    for word, row in rows:
        out += word.encode() + b" " + struct.pack(f"<{len(row)}f", *row) + behind
    return out


FORMS = {
    "fasttext": lambda rows: as_text(rows, behind=" "),
    "glove": lambda rows: as_text(rows, header=False),
    "windows": lambda rows: as_text(rows, end="\r\n"),
    "windows, no header": lambda rows: as_text(rows, header=False, end="\r\n"),
    "tabs": lambda rows: as_text(rows, header=False, between="\t"),
    "two spaces": lambda rows: as_text(rows, between="  "),
    "blank lines": lambda rows: as_text(rows).replace(b"\n", b"\n\n"),
    "no last line end": lambda rows: as_text(rows, header=False)[:-1],
    "byte order mark": lambda rows: b"\xef\xbb\xbf" + as_text(rows, header=False),
    "binary": as_binary,
    "binary, line ends": lambda rows: as_binary(rows, b"\n"),
}


def read(path):
    file = open_vectors(path)
    return file, [(row.word.decode(), file.numbers(row)) for row in file.rows()]


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("width", [2, 3, 50])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_seen_and_read_as_it_was_written(tmp_path, form, width, packed):
    rows = some_rows(width)
    content = FORMS[form](rows)
    path = write(tmp_path / "vectors", gzip.compress(content) if packed else content)
    file, found = read(path)
    assert (file.width, file.compressed, file.size) == (width, packed, path.stat().st_size)
    assert file.binary == form.startswith("binary")
    assert [word for word, _ in found] == [word for word, _ in rows]
    for (_, ours), (_, theirs) in zip(found, rows, strict=True):
        assert ours.dtype == np.float32
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("value", [0x0A, 0x20, 0x0D, 0x09, 0x31, 0x00])
def test_a_binary_file_may_have_any_byte_anywhere_in_its_numbers(tmp_path, value):
    row = np.append(np.frombuffer(bytes([value]) * 8, "<f4"), np.float32(0.25))
    rows = [("a", row), ("b", row), ("", row)]
    for behind in (b"", b"\n"):
        file, found = read(write(tmp_path / "v.bin", as_binary(rows, behind)))
        assert [word for word, _ in found] == ["a", "b", ""]
        assert all(np.array_equal(ours, row) for _, ours in found)
        assert file.binary


def test_words_with_spaces_are_read_from_the_right(tmp_path):
    words = [". . .", "at name@domain.com", "new york", "5 6", "the"]
    rows = some_rows(4, words)
    for header in (True, False):
        _, found = read(write(tmp_path / "v", as_text([*rows, *some_rows(4)], header)))
        assert [word for word, _ in found[:5]] == words
        assert all(np.array_equal(a[1], b[1]) for a, b in zip(found, rows, strict=False))


def test_a_first_word_that_is_a_number_is_no_header(tmp_path):
    rows = some_rows(1, ["5", "7", "b"])
    content = b"5 3\n7 4\nb 5\n"
    assert [word for word, _ in read(write(tmp_path / "v", content))[1]] == [w for w, _ in rows]
    assert read(write(tmp_path / "w", b"2 1\n7 4\nb 5\n"))[1][0][0] == "7"


def test_so_many_rows_are_read_as_the_header_says(tmp_path):
    rows = some_rows(3)
    for form in (as_text, as_binary):
        content = form(rows).replace(b"11 3", b"4 3", 1)
        assert len(read(write(tmp_path / "v", content))[1]) == 4


def test_rows_are_read_one_by_one_and_their_numbers_only_on_demand(tmp_path):
    content = as_text(some_rows(3), header=False) + b"later x 1 2\n" + b"cut 1\n"
    file = open_vectors(write(tmp_path / "v", content))
    rows = file.rows()
    words = [next(rows).word.decode() for _ in range(len(WORDS) + 1)]
    assert words == [*WORDS, "later"]
    with pytest.raises(DataError, match=r"v, line 13: .* received 'cut 1'"):
        next(rows)


def test_text_has_numbers_that_are_infinite_or_none(tmp_path):
    _, found = read(write(tmp_path / "v", b"a nan 1\nb -inf 1e-3\nc 1e300 0\n"))
    assert np.isnan(found[0][1][0])
    assert found[1][1].tolist() == [-np.inf, np.float32(1e-3)]
    assert np.isinf(found[2][1][0])


def test_a_word_that_is_not_utf8_is_given_as_its_bytes(tmp_path):
    rows = list(open_vectors(write(tmp_path / "v", b"\xff\xfea 1 2\nb 3 4\n"[2:])).rows())
    assert rows[0].word == b"a"
    rows = list(open_vectors(write(tmp_path / "v", b"b 3 4\n\xe9t\xe9 1 2\n")).rows())
    assert rows[1].word == b"\xe9t\xe9"


def test_it_says_how_much_there_is_to_read(tmp_path):
    content = as_text(some_rows(3))
    told = str(open_vectors(write(tmp_path / "v", content)))
    assert told.endswith(f"v: {len(content)} bytes, 11 rows of 3 numbers")
    with (tmp_path / "large").open("wb") as file:
        file.write(b"400000 300\n" + content.split(b"\n", 1)[1].replace(b"\n", b" 1" * 297 + b"\n"))
        file.truncate(10_300_000_000)
    assert "large: 10.3 GB, 400,000 rows of 300 numbers" in str(open_vectors(tmp_path / "large"))


def zipped(content):
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("glove.txt", content)
    return out.getvalue()


GOOD = as_text(some_rows(3))
BROKEN = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\n", "the file is empty"),
    "commas": (b"a,1,2\nb,3,4\n", "line 1: expected a word and its numbers"),
    "one column": (b"a\nb\nc\n", "line 1: expected a word and its numbers"),
    "no numbers": (b"a tag here\nb tag there\n", "line 1: expected a word and 2 numbers"),
    "width of 0": (b"3 0\na\n", "line 1: expected a word and its numbers"),
    "wrong width": (GOOD.replace(b"11 3", b"11 4", 1), "line 2: expected a word and 4 numbers"),
    "cut at a row": (GOOD.rsplit(b"\n", 3)[0] + b"\n", "promises 11 rows in its first line, but"),
    "cut in a row": (GOOD.rsplit(b" ", 1)[0], "line 12: expected a word and 3 numbers"),
    "binary, cut": (as_binary(some_rows(3))[:-5], "promises 11 rows in its first line, but has 10"),
    "binary, no space": (b"2 3\n" + b"\x01" * 20_000, "row 1: expected a word"),
    "only a header": (b"3 2\n", "promises 3 rows in its first line, but has 0"),
    "gzip, cut": (gzip.compress(GOOD)[:-12], "can't unpack the vectors"),
    "gzip, damaged": (gzip.compress(GOOD)[:20] + b"\x00" * 40, "can't unpack the vectors"),
    "zip": (zipped(GOOD), "a ZIP archive; unpack it"),
    "a model of fastText": (struct.pack("<i", 793712314) + b"\x00" * 99, "a model of fastText"),
    "a pickle": (b"\x80\x04\x95" + b"\x00" * 99, "save_word2vec_format"),
    "bzip2": (b"BZh91AY", "compressed by bzip2"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "UTF-16; save the file as UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_in_one_line_that_names_the_file(tmp_path, content, message):
    path = write(tmp_path / "vectors", content)
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path, message in ((tmp_path, "is a folder"), (tmp_path / "none", "can't read")):
        with pytest.raises(DataError, match=message):
            open_vectors(path)
