"""Long-term memory as a task: the name said at the beginning is asked for at the end.

Page 000 shows with a story like this one why a network must remember (its part on long-term
dependencies): someone watches TV in a room, other things happen, and the last sentence is about
that someone. Here we choose the number of words in between.
"""

from __future__ import annotations

import random

from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.toys.sentiment_phrase import pick
from seqtasks.toys.waits import Wait

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Tom")
OPENING = "{} is watching TV in the room ."
QUESTION = "who ?"
DISTRACTIONS = (
    *("a", "dog", "door", "music", "rain", "barks", "closes", "falls", "opens", "plays"),
    *("again", "outside", "quietly", "slowly", "and", "then"),
)
"""The words between opening and question; none of them is in either."""


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
    return _RECALL.draw(random.Random(seed), length, examples, exact, set())


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
    sizes = {"train": train, "validation": validation, "test": test}
    return _RECALL.splits(length, seed, sizes)


def _write(rng: random.Random, name: str, length: int) -> str:
    distraction = " ".join(pick(rng, DISTRACTIONS) for _ in range(length))
    return f"{OPENING.format(name)} {distraction} {QUESTION}"


_RECALL = Wait("recall", NAMES, _write, "words of distraction", "a longer distraction", False)
