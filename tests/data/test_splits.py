"""Cutting one part in three, and which of three files may be given."""

import hashlib
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from seqtasks.data.pairs import TextPairs, read_text_pairs
from seqtasks.data.plain import cut, read_plain_text
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits, carve, check_fractions, hashed, load_parts
from seqtasks.data.tagged import TaggedSentences, read_tagged_sentences
from seqtasks.errors import ConfigError, DataError


@dataclass(frozen=True)
class Letters:
    """The least that can be carved: its key is a letter's lower case."""

    letters: list[str]
    source: str
    lines: list[int]

    keyed_by: ClassVar[str] = "letters"

    def __len__(self) -> int:
        return len(self.letters)

    def keys(self) -> list[str]:
        return [letter.lower() for letter in self.letters]

    def select(self, rows):
        chosen = ([values[row] for row in rows] for values in (self.letters, self.lines))
        letters, lines = chosen
        return Letters(letters, self.source, lines)


def letters_of(text: str, source: str = "letters") -> Letters:
    return Letters(list(text), source, list(range(1, len(text) + 1)))


def read_letters(spec: str) -> Letters:
    return letters_of(Path(spec).read_text(encoding="utf-8"), spec)


@pytest.fixture
def alphabet() -> Letters:
    """Two thousand of all Hangul and Latin letters, upper and lower case mixed."""
    rng = random.Random(11)
    known = [*map(chr, range(0xAC00, 0xAC00 + 200)), *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"]
    return letters_of("".join(rng.choices(known, k=2000)))


def test_equal_keys_stay_together_and_nothing_is_lost(alphabet):
    parts = carve(alphabet, 0.2, 0.3, seed=1)
    assert set(parts) == {"train", "validation", "test"}
    keys = [set(part.keys()) for part in parts.values()]
    assert sum(map(len, keys)) == len(set.union(*keys))
    placed = [
        pair for part in parts.values() for pair in zip(part.lines, part.letters, strict=True)
    ]
    assert sorted(placed) == list(enumerate(alphabet.letters, 1))
    for part in parts.values():
        assert part.lines == sorted(part.lines)
    # "a" and "A" have one key, so they went together; both are there.
    assert any({"a", "A"} <= set(part.letters) for part in parts.values())


def test_shares_are_those_of_the_keys():
    part = letters_of("".join(map(chr, range(0xAC00, 0xAC00 + 5000))))
    parts = carve(part, 0.2, 0.05, seed=2)
    # Five standard deviations of a binomial with n = 5,000.
    assert abs(len(parts["validation"]) - 1000) < 5 * (5000 * 0.2 * 0.8) ** 0.5
    assert abs(len(parts["test"]) - 250) < 5 * (5000 * 0.05 * 0.95) ** 0.5
    assert set(carve(part, 0.2, 0.0, seed=2)) == {"train", "validation"}


def test_each_example_goes_where_the_hash_of_its_key_falls(alphabet):
    parts = carve(alphabet, 0.2, 0.3, seed=4)
    places = {}
    for letter in {*alphabet.keys()}:
        digest = hashlib.blake2b(f"4\0{letter}".encode(), digest_size=8).hexdigest()
        at = int(digest, 16) / 2**64
        places[letter] = "test" if at < 0.3 else "validation" if at < 0.5 else "train"
    for name, part in parts.items():
        assert part.letters == [x for x in alphabet.letters if places[x.lower()] == name]


def test_the_hash_is_the_same_everywhere():
    # From coreutils: printf '7\0글' | b2sum -l 64.
    assert hashed("글", 7) == 0x2CF6DCDC6136B931
    assert hashed("글", 8) != hashed("글", 7)


def test_a_cut_that_leaves_a_piece_empty_says_what_must_differ():
    with pytest.raises(DataError) as caught:
        carve(letters_of("aAaA", "a.tsv"), 0.1, 0.2)
    assert str(caught.value).startswith("a.tsv: no example for ")
    assert "cutting 4 by 0.2 for test and 0.1 for validation" in str(caught.value)
    assert "more distinct letters, other fractions" in str(caught.value)


# --- Classes of which training would have none --------------------------------------------------


def labelled(labels, kind="category"):
    texts = [f"text {n}" for n in range(len(labels))]
    return LabelledTexts(texts, labels, "rare.tsv", list(range(1, len(labels) + 1)), kind)


RARE = [*["good", "bad"] * 150, *(f"rare {n}" for n in range(30))]


@pytest.mark.parametrize("seed", range(4))
def test_a_class_of_one_text_is_kept_in_train_and_all_others_stay_where_they_were(seed):
    part = labelled(RARE)
    pieces = carve(part, 0.2, 0.2, seed)
    assert set(pieces["train"].labels) == set(RARE)
    begin = {"test": 0.2, "validation": 0.4}
    for text, label, line in zip(part.texts, part.labels, part.lines, strict=True):
        at = hashed(text, seed) / 2**64
        fell = next((name for name, end in begin.items() if at < end), "train")
        expected = "train" if label.startswith("rare") else fell
        assert line in pieces[expected].lines
    assert sum(map(len, pieces.values())) == len(part)


def test_of_a_class_outside_of_train_one_text_moves_whatever_the_order():
    fell = [n for n in range(400) if hashed(f"text {n}", 5) / 2**64 < 0.6]  # test, validation
    labels = ["rare" if n in fell[:6] else "common" for n in range(400)]
    part = labelled(labels)
    pieces = carve(part, 0.3, 0.3, 5)
    moved = [text for text, label in zip(pieces["train"].texts, pieces["train"].labels, strict=True)
             if label == "rare"]  # fmt: skip
    assert moved == [max((f"text {n}" for n in fell[:6]), key=lambda text: hashed(text, 5))]
    turned = carve(part.select(range(399, -1, -1)), 0.3, 0.3, 5)
    assert {n: set(p.lines) for n, p in turned.items()} == {
        n: set(p.lines) for n, p in pieces.items()
    }


def test_a_text_that_moves_takes_its_equals_with_it():
    labels = ["a", "b"] * 100
    part = labelled(labels)
    fell = next(text for text in part.texts if hashed(text, 0) / 2**64 < 0.2)
    texts = [*part.texts, fell, fell]
    part = LabelledTexts(texts, [*labels, "rare", "a"], "s", list(range(len(texts))))
    assert carve(part, 0.1, 0.2)["train"].texts.count(fell) == 3


def test_a_member_of_a_set_is_kept_in_train_and_numbers_move_nothing():
    sets = labelled(
        ["a", "b", "a,b", "b, rare"] * 5 + ["a"] * 180 + [f"a,one {n}" for n in range(9)]
    )
    sets = LabelledTexts(sets.texts, sets.labels, "s", sets.lines, "set")
    train = carve(sets, 0.3, 0.3, 1)["train"]
    assert {name for names in train.classes() for name in names} == {
        "a", "b", "rare", *(f"one {n}" for n in range(9))
    }  # fmt: skip
    numbers = labelled([f"{n}.5" for n in range(200)], "number")
    letters = letters_of("".join(map(chr, range(0xAC00, 0xAC00 + 200))))
    pieces = carve(numbers, 0.2, 0.2, 1)
    assert len(carve(letters, 0.2, 0.2, 1)) == 3
    for name, (low, high) in {"test": (0, 0.2), "validation": (0.2, 0.4)}.items():
        fell = [t for t in numbers.texts if low <= hashed(t, 1) / 2**64 < high]
        assert pieces[name].texts == fell


@pytest.mark.parametrize(
    ("fractions", "fits"),
    [
        ((0.1, 0.1), True),
        ((0.1, 0), True),
        ((0.5, 0.49), True),
        ((0, 0.1), False),
        ((-0.1, 0.5), False),
        ((0.1, -0.1), False),
        ((0.5, 0.5), False),
        ((1.2, 0), False),
        ((float("nan"), 0.1), False),
        ((0.1, float("nan")), False),
    ],
)
def test_fractions_must_leave_something_to_train_on(fractions, fits):
    if fits:
        check_fractions(*fractions)
        return
    with pytest.raises(ConfigError, match=f"received {fractions[0]} and {fractions[1]}"):
        check_fractions(*fractions)
    with pytest.raises(ConfigError):
        load_parts(read_letters, "no such file", None, None, *fractions)


@pytest.fixture
def files(tmp_path, alphabet) -> dict[str, str]:
    """Three files of letters: all, a few, and a few others."""
    texts = {"all": "".join(alphabet.letters), "few": "xyz", "others": "pq"}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    return {name: str(tmp_path / f"{name}.txt") for name in texts}


def test_a_file_alone_is_cut_in_three_as_carve_does(files, alphabet):
    splits = load_parts(read_letters, files["all"], None, None, 0.2, 0.1, 5)
    assert vars(splits) == carve(read_letters(files["all"]), 0.2, 0.1, 5)
    assert splits.train != load_parts(read_letters, files["all"], None, None, 0.2, 0.1, 6).train
    assert load_parts(read_letters, files["all"], test_fraction=0).test is None


def test_with_a_test_file_only_validation_is_carved(files):
    splits = load_parts(read_letters, files["all"], None, files["few"], 0.2, 0.1, 5)
    assert splits.test == read_letters(files["few"])
    carved = carve(read_letters(files["all"]), 0.2, 0.0, 5)
    assert (splits.train, splits.validation) == (carved["train"], carved["validation"])


def test_with_a_validation_file_nothing_is_carved(files):
    whole = read_letters(files["all"])
    few, others = read_letters(files["few"]), read_letters(files["others"])
    splits = load_parts(read_letters, files["all"], files["few"])
    assert splits == Splits(whole, few, None)
    splits = load_parts(read_letters, files["all"], files["few"], files["others"])
    assert splits == Splits(whole, few, others)


def test_a_set_keeps_its_splits_unless_files_are_given(files, alphabet):
    few, others = letters_of("xyz"), letters_of("pq")
    whole = {"train": alphabet, "validation": few, "test": others}
    assert load_parts(read_letters, whole) == Splits(alphabet, few, others)
    read = read_letters(files["few"])
    assert load_parts(read_letters, whole, files["few"]) == Splits(alphabet, read, others)
    assert load_parts(read_letters, whole, None, files["few"]) == Splits(alphabet, few, read)
    assert whole["test"] is others
    splits = load_parts(read_letters, {"train": alphabet}, None, None, 0.2, 0.3, 5)
    assert splits.test is None
    carved = carve(alphabet, 0.2, 0.0, 5)
    assert (splits.train, splits.validation) == (carved["train"], carved["validation"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("all", None, "all"), "train and test"),
        (("all", "all", "few"), "train and validation"),
        (("all", "few", "few"), "validation and test"),
    ],
)
def test_one_file_for_two_splits_is_refused(files, names, words):
    specs = [files.get(name) for name in names]
    with pytest.raises(DataError, match=f"is given for both {words}; expected two files"):
        load_parts(read_letters, *specs)


def test_one_file_under_two_names_is_refused(tmp_path, files):
    link = tmp_path / "link.txt"
    link.symlink_to(files["all"])
    with pytest.raises(DataError, match="train and test"):
        load_parts(read_letters, files["all"], None, str(link))
    shutil.copy(files["all"], tmp_path / "copy.txt")  # equal bytes are the user's own affair
    load_parts(read_letters, files["all"], None, str(tmp_path / "copy.txt"))


def test_parallel_files_may_not_have_one_in_common(tmp_path):
    for name in ("a.en", "a.fr", "b.en", "b.fr"):
        (tmp_path / name).write_text(f"{name}\nmore of {name}\n")
    a, mixed, b = (
        f"{tmp_path / first},{tmp_path / second}"
        for first, second in (("a.en", "a.fr"), ("b.en", "a.fr"), ("b.en", "b.fr"))
    )
    with pytest.raises(DataError, match=r"a\.fr is given for both train and validation"):
        load_parts(read_text_pairs, a, mixed)
    assert load_parts(read_text_pairs, a, b).validation.texts == ["b.en", "more of b.en"]


def test_another_cut_may_be_given(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {n}\n" for n in range(100)))
    splits = load_parts(read_plain_text, str(path), None, None, 0.2, 0.1, cut=cut)
    assert vars(splits) == cut(read_plain_text(path), 0.2, 0.1)
    (tmp_path / "test.txt").write_text("the end\n")
    splits = load_parts(read_plain_text, str(path), None, str(tmp_path / "test.txt"), cut=cut)
    assert splits.train.text + splits.validation.text == path.read_text()
    assert splits.test is not None
    assert splits.test.text == "the end\n"


def test_translations_of_one_sentence_and_equal_sentences_stay_in_one_split(tmp_path):
    rng = random.Random(6)
    (tmp_path / "a.tsv").write_text(
        "".join(f"sentence {rng.randrange(200)}\ttarget {n}\n" for n in range(600))
    )
    (tmp_path / "a.bio").write_text(
        "".join(f"a {n}\nb{rng.randrange(200)} O\n\n" for n in range(600))
    )
    for read, name in ((read_text_pairs, "a.tsv"), (read_tagged_sentences, "a.bio")):
        splits = load_parts(read, str(tmp_path / name), None, None, 0.2, 0.2)
        keys = [set(part.keys()) for part in vars(splits).values()]
        assert sum(map(len, keys)) == len(set.union(*keys)) > 150
        assert sum(len(part) for part in vars(splits).values()) == 600


def test_every_kind_of_part_says_what_its_keys_are():
    parts = (
        LabelledTexts(["a"], ["0"], "s", [1]),
        TextPairs(["a"], ["b"], "s", [1]),
        TaggedSentences([["a"]], [["b"]], "s", [1]),
    )
    for part in parts:
        with pytest.raises(DataError, match=f"more distinct {part.keyed_by}, "):
            carve(part, 0.1, 0.1)
    assert len({part.keyed_by for part in parts}) == 3


def test_readers_need_no_tensorflow():
    names = ("files", "readers", "splits", "pairs", "tagged", "plain", "images")
    modules = [f"seqtasks.data.{name}" for name in names] + ["seqtasks.tasks.labelled_sources"]
    script = f"import sys, {', '.join(modules)}\n"
    script += "assert not {'tensorflow', 'sklearn', 'tensorflow_datasets'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("seed", range(3))
def test_texts_that_are_read_alike_never_fall_into_two_splits(seed):
    rng = random.Random(seed)
    words = ["Good", "film", "좋다", "Ärger", "not", "bad"]
    own = [f"{' '.join(rng.choices(words, k=4))} {number}" for number in range(200)]
    twins = [*map(str.upper, own), *(f"{text} " for text in own)]
    twins += [text.replace(" ", "\u3000 ") for text in own]
    rng.shuffle(twins)
    texts = own + twins
    part = LabelledTexts(texts, ["a"] * len(texts), "x.tsv", [*range(len(texts))])
    pieces = carve(part, 0.2, 0.2, seed)
    splits_of = {}
    for name, piece in pieces.items():
        for text in piece.texts:
            splits_of.setdefault(" ".join(text.lower().split()), set()).add(name)
    assert len(splits_of) == 200
    assert all(len(names) == 1 for names in splits_of.values())
    # Where no text has a twin, each is where an earlier version put it: by its own hash.
    alone = LabelledTexts(own, ["a"] * 200, "x.tsv", [*range(200)])
    for name, piece in carve(alone, 0.2, 0.2, seed).items():
        assert set(piece.texts) == set(pieces[name].texts) & set(own)
        for text in piece.texts:
            place = hashed(text, seed) / 2**64
            assert name == ("test" if place < 0.2 else "validation" if place < 0.4 else "train")
