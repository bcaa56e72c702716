"""TFDS builders of the toy data sets, and the grammars that write their sentences."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from seqtasks.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from seqtasks.toys.base import ToyBuilder

TOYS = {  # where the builder of each toy set is; importing one imports TFDS, so not here
    "toy_sentiment": "seqtasks.toys.toy_sentiment:ToySentiment",
    "toy_translation": "seqtasks.toys.toy_translation:ToyTranslation",
    "toy_documents": "seqtasks.toys.toy_documents:ToyDocuments",
    "toy_tagging": "seqtasks.toys.toy_tagging:ToyTagging",
    "toy_greeting": "seqtasks.toys.toy_stories:ToyGreeting",
    "toy_mood": "seqtasks.toys.toy_stories:ToyMood",
}


def get_toy(name: str) -> type[ToyBuilder]:
    """Return the builder class of the toy set called `name`, one of `TOYS`.

    Raises:
        DataError: there is no toy set of this name.

    >>> get_toy("toy_sentiment").__name__
    'ToySentiment'
    """
    if name not in TOYS:
        hint = did_you_mean(name, TOYS)
        raise DataError(f"no toy set is called {name!r}{hint}; there are: {', '.join(TOYS)}")
    module, _, builder = TOYS[name].partition(":")
    return getattr(import_module(module), builder)
