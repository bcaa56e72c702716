"""Rows of like lengths read together: what fills up a batch is computed, too."""

from collections.abc import Iterator, Sequence

_AT_ONCE = 64  # rows in a batch; speed and memory only, never the answers
_FEW, _ALIKE = 24, 1.25  # a batch of a few ends before a row that is longer by a quarter
_ROOM = 2**22  # bytes of a part, if all of its lines were as long as the longest


def by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of rows in batches, the short rows first.

    >>> [*by_length([3, 9, 1])]
    [[2, 0, 1]]
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch:
            alike = lengths[row] <= _ALIKE * lengths[batch[0]]
            if len(batch) == _AT_ONCE or (len(batch) >= _FEW and not alike):
                yield batch
                batch = []
        batch.append(row)
    if batch:
        yield batch


def in_parts(lines: Sequence[bytes], at_once: int) -> Iterator[Sequence[bytes]]:
    """Lines some at a time, fewer where one is long: answers fill up to the longest of a part.

    >>> [*in_parts([b"a", b"b", b"c"], 2)]
    [[b'a', b'b'], [b'c']]
    """
    part: list[bytes] = []
    longest = 0
    for line in lines:
        longest = max(longest, len(line))
        if part and (len(part) == at_once or (len(part) + 1) * longest > _ROOM):
            yield part
            part, longest = [], len(line)
        part.append(line)
    if part:
        yield part
