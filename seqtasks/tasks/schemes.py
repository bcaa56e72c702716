"""Whether tags follow the scheme by which they mark entities, and may be made to."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.entities import Scheme, recognise
from seqtasks.errors import ConfigError

_FEW = 0.05  # of the sentences with entities, that may leave the scheme all the same


def scheme_of(part: TaggedSentences) -> Scheme | None:
    """The scheme of a split's tags; None where they mark no entities."""
    return recognise([[tag for tag in tags if tag] for tags in part.tags])


def follow(scheme: Scheme, part: TaggedSentences) -> bool:
    """Whether a split's tags follow their scheme, but for a few of the sentences with any."""
    return len(_breaks(scheme, part)) <= _FEW * _with_entities(scheme, part)


def constrained(
    asked: bool | None, scheme: Scheme | None, followed: bool, tags: Iterable[str], whose: str
) -> bool:
    """Whether the tags that are chosen are to follow a scheme.

    Args:
        asked: `decoding.constrain`; None: where training's do, and something is left to choose.
        scheme: of the tags of training.
        followed: whether they follow it (`follow`).
        tags: all that there are.
        whose: what they are of, such as a file's name.

    Raises:
        ConfigError: where they are to, and there is no scheme, or it leaves nothing to choose.
    """
    # A sentence of a single token needs it, and one of any length can have it at every token.
    alone = scheme is not None and any(
        scheme.follows(None, tag) and scheme.follows(tag, None) for tag in tags
    )
    if not asked:
        return asked is None and followed and alone
    if scheme is None:
        needs = "tags that mark entities, such as B-PER, I-PER and O"
    else:
        needs = f"a tag that may stand alone in {scheme.name}, such as O"
    if not alone:
        raise ConfigError(
            f"decoding.constrain: true needs {needs}; {whose} has none, leave it out or use false"
        )
    return True


def check_constraint(asked: bool | None, splits: Splits[TaggedSentences]) -> None:
    """Check that tags can follow a scheme, where they are to.

    Raises:
        ConfigError: as `constrained`.
    """
    if asked:
        train = splits.train
        tags = sorted({tag for sentence in train.tags for tag in sentence if tag})
        constrained(asked, scheme_of(train), True, tags, train.source)


def inside_and_goes_on(scheme: Scheme, tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which tags (K,) are of entities, and which, (K, K), go on with the entity of the row's."""
    return np.array([scheme.place(tag)[0] != "O" for tag in tags]), _pairs(scheme.goes_on, tags)


def allowed(scheme: Scheme, tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tags may stand behind the row's, (K, K), which first, (K,), and which last, (K,)."""
    first = np.array([scheme.follows(None, tag) for tag in tags])
    last = np.array([scheme.follows(tag, None) for tag in tags])
    return _pairs(scheme.follows, tags), first, last


def _pairs(may_be: Callable[[str, str], bool], tags: Sequence[str]) -> np.ndarray:
    return np.array([[may_be(before, tag) for tag in tags] for before in tags])


def scheme_notice(asked: bool | None, train: TaggedSentences) -> str | None:
    """Say that training's tags leave their scheme, and what follows; None where they don't.

    Args:
        asked: `decoding.constrain`.
    """
    scheme = scheme_of(train)
    if scheme is None or not (found := _breaks(scheme, train)):
        return None
    number, at = found[0]
    tags = train.tags[number]
    place = f"{tags[at]} after {tags[at - 1]}" if 0 < at < len(tags) else ""
    place = place or (f"{tags[at]} first" if at == 0 else f"{tags[-1]} last")
    will = asked if asked is not None else follow(scheme, train)
    return (
        f"{train.source}: {len(found):,} of {_with_entities(scheme, train):,} sentences with "
        f"entities leave {scheme.name}, such as that of line {train.lines[number]} ({place}); "
        f"answers {'follow it' if will else 'may leave it, too'} "
        f"(decoding.constrain={'false' if will else 'true'} changes that)"
    )


def _breaks(scheme: Scheme, part: TaggedSentences) -> list[tuple[int, int]]:
    """The sentences, by their numbers, that leave a scheme, and where each does first."""
    found = ((number, scheme.first_break(tags)) for number, tags in enumerate(part.tags))
    return [(number, at) for number, at in found if at is not None]


def _with_entities(scheme: Scheme, part: TaggedSentences) -> int:
    return sum(any(scheme.place(tag)[0] != "O" for tag in tags) for tags in part.tags)
