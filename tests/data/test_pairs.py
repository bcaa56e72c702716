"""Pairs of texts: tables, two parallel files, and what can't be a pair."""

import json
import random
from pathlib import Path

import pytest

from seqtasks.data.pairs import TextPairs, read_text_pairs
from seqtasks.errors import DataError

TATOEBA = Path(__file__).parents[2] / ".." / "shared" / "data" / "tatoeba_en_ko" / "train.tsv"
PAIRS = [
    ("Go.", "Va !"),
    ("a\u2028b", "좋다, 정말"),
    ('say "hi"', "dis « salut »"),
    ("Go.", "Pars"),
]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def rows_of(pairs: TextPairs) -> list[tuple[str, str]]:
    return list(zip(pairs.texts, pairs.targets, strict=True))


def error_of(spec: object, **options) -> str:
    with pytest.raises(DataError) as caught:
        read_text_pairs(str(spec), **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.fixture
def parallel(tmp_path) -> tuple[Path, Path]:
    """PAIRS as two files, a blank line in both behind the first pair."""
    sides = [[pair[side] for pair in PAIRS] for side in (0, 1)]
    for texts in sides:
        texts.insert(1, " ")
    return (
        write(tmp_path / "a.en", "\n".join(sides[0]) + "\n"),
        write(tmp_path / "a.fr", "\r\n".join(sides[1])),
    )


def test_tsv_has_the_source_and_then_the_target(tmp_path):
    path = write(tmp_path / "a.tsv", "\n" + "".join(f" {a} \t{b} \n" for a, b in PAIRS))
    pairs = read_text_pairs(path)
    assert rows_of(pairs) == PAIRS
    assert pairs.lines == [2, 3, 4, 5]
    assert pairs.source == str(path)
    assert len(pairs) == 4
    assert rows_of(read_text_pairs(path, text_column=1, label_column="0")) == [
        (b, a) for a, b in PAIRS
    ]


def test_further_columns_are_read_over_only_if_columns_are_named(tmp_path):
    path = write(tmp_path / "a.tsv", "".join(f"{a}\t{b}\tCC-BY\n" for a, b in PAIRS))
    message = error_of(path)
    assert f"{path}, line 1: expected 2 tab-separated columns" in message
    assert "--text-column" in message
    assert rows_of(read_text_pairs(path, text_column=0, label_column=1)) == PAIRS
    path = write(tmp_path / "b.tsv", "ko\tid\ten\n좋다\t7\tgood\n")
    assert rows_of(read_text_pairs(path, text_column="en", label_column="ko")) == [("good", "좋다")]


def test_csv_and_jsonl_name_the_two_sides(tmp_path):
    path = write(tmp_path / "a.csv", 'id,target,source\n1,"Va, !","Go\nnow"\n')
    pairs = read_text_pairs(path)
    assert rows_of(pairs) == [("Go\nnow", "Va, !")]
    assert pairs.lines == [2]
    lines = [json.dumps({"target": b, "source": a, "n": 1}) for a, b in PAIRS]
    assert rows_of(read_text_pairs(write(tmp_path / "a.jsonl", "\n".join(lines)))) == PAIRS
    path = write(tmp_path / "b.csv", "Go.,Va !\n")
    assert rows_of(read_text_pairs(path, header=False)) == [("Go.", "Va !")]


def test_a_number_is_no_text_in_jsonl(tmp_path):
    message = error_of(write(tmp_path / "a.jsonl", '{"source": "five", "target": 5}'))
    assert "line 1: 'target' must be a string, received '5'" in message


def test_lines_of_parallel_files_belong_together_by_number(parallel):
    spec = ",".join(map(str, parallel))
    pairs = read_text_pairs(spec)
    assert rows_of(pairs) == PAIRS
    assert pairs.lines == [1, 3, 4, 5]  # what is blank in both is counted
    assert pairs.source == spec


def test_a_file_of_the_whole_name_goes_before_parallel_files(tmp_path, parallel, monkeypatch):
    write(tmp_path / "b,c.tsv", "whole\tone\n")
    write(tmp_path / "b", "first\n")
    write(tmp_path / "c.tsv", "second\n")
    monkeypatch.chdir(tmp_path)
    assert rows_of(read_text_pairs("b,c.tsv")) == [("whole", "one")]


def test_parallel_files_of_unequal_length_name_both_numbers(tmp_path):
    one = write(tmp_path / "a.en", "a\nb\nc\n")
    two = write(tmp_path / "a.ko", "가\n나")
    message = error_of(f"{one},{two}")
    assert f"{one} has 3 lines and {two} has 2" in message


@pytest.mark.parametrize(("side", "role"), [(0, "source"), (1, "target")])
def test_an_empty_side_is_located(tmp_path, side, role):
    texts = ["here", "her"]
    texts[side] = " \u3000"
    path = write(tmp_path / "a.tsv", "a\tb\n" + "\t".join(texts) + "\n")
    message = error_of(path)
    assert f"{path}, line 2: the {role} is empty, beside" in message
    assert repr(texts[1 - side]) in message
    files = [write(tmp_path / f"a.{n}", f"x\n{text}\ny\n") for n, text in enumerate(texts)]
    message = error_of(f"{files[0]},{files[1]}")
    assert f"{files[side]}, line 2: the {role} is empty, beside" in message
    assert repr(texts[1 - side]) in message


def test_both_sides_of_a_row_empty_is_an_error(tmp_path):
    assert "line 2: the source is empty" in error_of(write(tmp_path / "a.tsv", "a\tb\n \t \n"))


def test_what_cannot_be_parallel_files_is_refused(tmp_path, parallel):
    one, two = parallel
    table = write(tmp_path / "a.tsv", "a\tb\n")
    assert "received 3 names" in error_of(f"{one},{two},{two}")
    assert "same file" in error_of(f"{one},{one}")
    assert f"{table}: a table has both sides" in error_of(f"{one},{table}")
    for options in ({"text_column": 1}, {"label_column": "ko"}, {"header": False}):
        assert "for one file" in error_of(f"{one},{two}", **options)
    message = error_of(f"{one},{tmp_path / 'a.f'}")
    assert f"{tmp_path / 'a.f'} does not exist" in message
    assert "did you mean 'a.fr'?" in message
    assert "is a folder; expected a file with a text in each line" in error_of(f"{tmp_path},{two}")


def test_bytes_that_are_not_utf8_name_their_file(tmp_path, parallel):
    path = tmp_path / "bad.ko"
    path.write_bytes("가\n".encode() + "나쁘다".encode("cp949"))
    assert f"{path}, line 2, byte 4: 0x" in error_of(f"{parallel[0]},{path}")


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_no_pairs_is_an_error(tmp_path, content):
    one, two = (write(tmp_path / name, content) for name in ("a.en", "a.fr"))
    assert "has no pairs" in error_of(f"{one},{two}")
    assert "has no pairs" in error_of(write(tmp_path / "a.tsv", content))


def test_a_selection_keeps_both_sides_and_lines_together():
    rng = random.Random(3)
    pairs = TextPairs(
        *([f"{side}{n}" for n in range(9)] for side in "st"), "a.tsv", [*range(5, 14)]
    )
    rows = [rng.randrange(9) for _ in range(20)]
    chosen = pairs.select(rows)
    assert rows_of(chosen) == [(f"s{row}", f"t{row}") for row in rows]
    assert chosen.lines == [row + 5 for row in rows]
    assert chosen.source == "a.tsv"
    assert pairs.keys() == pairs.texts


@pytest.mark.skipif(not TATOEBA.exists(), reason="the sentences are not beside the repository")
def test_the_sentences_of_tatoeba_are_what_stands_before_and_behind_the_tab():
    raw = [line.decode().split("\t") for line in TATOEBA.read_bytes().split(b"\n")[:-1]]
    pairs = read_text_pairs(TATOEBA)
    assert rows_of(pairs) == [(first.strip(), second.strip()) for first, second in raw]
