"""The toy translation data set as a TFDS builder: English to Korean, judged on new combinations.

Validation and test ask for what a translator must do and a list of phrases can't: each of their
sentences brings words together that no training sentence does (who does what, what is done to
what, what is where or like what), though each single word form has been seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import ClassVar

import tensorflow_datasets as tfds

from seqtasks.toys.base import Features, ToyBuilder
from seqtasks.toys.translation_clause import Pair
from seqtasks.toys.translation_grammar import generate
from seqtasks.toys.translation_mentions import Combination

SEED = 1
SPLITS = {"train": 12_000, "validation": 1000, "test": 1000}

_GENERATED = 24_000
_SHARE = 24  # one combination in 24 belongs to validation, and another one to test
_MIN_SEEN = 3  # how often training shows each word form of the other splits


def home(combination: Combination) -> str:
    """Return the one split whose sentences may hold a combination of words.

    >>> home(("object", "read", "book"))
    'validation'
    """
    digest = blake2b(f"{SEED} {' '.join(combination)}".encode(), digest_size=8).digest()
    held_out = {0: "validation", 1: "test"}
    return held_out.get(int.from_bytes(digest) % _SHARE, "train")


def split_pairs() -> dict[str, list[Pair]]:
    """Return the pairs of each split, with the structure and the combinations of each.

    No English sentence is in two splits, and no combination that is held out for validation or
    test is in another split. Each pair of these two has at least one, and words (as spaces separate
    them) that occur in training. The builder below writes exactly these.

    >>> {split: len(pairs) for split, pairs in split_pairs().items()}
    {'train': 12000, 'validation': 1000, 'test': 1000}
    """
    found: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for pair in generate(_GENERATED, SEED):
        homes = {home(combination) for combination in pair.combinations}
        if not homes >= {"validation", "test"}:  # held out for both, it belongs to neither
            found[min(homes, key=("validation", "test", "train").index)].append(pair)
    train = found["train"][: SPLITS["train"]]
    seen = Counter(word for pair in train for word in _words(pair))
    for split in ("validation", "test"):
        found[split] = [
            pair for pair in found[split] if all(seen[word] >= _MIN_SEEN for word in _words(pair))
        ]
    return {split: found[split][:size] for split, size in SPLITS.items()}


def _words(pair: Pair) -> list[str]:
    return f"{pair.source} {pair.target}".split()


class ToyTranslation(ToyBuilder):
    """TFDS builder `toy_translation`: `source` (English) and `target` (Korean), one sentence each.

    Every sentence has one translation, so a wrong word is an error and no matter of taste.
    """

    SIZES = SPLITS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": f"14,000 pairs from seed {SEED}."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "English sentences with their Korean translations, written by a grammar: other "
                "word order, particles, counters, tense and denial. Validation and test hold "
                "combinations of words that training doesn't."
            ),
            features=tfds.features.FeaturesDict(
                {"source": tfds.features.Text(), "target": tfds.features.Text()}
            ),
            supervised_keys=("source", "target"),
        )

    @classmethod
    def split_examples(cls) -> dict[str, Iterator[Features]]:
        """The sentences of `split_pairs`."""
        return {split: map(_features, pairs) for split, pairs in split_pairs().items()}


def _features(pair: Pair) -> Features:
    return {"source": pair.source, "target": pair.target}
