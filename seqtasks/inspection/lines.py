"""Lines of a picture: what they are called, where their points are, and how an axis is marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
_WIDE_RANGE = 20  # the largest of an axis over the smallest from which on it is logarithmic


@dataclass(frozen=True)
class Point:
    """A point, and how far its value spreads up and down."""

    x: float
    y: float
    spread: float = 0.0


@dataclass(frozen=True)
class Line:
    """Points from the left to the right, and what they are called."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Axis:
    """From where to where an axis goes, and what stands along it.

    Attributes:
        ticks: places and what stands there.
        logarithmic: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value is, from 0 to 1.

        >>> Axis(1, 100, (), logarithmic=True).share(10)
        0.5
        """
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


def axis_of(values: Sequence[float], names: Sequence[str] | None = None) -> Axis:
    """Make an axis for values.

    Args:
        values: all that it must have room for.
        names: of the places 0, 1, ... where what stands along the axis is no number.

    >>> [text for _, text in axis_of([10, 30, 100, 300]).ticks]
    ['10', '30', '100', '300']
    >>> [text for _, text in axis_of([0.42, 0.97]).ticks]
    ['0.4', '0.5', '0.6', '0.7', '0.8', '0.9', '1']
    """
    if names is not None:
        ticks = tuple((float(place), name) for place, name in enumerate(names))
        return Axis(-0.5, len(names) - 0.5, ticks)
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low > 0 and high / low >= _WIDE_RANGE:
        places = sorted({*values})
        marked = places if len(places) <= 8 else [low, math.sqrt(low * high), high]
        ticks = tuple((place, f"{place:.4g}") for place in marked)
        return Axis(low / 1.1, high * 1.1, ticks, logarithmic=True)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = _step((high - low) / 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple((n * step, f"{n * step:.4g}") for n in range(first, last + 1))
    return Axis(first * step, last * step, ticks)


def _step(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, ..., or of their tenths.

    >>> _step(0.03), _step(3)
    (0.05, 5.0)
    """
    scale = 10 ** math.floor(math.log10(least))
    return next(float(f"{n * scale:.6g}") for n in (1, 2, 5, 10) if n * scale >= least * 0.999999)


def axes_of(lines: Sequence[Line], names: Sequence[str] | None = None) -> tuple[Axis, Axis]:
    """The axes across and up of a picture of lines; `names` as in `axis_of`, of the one across."""
    points = [point for line in lines for point in line.points]
    up = [point.y + sign * point.spread for point in points for sign in (-1, 1)]
    across = axis_of([point.x for point in points], names)
    low, high = (min(up), max(up)) if up else (0.0, 1.0)
    # A score is not so small and large that it needs a logarithm.
    return across, axis_of([low, high]) if low <= 0 or high / low < _WIDE_RANGE else axis_of(
        [0.0, high]
    )
