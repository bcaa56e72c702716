"""Pairs of texts, such as a sentence and its translation: from a table or two parallel files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import SOURCE, TARGET, Column, Layout
from seqtasks.data.files import TABLES, UNREADABLE, check_file, files_of, read_lines, shorten
from seqtasks.data.records import Record, read_records
from seqtasks.errors import DataError

_ROLES = (SOURCE, TARGET)


@dataclass(frozen=True)
class TextPairs:
    """Source texts and their targets, in the order of their files.

    Args:
        texts: the source texts, stripped, none empty.
        targets: one target per text, stripped, none empty.
        source: what to call where they are from in messages, such as the file's path.
        lines: where each pair starts: its line in the file, from 1; its index in a TFDS set.
        bad_rows: what was left out of the source.
    """

    texts: list[str]
    targets: list[str]
    source: str
    lines: list[int]
    bad_rows: BadRows | None = field(default=None, compare=False)

    keyed_by: ClassVar[str] = "source texts"

    def __len__(self) -> int:
        return len(self.texts)

    def keys(self) -> list[str]:
        """Return what decides where each pair goes when a file is cut: its source text."""
        return self.texts

    def select(self, rows: Sequence[int]) -> Self:
        """Return the pairs at `rows`, counted from 0, in this order."""
        return replace(
            self,
            texts=[self.texts[row] for row in rows],
            targets=[self.targets[row] for row in rows],
            lines=[self.lines[row] for row in rows],
        )

    def shown(self) -> Iterator[str]:
        """The examples, a line each: text, tab, target."""
        for text, target in zip(self.texts, self.targets, strict=True):
            yield f"{' '.join(text.split())}\t{' '.join(target.split())}"

    def asked(self, number: int) -> list[str]:
        """The first examples as a user would ask about them: texts."""
        return self.texts[:number]


def read_text_pairs(
    path_spec: str | Path,
    *,
    text_column: Column = None,
    label_column: Column = None,
    header: bool | None = None,
    layout: Layout | None = None,
) -> TextPairs:
    r"""Read the pairs of one table, or of two parallel UTF-8 files.

    A table is TSV, CSV, JSON Lines or Excel as `seqtasks.data.records.read_records` reads it; both
    sides are strings. In two parallel files, named with a comma between, line i of the first
    belongs to line i of the second; a line that is blank in both is skipped. Texts are stripped.

    Args:
        path_spec: a file, such as `pairs.tsv`; or two, such as `train.en,train.fr`, unless a file
            has this whole name.
        text_column: where the source is in a table: a name (a key in JSONL) or a number from 0.
            The default is the name `source` where there is a header, else 0.
        label_column: where the target is; the default is the name `target`, else 1. Without a
            header and with both defaults a record has these two columns and no more.
        header: whether a table's first record names the columns; the layout's, for short.
        layout: header, delimiter, comments and what to do with bad rows, where they are stated.

    Raises:
        DataError: a file or records that can't be read, an empty side, parallel files of different
            numbers of lines; names the file and the lines.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     english, french = Path(folder, "a.en"), Path(folder, "a.fr")
    ...     _ = english.write_text("Go.\nI see.\n"), french.write_text("Va !\nJe vois.\n")
    ...     pairs = read_text_pairs(f"{english},{french}")
    >>> pairs.texts, pairs.targets
    (['Go.', 'I see.'], ['Va !', 'Je vois.'])
    """
    spec = str(path_spec)
    files = files_of(spec)
    columns = (text_column, label_column)
    layout = layout or Layout(header=header)
    bad = BadRows(spec, layout.on_error)
    if len(files) == 1:
        records = read_records(files[0], columns, layout, _ROLES, numbers=False, bad=bad)
    else:
        of_tables = (layout.header, layout.delimiter, layout.comment)
        if columns != (None, None) or of_tables != (None, None, None):
            raise DataError(f"{spec}: columns and a header are for one file, received two or more")
        records = _parallel_records(spec, files, bad)
    texts, targets, lines = [], [], []
    for line, text, target in records:
        text, target = text.strip(), target.strip()
        if not text:
            beside = f"beside the target {shorten(target)}"
            bad.add(f"{files[0]}, line {line}: the source is empty, {beside}")
        elif not target:
            beside = f"beside the source {shorten(text)}"
            bad.add(f"{files[-1]}, line {line}: the target is empty, {beside}")
        else:
            texts.append(text)
            targets.append(target)
            lines.append(line)
    bad.check(len(texts))
    if not texts:
        raise DataError(f"{spec} has no pairs: it is empty, or has blank lines or a header only")
    return TextPairs(texts, targets, spec, lines, bad)


def _parallel_records(spec: str, files: list[Path], bad: BadRows) -> Iterator[Record]:
    if len(files) != 2:
        expected = "expected one table, or two parallel files as SOURCE,TARGET"
        raise DataError(f"{spec}: {expected}; received {len(files)} names")
    for file in files:
        check_file(file, "a file with a text in each line")
        if TABLES.get(file.suffix.lower(), "TSV") != "TSV" or file.suffix.lower() == ".tsv":
            raise DataError(
                f"{file}: a table has both sides, so it can't be one of two parallel files; "
                "give it alone, or plain text with a line per text"
            )
    first, second = files
    if first.samefile(second):
        raise DataError(f"{spec}: both sides are the same file; expected two")
    # All lines are read before they are compared by number, as one lost line moves all that follow.
    lines = [list(read_lines(file, bad)) for file in files]
    if len(lines[0]) != len(lines[1]):
        raise DataError(
            f"{first} has {len(lines[0])} lines and {second} has {len(lines[1])}; expected the "
            "same number, as line i of one belongs to line i of the other"
        )
    for number, (text, target) in enumerate(zip(*lines, strict=True), 1):
        if (text.strip() or target.strip()) and UNREADABLE not in (text, target):
            yield number, text, target
