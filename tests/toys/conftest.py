"""Toy sets generated once for all tests, and written with a few of their examples."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from seqtasks.toys import toy_documents, toy_sentiment, toy_translation
from seqtasks.toys.base import ToyBuilder, load_toy

FEW = {"train": 60, "validation": 30, "test": 20}


@pytest.fixture(scope="session", autouse=True)
def generated_once() -> Iterator[None]:
    """Keep what the grammars wrote. The tests of the functions themselves import them before."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (toy_documents, "split_documents"),
            (toy_sentiment, "split_sentences"),
            (toy_translation, "split_pairs"),
        ):
            patch.setattr(module, name, cache(getattr(module, name)))
        yield


@pytest.fixture(scope="session")
def prepare_few() -> Callable[[type[ToyBuilder], Path], ToyBuilder]:
    """Prepare a set with the first examples of each split."""

    def prepare(builder: type[ToyBuilder], folder: Path) -> ToyBuilder:
        whole = builder.split_examples()
        splits = {name: list(islice(part, FEW[name])) for name, part in whole.items()}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(builder, "SIZES", FEW)
            patch.setattr(builder, "split_examples", classmethod(lambda cls: splits))
            return load_toy(builder, folder)

    return prepare
