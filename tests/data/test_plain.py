"""Plain text: read as it is, and cut in its order."""

import random
from pathlib import Path

import pytest

from seqtasks.data.plain import PlainText, cut, read_plain_text
from seqtasks.errors import DataError

SHAKESPEARE = Path(__file__).parents[2] / ".." / "shared" / "data" / "tinyshakespeare" / "dev.txt"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_file_is_read_whole_but_for_the_mark_and_carriage_returns(tmp_path):
    kept = "  첫 줄 \n\n\tb\rc\u2028\x0b\u0085\ufeffd\r\ne\n\r\n 끝"
    path = write(tmp_path / "a.md", ("\ufeff" + kept).encode())
    part = read_plain_text(str(path))
    assert part.text == kept.replace("\r\n", "\n")
    assert part.source == str(path)
    assert len(part) == len(kept) - 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no text"),
        (b"\xef\xbb\xbf\r\n \n", "has no text"),
        (b"ok\n\xff\n", "line 2, byte 3: 0xff is not UTF-8"),
        (b"ok\nPK\0\n", "line 2, byte 5: a NUL byte"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, said):
    path = write(tmp_path / "a.txt", content)
    with pytest.raises(DataError) as caught:
        read_plain_text(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    write(tmp_path / "poems.txt", b"a")
    with pytest.raises(DataError, match=r"did you mean 'poems\.txt'"):
        read_plain_text(tmp_path / "poem.txt")
    with pytest.raises(DataError, match="is a folder; expected a text file"):
        read_plain_text(tmp_path)


def random_text(rng: random.Random, lines: int) -> PlainText:
    text = "".join(f"{'가나 x' * rng.randrange(12)}\n" for _ in range(lines))
    return PlainText(text, "poems.txt")


@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.25, 0.05), (0.3, 0.0)])
def test_the_pieces_in_order_are_the_text_and_end_with_lines(validation, test):
    part = random_text(random.Random(7), 400)
    pieces = cut(part, validation, test)
    names = ["train", "validation", "test"] if test else ["train", "validation"]
    assert list(pieces) == names
    assert "".join(piece.text for piece in pieces.values()) == part.text
    for name, share in zip(names, (1 - validation - test, validation, test), strict=False):
        assert pieces[name].source == "poems.txt"
        assert pieces[name].text.endswith("\n")
        # Each of its two cuts may move by a tenth of the shorter piece, and that is this or less.
        assert abs(len(pieces[name]) - share * len(part)) <= 0.2 * share * len(part) + 2


def test_a_text_without_lines_is_cut_where_the_shares_say():
    rng = random.Random(8)
    part = PlainText("".join(rng.choice("abc 가") for _ in range(1000)), "a.txt")
    sizes = {name: len(piece) for name, piece in cut(part, 0.2, 0.07).items()}
    assert sizes == {"train": 730, "validation": 200, "test": 70}
    assert {name: len(piece) for name, piece in cut(part, 0.2, 0).items()} == {
        "train": 800,
        "validation": 200,
    }


@pytest.mark.parametrize(
    ("line_ends", "expected"),
    [
        ([799, 805], 800),  # behind the character at 799 a line has ended
        ([794, 806], 795),  # 5 characters before, and 7 after
        ([791, 806], 807),
        ([794, 804], 795),  # 5 on both sides
        ([779, 830], 780),  # a tenth of the shorter piece, of 200, is 20
        ([778, 820], 800),
        ([770, 819], 820),
        ([400], 800),
    ],
)
def test_a_cut_moves_to_the_nearest_line_end_within_a_tenth(line_ends, expected):
    letters = ["x"] * 1000
    for at in line_ends:
        letters[at] = "\n"
    pieces = cut(PlainText("".join(letters), "a.txt"), 0.2, 0)
    assert len(pieces["train"]) == expected


@pytest.mark.parametrize("text", ["a", "abc\nd"])
def test_a_text_too_short_to_cut_is_refused(text):
    with pytest.raises(DataError, match=rf"^a\.txt: {len(text)} characters are too few"):
        cut(PlainText(text, "a.txt"), 0.1, 0.1)


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="the plays are not beside the repository")
def test_the_plays_are_read_to_the_last_letter():
    assert read_plain_text(SHAKESPEARE).text.encode() == SHAKESPEARE.read_bytes()
