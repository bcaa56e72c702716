"""Entities in tags: which scheme marks where they begin and end, and the spans that they cover.

A tag says its entity's type and, by a letter, the token's place in it: `B-PER` or, with the letter
behind, `PER_B`. All schemes are read by one rule, the lenient one of the CoNLL evaluations, so that
a model's tags need not be well formed: I (or M) goes on with an entity of its type or, where there
is none, begins one; B and S (also U and W) begin one; E and S (also L, U, W) are the last token.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

OUTSIDE = frozenset("Oo-_")  # tags of tokens in no entity
_PLACES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_LETTERS = "".join(_PLACES) + "".join(_PLACES).lower()
_FORMS = {
    "prefix": re.compile(f"(?P<place>[{_LETTERS}])[-_](?P<type>.+)", re.DOTALL),
    "suffix": re.compile(f"(?P<type>.+)[-_](?P<place>[{_LETTERS}])", re.DOTALL),
    "bare": re.compile(f"(?P<place>[{_LETTERS}])(?P<type>)", re.DOTALL),
}
UNTYPED = "entity"  # the type of entities whose tags name none


class Span(NamedTuple):
    """An entity: its tokens, from `start` to before `end`, and its type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class Scheme:
    """How tags mark entities.

    Attributes:
        name: IOB1, IOB2, BIOES, BILOU or BMES.
        form: where the place's letter stands: "prefix", "suffix", or "bare" where no type does.
    """

    name: str
    form: str

    def place(self, tag: str) -> tuple[str, str]:
        """The place in an entity, B, I, E or S, and the type of a tag; "O" outside of all."""
        if tag not in OUTSIDE and (found := _FORMS[self.form].fullmatch(tag)):
            return _PLACES[found["place"].upper()], found["type"] or UNTYPED
        return "O", ""

    def reads(self, tag: str) -> bool:
        """Whether a tag is of this scheme."""
        return tag in OUTSIDE or self.place(tag)[0] != "O"

    def spans(self, tags: Sequence[str]) -> list[Span]:
        """The entities of a sentence, in their order.

        >>> Scheme("IOB2", "prefix").spans(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
        ... # doctest: +NORMALIZE_WHITESPACE
        [Span(start=0, end=2, type='PER'), Span(start=3, end=4, type='LOC'),
         Span(start=4, end=5, type='LOC')]
        >>> Scheme("BIOES", "suffix").spans(["PER_B", "PER_E", "-", "LOC_S"])
        [Span(start=0, end=2, type='PER'), Span(start=3, end=4, type='LOC')]
        """
        found: list[Span] = []
        start, kind, before = 0, "", "O"
        for at, (place, type_) in enumerate([*map(self.place, tags), ("O", "")]):
            goes_on = before in ("B", "I") and place in ("I", "E") and type_ == kind
            if before != "O" and not goes_on:
                found.append(Span(start, at, kind))
            if not goes_on:
                start, kind = at, type_
            before = place
        return found

    def goes_on(self, before: str, tag: str) -> bool:
        """Whether a tag goes on with the entity of the tag before it."""
        (place, type_), (place_now, type_now) = self.place(before), self.place(tag)
        return place in ("B", "I") and place_now in ("I", "E") and type_ == type_now

    def follows(self, before: str | None, tag: str | None) -> bool:
        """Whether a tag may stand after another as the scheme has it, strictly.

        In IOB2 and IOB1 only I depends on what is before: it goes on with an entity of its type
        (IOB2), or B stands between two that touch and nowhere else (IOB1). In the others an entity
        of several tokens has B, I and E, and one of a single token S.

        Args:
            before: the tag before; None where a sentence begins.
            tag: None where it ends.

        >>> scheme = Scheme("IOB2", "prefix")
        >>> [scheme.follows(before, "I-PER") for before in ("B-PER", "B-LOC", "O", None)]
        [True, False, False, False]
        >>> Scheme("BIOES", "prefix").follows("B-PER", None)
        False
        """
        place, type_ = self.place(before or "O")
        place_now, type_now = self.place(tag or "O")
        goes_on = place in ("B", "I") and type_ == type_now
        if self.name == "IOB1":
            return place_now != "B" or goes_on
        if self.name == "IOB2":
            return place_now != "I" or goes_on
        if place in ("B", "I"):
            return goes_on and place_now in ("I", "E")
        return place_now not in ("I", "E")

    def first_break(self, tags: Sequence[str]) -> int | None:
        """Where a sentence leaves the scheme first: before this tag; None where it nowhere does.

        What is next to a token that isn't annotated ("") can't be told, and counts as right.

        >>> Scheme("IOB2", "prefix").first_break(["O", "B-A", "I-B", "O"])
        2
        """
        pairs = zip([None, *tags], [*tags, None], strict=True)
        for at, (before, tag) in enumerate(pairs):
            if before != "" and tag != "" and not self.follows(before, tag):
                return at
        return None

    def to_dict(self) -> dict[str, Any]:
        """What `Scheme(**...)` makes this scheme of again."""
        return asdict(self)


def recognise(sentences: Iterable[Sequence[str]]) -> Scheme | None:
    """Tell the scheme of tags; None where they aren't those of entities.

    Args:
        sentences: the tags of each, such as those of a training set. Where every tag stands alone,
            as in a list of all tags, IOB1 can't be told from IOB2; both are read the same.

    >>> recognise([["O", "PER-B", "PER-I"]])
    Scheme(name='IOB2', form='suffix')
    >>> recognise([["NOUN", "VERB"]]) is None
    True
    """
    sentences = [list(tags) for tags in sentences]
    tags = {tag for sentence in sentences for tag in sentence}
    inside = tags - OUTSIDE
    for form, pattern in _FORMS.items():
        found = [pattern.fullmatch(tag) for tag in inside]
        if not found or not all(found):
            continue
        letters = {match["place"].upper() for match in found if match}
        # Other tag sets end in a letter, or are letters: they lack these.
        if form != "prefix" and not (tags & OUTSIDE and "B" in letters):
            continue
        if letters & set("LU"):
            return Scheme("BILOU", form)
        if letters & set("MW"):
            return Scheme("BMES", form)
        if letters & set("ES"):
            return Scheme("BIOES", form)
        scheme = Scheme("IOB2", form)
        return Scheme("IOB1", form) if _only_separates(scheme, sentences) else scheme
    return None


def _only_separates(scheme: Scheme, sentences: Iterable[Sequence[str]]) -> bool:
    """Whether entities begin with I, but for those that touch another of their type (IOB1)."""
    begun = 0
    for tags in sentences:
        before = ("O", "")
        for place, type_ in map(scheme.place, tags):
            if place == "B" and before[1] != type_:
                return False
            begun += place == "I" and before[1] != type_
            before = place, type_
    return begun > 0


def entity_report(
    scheme: Scheme, right: Sequence[Sequence[str]], tagged: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Precision, recall, F1 and support of entities: of all together, by type, and their mean.

    An entity is right only with its type and both its ends. A share of nothing is 0.

    Returns:
        The scores of all entities ("micro"), "macro avg", the unweighted mean over the types, and
        "types", from each type that stands in either to its scores.

    >>> entity_report(Scheme("IOB2", "prefix"), [["B-A", "B-B"]], [["B-A", "O"]])["macro avg"]["F1"]
    0.5
    """
    there, seen = ({*_numbered(scheme, tags)} for tags in (right, tagged))
    types = {
        type_: _scores(
            {span for span in there if span[1].type == type_},
            {span for span in seen if span[1].type == type_},
        )
        for type_ in sorted({span.type for _, span in there | seen})
    }
    mean = {
        name: sum(row[name] for row in types.values()) / max(len(types), 1)
        for name in ("precision", "recall", "F1")
    }
    return {
        **_scores(there, seen),
        "macro avg": {**mean, "support": len(there)},
        "types": types,
    }


def entity_f1(
    scheme: Scheme, right: Sequence[Sequence[str]], tagged: Sequence[Sequence[str]]
) -> float:
    """F1 of all entities together; 1 where there is none and none is found."""
    there, seen = ({*_numbered(scheme, tags)} for tags in (right, tagged))
    return 2 * len(there & seen) / (len(there) + len(seen)) if there or seen else 1.0


def _numbered(scheme: Scheme, sentences: Sequence[Sequence[str]]) -> Iterator[tuple[int, Span]]:
    for number, tags in enumerate(sentences):
        for span in scheme.spans(tags):
            yield number, span


def _scores(there: set[Any], seen: set[Any]) -> dict[str, float]:
    both = len(there & seen)
    return {
        "precision": both / len(seen) if seen else 0.0,
        "recall": both / len(there) if there else 0.0,
        "F1": 2 * both / (len(there) + len(seen)) if both else 0.0,
        "support": len(there),
    }


# --- Where tokens and entities are in a text -----------------------------------------------------


def token_offsets(text: str, tokens: Sequence[str], widths: Sequence[int]) -> list[tuple[int, int]]:
    """Where each token is in a text as it was given: from which character to before which.

    Args:
        tokens: the text's; a token of white space is a token too.
        widths: characters of each, without white space and invisible ones; 0 for a word that is
            written as one with that before it, whose place is its place too.

    >>> token_offsets(" du  roi!", ["de", "le", "roi", "!"], [2, 0, 3, 1])
    [(1, 3), (1, 3), (5, 8), (8, 9)]
    """
    kept = [at for at, character in enumerate(text) if not _is_dropped(character)]
    found: list[tuple[int, int]] = []
    used = 0
    for token, width in zip(tokens, widths, strict=True):
        if not token.strip():
            start = found[-1][1] if found else 0
            found.append((start, kept[used] if used < len(kept) else len(text)))
        elif width and kept[used : used + width]:
            found.append((kept[used], kept[min(used + width, len(kept)) - 1] + 1))
            used += width
        else:
            found.append(found[-1] if found else (0, 0))
    return found


def _is_dropped(character: str) -> bool:
    """Whether a character is none of any token: white space, control, invisible formatting."""
    category = unicodedata.category(character)
    return category in ("Cc", "Cf", "Zs", "Zl", "Zp") or "\ufe00" <= character <= "\ufe0f"


def entities_in(
    scheme: Scheme,
    text: str,
    tags: Sequence[str],
    offsets: Sequence[tuple[int, int]],
    chances: Sequence[float] | None = None,
) -> list[dict[str, Any]]:
    """The entities of a text, as annotation tools have them.

    Args:
        offsets: from which character to before which each token is.
        chances: of each token, the probability of the entity that begins there, if known.

    >>> entities_in(Scheme("IOB2", "prefix"), "in New York", ["O", "B-LOC", "I-LOC"],
    ...             [(0, 2), (3, 6), (7, 11)])
    [{'start': 3, 'end': 11, 'type': 'LOC', 'text': 'New York'}]
    """
    found = []
    for span in scheme.spans(tags):
        start, end = offsets[span.start][0], offsets[span.end - 1][1]
        one = {"start": start, "end": end, "type": span.type, "text": text[start:end]}
        found.append(one if chances is None else {**one, "probability": chances[span.start]})
    return found
