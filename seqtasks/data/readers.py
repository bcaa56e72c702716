"""Labelled texts from a user's file: TSV, CSV, JSON Lines or Excel, read line by line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import Column, Layout
from seqtasks.data.files import shorten
from seqtasks.data.labels import Kind, members, separator_of
from seqtasks.data.records import read_records
from seqtasks.errors import DataError


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their labels, in the order of the source.

    Args:
        texts: the texts as they are in the source; a text may be empty.
        labels: one non-empty label per text, stripped.
        source: what to call the source in messages, such as the file's path.
        lines: where each example starts: its line in the file, from 1; its index in a TFDS set.
        kind: what the labels are: categories, sets as they are written, or numbers.
        bad_rows: what was left out of the source.
    """

    texts: list[str]
    labels: list[str]
    source: str
    lines: list[int]
    kind: Kind = "category"
    bad_rows: BadRows | None = field(default=None, compare=False)

    keyed_by: ClassVar[str] = "texts"

    def __len__(self) -> int:
        return len(self.texts)

    def keys(self) -> list[str]:
        """Return what decides where each example goes when a file is cut: its text."""
        return self.texts

    def select(self, rows: Sequence[int]) -> Self:
        """Return the examples at `rows`, counted from 0, in this order."""
        return replace(
            self,
            texts=[self.texts[row] for row in rows],
            labels=[self.labels[row] for row in rows],
            lines=[self.lines[row] for row in rows],
        )

    def classes(self) -> list[list[str]]:
        """Return the classes of each example, which training must have seen; numbers are none."""
        if self.kind == "number":
            return [[] for _ in self.labels]
        if self.kind == "category":
            return [[label] for label in self.labels]
        separator = separator_of(set(self.labels))
        return [members(label, separator) for label in self.labels]

    def shown(self) -> Iterator[str]:
        """The examples, a line each: label, tab, text."""
        for text, label in zip(self.texts, self.labels, strict=True):
            yield f"{label}\t{' '.join(text.split())}"

    def asked(self, number: int) -> list[str]:
        """The first examples as a user would ask about them: texts."""
        return self.texts[:number]


def read_labelled_texts(
    path: Path,
    *,
    text_column: Column = None,
    label_column: Column = None,
    header: bool | None = None,
    layout: Layout | None = None,
    may_be_empty: bool = False,
) -> LabelledTexts:
    r"""Read the labelled texts of one UTF-8 file, with or without a byte order mark.

    The suffix names the format, as `seqtasks.data.records.read_records` reads it; in JSON Lines a
    label may be a string, a number, true, false, or a list of strings, which is kept as JSON.
    Labels are stripped, texts are kept as they are. Where a file writes one number in two ways,
    such as 1.0 and 1, it is one label.

    Args:
        path: the file.
        text_column: a name (a key in JSONL) or a number from 0, as `2` or `"2"`. The default is
            the name `text` where there is a header, else 0.
        label_column: likewise; the default is the name `label` where there is a header, else 1.
            Without a header and with both defaults a record has these two columns and no more.
        header: whether the first record names the columns; the layout's, for short.
        layout: header, delimiter, comments and what to do with bad rows, where they are stated.
        may_be_empty: whether a label may be empty, which a set may.

    Raises:
        DataError: a file or records that can't be read; names the file and the lines.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "films.tsv")
    ...     _ = path.write_text("진짜 좋다\t1\nToo long.\t0\n", encoding="utf-8")
    ...     films = read_labelled_texts(path)
    >>> films.texts, films.labels, films.lines
    (['진짜 좋다', 'Too long.'], ['1', '0'], [1, 2])
    """
    texts, labels, lines = [], [], []
    shared: dict[str, str] = {}  # one string per label, however many examples
    layout = layout or Layout(header=header)
    bad = BadRows(path, layout.on_error)
    for line, text, label in read_records(path, (text_column, label_column), layout, bad=bad):
        label = label.strip()
        if not label and not may_be_empty:
            bad.add(f"{path}, line {line}: the label is empty, beside the text {shorten(text)}")
        elif "\n" in label or "\r" in label:
            bad.add(f"{path}, line {line}: a label is one line, received {shorten(label)}")
        else:
            texts.append(text)
            labels.append(shared.setdefault(label, label))
            lines.append(line)
    bad.check(len(texts))
    if not texts:
        raise DataError(f"{path} has no examples: it is empty, or has blank lines or a header only")
    return LabelledTexts(texts, _one_number_each(labels), str(path), lines, bad_rows=bad)


def _one_number_each(labels: list[str]) -> list[str]:
    """Write labels such as 1.0 as 1 where both stand in a file.

    >>> _one_number_each(["1.0", "2", "1", "3.0"])
    ['1', '2', '1', '3.0']
    """
    names = set(labels)
    whole = {name: name.partition(".")[0] for name in names if re.fullmatch(r"-?\d+\.0+", name)}
    same = {name: number for name, number in whole.items() if number in names}
    return [same.get(label, label) for label in labels] if same else labels
