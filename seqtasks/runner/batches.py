"""Rows of like lengths read together: what fills up a batch is computed, too."""

from collections.abc import Iterator, Sequence

_AT_ONCE = 64  # rows in a batch; speed and memory only, never the answers
_ROOM = 2**22  # bytes of a part, if all of its lines were as long as the longest


def by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of rows in batches, the short rows first.

    >>> [*by_length([3, 9, 1])]
    [[2, 0, 1]]
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), _AT_ONCE):
        yield order[start : start + _AT_ONCE]


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
