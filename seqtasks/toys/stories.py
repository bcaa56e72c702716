"""The stories of two pages as data: who was greeted, and what mood a day had.

The grammars (`greeting_grammar`, `mood_grammar`) write a story; here they become balanced, distinct
examples in splits. Distance is counted in the sentences between the opening, which decides, and the
blank.
"""

from __future__ import annotations

import random
from functools import partial

from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError, did_you_mean
from seqtasks.toys import greeting_grammar, mood_grammar
from seqtasks.toys.waits import Wait

LANGUAGES = ("en", "ko")
STORIES = {
    "toy_greeting": (greeting_grammar.NAMES, greeting_grammar.write),
    "toy_mood": (mood_grammar.MOODS, mood_grammar.write),
}
"""The answers of each set, by language, and what writes a story of it."""


def story_examples(
    name: str, language: str, distance: int, examples: int, seed: int, exact: bool
) -> LabelledTexts:
    """Return distinct stories with a blank, `_`, labelled with what belongs there.

    Any neighbours, as many as there are answers, hold each answer once.

    Args:
        name: one of `STORIES`.
        language: one of `LANGUAGES`.
        distance: how many sentences stand between the opening and the blank, at least 1.
        examples: how many.
        seed: the same one gives the same stories.
        exact: whether each has `distance` sentences in between. If not, the number is drawn
            uniformly from 1 to `distance` for each.

    Raises:
        DataError: no such set or language; a distance or number below 1; more examples than there
            are stories so short.

    >>> part = story_examples("toy_greeting", "en", 1, examples=2, seed=6, exact=True)
    >>> part.texts[1], part.labels[1]
    ('Ware sat drawing , and Emma came in . ... the newcomer said hello to _ .', 'Ware')
    """
    return _wait(name, language).draw(random.Random(seed), distance, examples, exact, set())


def load_stories(
    name: str,
    language: str,
    distance: int,
    seed: int,
    train: int = 4000,
    validation: int = 400,
    test: int = 400,
) -> Splits[LabelledTexts]:
    """Return splits of `story_examples` that have no story in common.

    Validation and test are exact, train is not. The number of training examples does not change
    the other splits.

    Args:
        name: one of `STORIES`.
        language: one of `LANGUAGES`.
        distance: how many sentences stand between the opening and the blank, at least 1.
        seed: the same one gives the same splits.
        train, validation, test: how many examples.

    Raises:
        DataError: as `story_examples`.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    return _wait(name, language).splits(distance, seed, sizes)


def _wait(name: str, language: str) -> Wait:
    if name not in STORIES:
        hint = did_you_mean(name, STORIES)
        raise DataError(f"no set of stories is called {name!r}{hint}; there are: {[*STORIES]}")
    if language not in LANGUAGES:
        raise DataError(f"{name}: expected a language of {[*LANGUAGES]}, received {language!r}")
    answers, write = STORIES[name]
    between = "sentences in between"
    more = "more sentences in between"
    return Wait(name, answers[language], partial(write, language), between, more, distinct=True)
