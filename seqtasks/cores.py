"""How many cores there are for this process, and for one operation of TensorFlow's."""

import os


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def half_of(cores: int) -> int:
    """The cores for one operation, where two loops run in parallel.

    >>> [half_of(cores) for cores in (1, 2, 5)]
    [1, 1, 2]
    """
    return max(1, cores // 2)
