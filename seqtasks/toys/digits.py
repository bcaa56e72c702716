"""The toy set of captioning: scikit-learn's handwritten digits, spelled."""

from typing import Any

import numpy as np

from seqtasks.data.images import CaptionedImages
from seqtasks.data.splits import Splits, hashed
from seqtasks.errors import DataError

_ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_KOREAN = list("영일이삼사오육칠팔구")
_BOTH = [f"{english} {korean}" for english, korean in zip(_ENGLISH, _KOREAN, strict=True)]
_SPELLED = {"en": _ENGLISH, "ko": _KOREAN, "both": _BOTH}


def digits(language: str = "en", seed: int = 0) -> Splits[CaptionedImages]:
    """Return scikit-learn's 1,797 handwritten digits of 8x8 pixels, each with its number spelled.

    About a tenth of the images of each number are for validation and a tenth for test, chosen by a
    hash of the image and the seed; no two images are equal. The pixels, 0 to 16 in the original,
    are from 0 to 1, in one channel.

    Args:
        language: "en" ("seven"), "ko" ("칠"), or "both" ("seven 칠").
        seed: another seed chooses other images.

    Raises:
        DataError: another language.

    >>> digits("ko").train.images.shape[1:]
    (8, 8, 1)
    """
    if language not in _SPELLED:
        raise DataError(f"digits are spelled in {', '.join(_SPELLED)}; received {language!r}")
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    images = (data.images[..., np.newaxis] / 16).astype(np.float32)  # (1797, 8, 8, 1)
    captions = [_SPELLED[language][number] for number in data.target]
    whole = CaptionedImages(images, captions, f"digits, {language}", list(range(len(images))))
    rows: dict[str, list[int]] = {"test": [], "validation": [], "train": []}
    keys = whole.keys()
    for number in range(10):
        order = np.flatnonzero(data.target == number).tolist()
        order.sort(key=lambda row: hashed(keys[row], seed))
        tenth = round(len(order) / 10)
        rows["test"] += order[:tenth]
        rows["validation"] += order[tenth : 2 * tenth]
        rows["train"] += order[2 * tenth :]
    return Splits(**{name: whole.select(sorted(chosen)) for name, chosen in rows.items()})
