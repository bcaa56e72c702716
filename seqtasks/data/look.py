"""A look at what was read: is it what its reader thinks it meant?

`check_part` refuses what is certainly read in a wrong way, and `notices` tells of what is probably
so; each names the option that mends it. What a user stated is taken as meant.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

from seqtasks.data.columns import HEADER_NAMES, LABEL_NAMES, Column, Layout
from seqtasks.data.files import TABLES, shorten
from seqtasks.data.images import CaptionedImages
from seqtasks.data.pairs import TextPairs
from seqtasks.data.plain import PlainText
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.errors import DataError

_ENOUGH = 20  # examples, without which nothing is said of how often things come
_MANY_LABELS = 20
_SAMPLE = 1_000  # texts that are looked at
_UNKNOWN_SHARE = 0.5
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")
# Kana, Chinese characters, Thai, Lao, Burmese and Khmer: scripts without spaces between words.
_UNSPACED = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+"
)
_SYLLABLES = 200  # different characters, of which no alphabet has so many, with signs and digits
_UNSPACED_RUN = 6  # characters of such a script in a row, on average, that are not one word
_ENTITY_TAG = re.compile(r"[OBILSEUM]|-|[BILSEUM][-_].+|.+[-_][BILSEUM]")
_HEADER = "give --header if the first row names the columns, --no-header if it is an example"


@singledispatch
def check_part(part: Any, layout: Layout, columns: Sequence[Column]) -> None:
    """Refuse examples that are certainly not what their file holds.

    Args:
        part: a file's examples, as they were read.
        layout: what was stated of the file.
        columns: as they were stated; those that are None were guessed.

    Raises:
        DataError: says what they look like, and which option reads them right.
    """


def notices(splits: Splits, unit: str | None = None, target_unit: str | None = None) -> list[str]:
    """Say what is probably not as it was meant, a line each.

    Args:
        splits: the examples.
        unit: what a token of the texts that are read will be, if there are any.
        target_unit: what a token of the texts that are written will be.
    """
    found = []
    for part in splits.parts().values():
        if bad := getattr(part, "bad_rows", None):
            found.append(bad.notice())
    found += _about(splits.train)
    for what, option, spelled, texts in _texts(splits, unit, target_unit):
        if note := _about_words(what, option, spelled, *texts):
            found.append(note)
    return list(dict.fromkeys(found))


# --- Headers and columns -------------------------------------------------------------------------


def _may_have_header(source: str, layout: Layout, columns: Sequence[Column]) -> bool:
    """Whether a file was read as one without a header, though nobody said so."""
    is_table = TABLES.get(Path(source).suffix.lower()) == "TSV" and "," not in source
    return is_table and layout.header is None and not any(isinstance(c, str) for c in columns)


def _is_name(cell: str) -> bool:
    return cell.strip().lower() in HEADER_NAMES


@check_part.register
def _(part: LabelledTexts, layout: Layout, columns: Sequence[Column]) -> None:
    counts = Counter(part.labels)
    if _may_have_header(part.source, layout, columns) and len(part) > 1:
        first = part.labels[0]
        others = [label for label in counts if label != first]
        alone = counts[first] == 1 and (
            first.strip().lower() in LABEL_NAMES
            or (_is_name(first) and _is_name(part.texts[0]))
            or (len(part) >= _ENOUGH and min((counts[label] for label in others), default=0) > 1)
            or (len(part) > 3 and not _is_number(first) and all(map(_is_number, others)))
        )
        if alone:
            raise DataError(
                f"{part.source}, line {part.lines[0]}: the label {shorten(first)} stands in this "
                f"row only, beside {shorten(part.texts[0])}; {_HEADER}"
            )
    if all(column is None for column in columns) and len(part) >= _ENOUGH:
        texts = len(set(part.texts))
        if len(counts) > max(_MANY_LABELS, len(part) / 2) and texts <= len(counts) / 5:
            raise DataError(
                f"{part.source}: the texts look like labels ({_listed(part.texts)}) and the "
                f"labels like texts ({_listed(part.labels)}); if so, give --text-column 1 "
                "--label-column 0"
            )


@check_part.register
def _(part: TextPairs, layout: Layout, columns: Sequence[Column]) -> None:
    if _may_have_header(part.source, layout, columns) and len(part) > 1:
        first = part.texts[0], part.targets[0]
        if all(map(_is_name, first)):
            raise DataError(
                f"{part.source}, line {part.lines[0]}: the pair {shorten(' | '.join(first))} looks "
                f"like the columns' names; {_HEADER}"
            )


@check_part.register
def _(part: TaggedSentences, layout: Layout, columns: Sequence[Column]) -> None:
    tokens = Counter(token for sentence in part.tokens for token in sentence)
    tags = Counter(tag for sentence in part.tags for tag in sentence if tag)
    total = tokens.total()
    where = f"{part.source}, line {part.lines[0]}"
    is_conllu = part.source.lower().endswith(".conllu")
    how = "name the column of tokens as data.token_column, counted from 0"
    if tokens["_"] > total / 2 and total > 4:
        raise DataError(
            f"{where}: {tokens['_']:,} of {total:,} tokens are '_': the words of this treebank "
            "are withheld; put them back with the script that comes with it, or take another "
            "treebank"
        )
    if is_conllu or columns[0] is not None:
        return
    first = part.tokens[0][0], part.tags[0][0]
    if all(map(_is_name, first)) and tokens[first[0]] == 1 and layout.header is None:
        raise DataError(
            f"{where}: the token {first[0]!r} with the tag {first[1]!r} looks like the columns' "
            f"names; {_HEADER}"
        )
    counted = (
        sentence == [str(n) for n in range(start, start + len(sentence))]
        for start in (0, 1)
        for sentence in part.tokens
    )
    if total > len(part) and sum(counted) > len(part) * 0.9:
        raise DataError(
            f"{where}: the tokens of column 0 are numbers that count from {part.tokens[0][0]} in "
            f"each sentence; {how}, such as data.token_column=1"
        )
    if len(tokens) == 1 and total > 4:
        raise DataError(f"{where}: all {total:,} tokens are {shorten(next(iter(tokens)))}; {how}")
    if columns[1] is None and _looks_exchanged(tokens, tags):
        raise DataError(
            f"{where}: column 0 looks like tags ({_listed(tokens)}) and the last column like words "
            f"({_listed(tags)}); if so, give data.token_column=1 and data.tag_column=0"
        )


def _looks_exchanged(tokens: Counter[str], tags: Counter[str]) -> bool:
    """Whether what was read as tokens are tags, by their form or their number."""

    def are_tags(names: Iterable[str]) -> bool:
        return all(_ENTITY_TAG.fullmatch(name) for name in names)

    marked = any(len(token) > 1 for token in tokens) and "O" in tokens
    by_form = marked and are_tags(tokens) and not are_tags(tags)
    by_number = len(tags) > _MANY_LABELS and len(tokens) < len(tags) / 2
    return by_form or by_number


# --- What is probably not meant ------------------------------------------------------------------


@singledispatch
def _about(part: Any) -> Iterator[str]:
    yield from ()


@_about.register
def _(part: LabelledTexts) -> Iterator[str]:
    if len(part) < _ENOUGH:
        return
    labels = set(part.labels)
    if part.kind == "category" and len(labels) > max(_MANY_LABELS, len(part) / 5):
        if all(map(_is_number, labels)):
            yield numbers_notice(part)
        elif len(labels) > len(part) / 2:
            yield (
                f"{part.source}: {len(labels):,} different labels in {len(part):,} examples; a "
                "class needs several examples: is another column meant (--label-column)?"
            )
    if len(set(part.texts)) == 1:
        yield f"{part.source}: all texts are {shorten(part.texts[0])}; name others: --text-column"
    elif all(map(_is_number, part.texts[:_SAMPLE])):
        yield (
            f"{part.source}: the texts are numbers ({_listed(part.texts)}); is another column "
            "meant (--text-column)?"
        )


def numbers_notice(part: LabelledTexts) -> str:
    """Say that labels look like measured numbers and not like classes."""
    return (
        f"{part.source}: the labels are {len(set(part.labels)):,} different numbers "
        f"({_listed(part.labels)}), each of which becomes a class"
    )


@_about.register
def _(part: TextPairs) -> Iterator[str]:
    same = sum(text == target for text, target in zip(part.texts, part.targets, strict=True))
    if len(part) >= _ENOUGH and same > len(part) / 2:
        yield (
            f"{part.source}: in {same:,} of {len(part):,} pairs both sides are the same; are other "
            "columns meant (--text-column, --label-column)?"
        )


@_about.register
def _(part: TaggedSentences) -> Iterator[str]:
    tokens = {token for sentence in part.tokens for token in sentence}
    tags = {tag for sentence in part.tags for tag in sentence if tag}
    if len(tags) > 5 * _MANY_LABELS and len(tags) > len(tokens) / 2:
        yield (
            f"{part.source}: {len(tags):,} different tags of {len(tokens):,} different tokens; is "
            "another column meant (data.tag_column)?"
        )
    if len(tokens) >= _ENOUGH and all(map(_is_number, tokens)):
        yield (
            f"{part.source}: the tokens are numbers ({_listed(tokens)}); is another column meant "
            "(data.token_column)?"
        )
    empty = sum(not tag for sentence in part.tags for tag in sentence)
    if empty:
        total = sum(map(len, part.tags))
        yield (
            f"{part.source}: {empty:,} of {total:,} tokens are not annotated ('_'); they are "
            "neither learnt nor judged"
        )


@_about.register
def _(part: CaptionedImages) -> Iterator[str]:
    if len(part) > 1 and len(set(part.captions)) == 1:
        yield f"{part.source}: all captions are {shorten(part.captions[0])}"


def _texts(
    splits: Splits, unit: str | None, target_unit: str | None
) -> Iterator[tuple[str, str, str | None, tuple[list[str], list[str], str]]]:
    """Yield what is read and written: what it is, the option of its unit, and the texts."""
    train, validation = splits.train, splits.validation
    if isinstance(train, LabelledTexts | TextPairs):
        yield "texts", "text.unit", unit, (train.texts, validation.texts, train.source)
    if isinstance(train, TextPairs):
        targets = train.targets, validation.targets, train.source
        yield "targets", "text.target_unit", target_unit, targets
    if isinstance(train, CaptionedImages):
        yield "captions", "text.unit", unit, (train.captions, validation.captions, train.source)
    if isinstance(train, PlainText):
        lines = train.text.splitlines(), validation.text.splitlines(), train.source
        yield "lines", "text.unit", unit, lines


def _about_words(
    what: str, option: str, unit: str | None, train: list[str], validation: list[str], source: str
) -> str | None:
    """Say that texts have no words between spaces, or none that training knows."""
    if unit is None or unit in ("char", "subword"):
        return None
    if are_unspaced(train):
        return (
            f"{source}: the {what} are in a script without spaces between words, so that a whole "
            f"sentence is read as one word; give --set {option}=char"
        )
    if unit != "word":
        return None
    known = set(_words(train))
    words = list(_words(validation))
    unknown = sum(word not in known for word in words) / max(len(words), 1)
    if len(words) > _ENOUGH and unknown > _UNKNOWN_SHARE:
        units = "char" if option == "text.target_unit" else "word+char, or char"
        return (
            f"{source}: {unknown:.0%} of the validation's words are not in the training {what}; "
            f"give --set {option}={units}, or more data"
        )
    return None


def are_unspaced(texts: list[str]) -> bool:
    """Whether texts are in a script without spaces between words, by the first of them.

    >>> are_unspaced(["这部电影非常好看我很喜欢"]), are_unspaced(["a good film", "좋은 영화"])
    (True, False)
    """
    runs = [run for text in texts[:_SAMPLE] for run in _UNSPACED.findall(text)]
    letters = sum(map(str.isalpha, "".join(texts[:_SAMPLE])))
    unspaced = sum(map(len, runs))
    return unspaced > letters / 2 and unspaced > _UNSPACED_RUN * len(runs)


def have_syllables(texts: list[str]) -> bool:
    """Whether texts are in a script with a sign for each syllable, as Hangul, by the first of them.

    An alphabet has some dozen letters; of syllables even a few texts have hundreds.

    >>> hangul = [chr(ord("가") + n) for n in range(300)]
    >>> have_syllables(hangul), have_syllables(["Déjà vu?", "Жили-были 3 сестры"] * 300)
    (True, False)
    """
    return len(set("".join(texts[:_SAMPLE]).lower())) > _SYLLABLES


def _words(texts: list[str]) -> Iterator[str]:
    """Yield about the words that the text's splitter makes, which needs TensorFlow."""
    for text in texts:
        yield from re.findall(r"\w+|[^\w\s]", text.lower())


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text.strip()))


def _listed(names: Iterable[str]) -> str:
    return shorten(", ".join(list(dict.fromkeys(names))[:4]), 50)
