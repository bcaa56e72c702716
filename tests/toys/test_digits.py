"""Scikit-learn's digits as a toy set of captioning."""

import hashlib

import numpy as np
import pytest

from seqtasks.errors import DataError
from seqtasks.toys.digits import digits


@pytest.fixture(scope="module")
def source():
    return pytest.importorskip("sklearn.datasets").load_digits()


@pytest.mark.parametrize("language", ["en", "ko", "both"])
def test_the_digits_are_all_there_once_with_their_names(source, language):
    names = {
        "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
        "ko": ["영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"],
    }
    names["both"] = [f"{names['en'][n]} {names['ko'][n]}" for n in range(10)]
    parts = vars(digits(language)).values()
    assert sorted(row for part in parts for row in part.lines) == list(range(1797))
    for part in parts:
        assert part.images.shape == (len(part), 8, 8, 1)
        assert part.images.dtype == np.float32
        np.testing.assert_array_equal(part.images[..., 0] * 16, source.images[part.lines])
        assert part.captions == [names[language][n] for n in source.target[part.lines]]


def test_no_digit_is_in_two_splits_and_each_split_has_its_share_of_each(source):
    splits = digits("en")
    pixels = [{image.tobytes() for image in part.images} for part in vars(splits).values()]
    assert sum(map(len, pixels)) == len(set.union(*pixels)) == 1797
    for number in range(10):
        total = int((source.target == number).sum())
        for part in (splits.validation, splits.test):
            assert part is not None
            assert abs(int((source.target[part.lines] == number).sum()) - total / 10) <= 0.5


def test_the_digits_are_cut_by_a_hash_of_image_and_seed(source):
    splits = digits("ko", seed=3)

    def place(row: int) -> bytes:
        pixels = (source.images[row] / 16).astype("<f4").tobytes()
        key = hashlib.blake2b(pixels, digest_size=16).hexdigest()
        return hashlib.blake2b(f"3\0{key}".encode(), digest_size=8).digest()

    sevens = sorted(np.flatnonzero(source.target == 7).tolist(), key=place)
    for part, expected in ((splits.test, sevens[:18]), (splits.validation, sevens[18:36])):
        assert part is not None
        assert sorted(expected) == [row for row in part.lines if source.target[row] == 7]
    assert digits("en", seed=3).train.lines == splits.train.lines
    assert digits("ko", seed=4).train.lines != splits.train.lines


def test_digits_in_another_language_are_refused():
    with pytest.raises(DataError, match="spelled in en, ko, both; received 'fr'"):
        digits("fr")
