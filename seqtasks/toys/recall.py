"""Long-term memory as a task: the name said at the beginning is asked for at the end.

Page 000 shows with a story like this one why a network must remember (its part on long-term
dependencies): someone watches TV in a room, other things happen, and the last sentence is about
that someone. Here we choose the number of words in between.
"""

from __future__ import annotations

import random

from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError
from seqtasks.toys.sentiment_phrase import pick

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Tom")
OPENING = "{} is watching TV in the room ."
QUESTION = "who ?"
DISTRACTIONS = (
    *("a", "dog", "door", "music", "rain", "barks", "closes", "falls", "opens", "plays"),
    *("again", "outside", "quietly", "slowly", "and", "then"),
)
"""The words between opening and question; none of them is in either."""

_MAX_REPEATS = 10_000


def recall_examples(length: int, examples: int, seed: int, exact: bool) -> LabelledTexts:
    """Return texts that name somebody, go on about something else, and ask who it was.

    A text is `OPENING` with one of `NAMES`, then words of `DISTRACTIONS` drawn at random, then
    `QUESTION`; its label is the name. Any eight neighbours hold each name once.

    Args:
        length: how long the distraction is, in words, at least 1.
        examples: how many.
        seed: the same one gives the same texts.
        exact: whether each distraction has `length` words. If not, the length of each is drawn
            uniformly from 1 to `length`, so that the network can learn from
            short lags what the long ones need.

    Raises:
        DataError: a length or number below 1.

    >>> part = recall_examples(length=5, examples=2, seed=1, exact=True)
    >>> part.texts[1], part.labels[1]
    ('Ben is watching TV in the room . ... who ?', 'Ben')
    """
    return _draw(random.Random(seed), length, examples, exact, f"recall of {length}", set())


def load_recall(
    length: int, seed: int, train: int = 4000, validation: int = 400, test: int = 400
) -> Splits[LabelledTexts]:
    """Return splits of `recall_examples` that have no text in common.

    Validation and test are exact, train is not. The number of training examples does not change
    the other splits.

    Args:
        length: how long the distraction is, in words, at least 1.
        seed: the same one gives the same splits.
        train, validation, test: how many examples.

    Raises:
        DataError: a length or number below 1; more examples than there are texts so short.
    """
    rng, seen = random.Random(seed), set()
    parts = {}
    for split, examples in (("test", test), ("validation", validation), ("train", train)):
        source = f"recall of {length}, {split}"
        parts[split] = _draw(rng, length, examples, split != "train", source, seen)
        seen.update(parts[split].texts)
    return Splits(**parts)


def _draw(
    rng: random.Random, length: int, examples: int, exact: bool, source: str, taken: set[str]
) -> LabelledTexts:
    """Draw examples whose texts aren't in `taken`."""
    if length < 1 or examples < 1:
        raise DataError(
            f"{source}: expected 1 or more words of distraction and 1 or more examples, "
            f"received {length} and {examples}"
        )
    labels = [NAMES[number % len(NAMES)] for number in range(examples)]
    texts = []
    for name in labels:
        for _ in range(_MAX_REPEATS):
            steps = length if exact else 1 + int(rng.random() * length)
            distraction = " ".join(pick(rng, DISTRACTIONS) for _ in range(steps))
            text = f"{OPENING.format(name)} {distraction} {QUESTION}"
            if text not in taken:
                break
        else:
            raise DataError(
                f"{source}: found no text that another split hasn't, in {_MAX_REPEATS} tries "
                f"after {len(texts)}; ask for fewer examples or a longer distraction"
            )
        texts.append(text)
    return LabelledTexts(texts, labels, source, list(range(1, examples + 1)))
