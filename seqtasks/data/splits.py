"""Train, validation and test: from a file each, or by cutting what one file holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, runtime_checkable

from seqtasks.data.files import files_of
from seqtasks.data.reading import as_read
from seqtasks.errors import ConfigError, DataError


class TooFew(DataError):
    """Examples that are too few to be cut in splits."""


class Part(Protocol):
    """Examples of one split, in the order of their source."""

    keyed_by: ClassVar[str]  # what `keys` returns, as messages call it

    @property
    def source(self) -> str:
        """What to call the source in messages."""
        ...

    @property
    def lines(self) -> list[int]:
        """Where each example is in the source."""
        ...

    def __len__(self) -> int: ...

    def shown(self) -> Iterator[str]:
        """Give the examples for people, a line each."""
        ...

    def asked(self, number: int) -> Sequence[Any]:
        """Return the first examples as a user would ask about them: texts, or images."""
        ...

    def keys(self) -> list[str]:
        """Return what decides where each example goes: equal keys stay together."""
        ...

    def select(self, rows: Sequence[int]) -> Self:
        """Return the examples at `rows`, counted from 0, in this order."""
        ...


@runtime_checkable
class Classified(Protocol):
    """Examples that can be learnt only where training has one of each class."""

    def classes(self) -> Sequence[Sequence[str]]:
        """Return the classes of each example: none, one or several."""
        ...


P = TypeVar("P")
Q = TypeVar("Q", bound=Part)


@dataclass(frozen=True)
class Splits(Generic[P]):
    """The examples to learn from, to choose by, and to judge by (None where there are none)."""

    train: P
    validation: P
    test: P | None

    def parts(self) -> dict[str, P]:
        """Return those splits that there are, by name."""
        return {name: part for name, part in vars(self).items() if part is not None}


def check_fractions(validation_fraction: float, test_fraction: float) -> None:
    """Raise a ConfigError for impossible fractions."""
    if not (validation_fraction > 0 <= test_fraction and validation_fraction + test_fraction < 1):
        raise ConfigError(
            "expected validation_fraction > 0, test_fraction >= 0 and both together < 1; "
            f"received {validation_fraction} and {test_fraction}"
        )


def carve(part: Q, validation_fraction: float, test_fraction: float, seed: int = 0) -> dict[str, Q]:
    """Cut `part` into train, validation and test by a hash of each example's key and the seed.

    Keys that are equal as the model reads them, but for case and spaces, stay together, and an
    example stays where it is when others are added behind. Each piece
    keeps the order of `part`. A class that fell to validation and test only gives train the
    examples of one key, whose hash was the nearest to train's.

    Args:
        part: what to cut.
        validation_fraction, test_fraction: the approximate shares; with test_fraction 0, no test.
        seed: another seed carves other examples.

    Raises:
        TooFew: a piece would be empty.

    >>> from seqtasks.data.readers import LabelledTexts
    >>> part = LabelledTexts(list("abcabc"), list("010101"), "letters.tsv", [1, 2, 3, 4, 5, 6])
    >>> {name: piece.texts for name, piece in carve(part, 0.5, 0.0, seed=2).items()}
    {'validation': ['b', 'b'], 'train': ['a', 'c', 'a', 'c']}
    """
    ends = {"test": test_fraction, "validation": test_fraction + validation_fraction, "train": 2}
    rows: dict[str, list[int]] = {name: [] for name, end in ends.items() if end}
    keys = _first_of_equals(part.keys())
    places = {key: hashed(key, seed) / 2**64 for key in dict.fromkeys(keys)}
    moved = _needed(part, keys, places, ends["validation"])
    for row, key in enumerate(keys):
        at = 1.0 if key in moved else places[key]
        rows[next(name for name, end in ends.items() if at < end)].append(row)
    for name, chosen in rows.items():
        if not chosen:
            raise TooFew(
                f"{part.source}: no example for {name}, cutting {len(part)} by {test_fraction} "
                f"for test and {validation_fraction} for validation; expected more distinct "
                f"{part.keyed_by}, other fractions, or a file for each split"
            )
    return {name: part.select(chosen) for name, chosen in rows.items()}


def _first_of_equals(keys: list[str]) -> list[str]:
    """Give keys that are read alike the first one's place.

    That place is where an earlier version put the first one, so that its runs keep their splits.

    >>> _first_of_equals(["Good film", "bad", "good  film "])
    ['Good film', 'bad', 'Good film']
    """
    first: dict[str, str] = {}
    return [first.setdefault(as_read(key), key) for key in keys]


def _needed(part: Any, keys: list[str], places: dict[str, float], begin: float) -> set[str]:
    """Return keys that train must have, for a class of which it would have none.

    Args:
        part: what is cut.
        keys: of its examples.
        places: where each key falls, from 0 to 1.
        begin: where train begins.
    """
    if not isinstance(part, Classified):
        return set()
    nearest: dict[str, str] = {}  # of each class, the key that falls nearest to train, or in it
    for key, classes in zip(keys, part.classes(), strict=True):
        for name in classes:
            if name not in nearest or places[key] > places[nearest[name]]:
                nearest[name] = key
    return {key for key in nearest.values() if places[key] < begin}


def hashed(key: str, seed: int) -> int:
    """Return a number below 2**64 that is the same on every machine and in every release."""
    digest = blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def load_parts(
    read: Callable[[str], P],
    source: str | Mapping[str, P],
    validation: str | None = None,
    test: str | None = None,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    cut: Callable[[P, float, float], dict[str, P]] | None = None,
) -> Splits[P]:
    """Read `source` and the other files given; carve from train what is missing.

    A file alone is cut in three; with a test file, validation is carved; with a validation file
    alone there is no test. A set that is read already keeps its splits: validation is carved if
    it has none.

    Args:
        read: called with the name of a file, or two with a comma between; returns its part.
        source: such a name; or the parts of a set that has a train split.
        validation, test: such names; they replace a set's own splits.
        validation_fraction, test_fraction: the shares that are carved; test may be 0, for none.
        seed: another seed carves other examples.
        cut: called with a part and the two shares, returns the pieces; the default is `carve`.

    Raises:
        ConfigError: fractions that can't be.
        DataError: a file that can't be read; one file for two splits; an empty split.
    """
    check_fractions(validation_fraction, test_fraction)
    named = {"train": source, "validation": validation, "test": test}
    specs = {name: spec for name, spec in named.items() if isinstance(spec, str)}
    parts = {} if isinstance(source, str) else dict(source)
    parts |= {name: read(spec) for name, spec in specs.items()}
    _check_distinct(specs)
    if "validation" not in parts:
        alone = isinstance(source, str) and "test" not in specs
        fractions = validation_fraction, test_fraction if alone else 0.0
        train: Any = parts["train"]
        parts |= cut(train, *fractions) if cut else carve(train, *fractions, seed)
    return Splits(parts["train"], parts["validation"], parts.get("test"))


def _check_distinct(specs: Mapping[str, str]) -> None:
    """Raise where two splits have a file in common."""
    files = {name: files_of(spec) for name, spec in specs.items()}
    for (first, some), (second, others) in combinations(files.items(), 2):
        for other in others:
            if any(one.samefile(other) for one in some):
                raise DataError(
                    f"{other} is given for both {first} and {second}; expected two files"
                )
