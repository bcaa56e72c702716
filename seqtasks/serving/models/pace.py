"""How many requests come at once, and how long their runs take: what joining goes by.

A run of 32 short texts costs little more than a run of one. Where many clients ask, it pays to wait
for the others as long as a run takes; where one asks, it pays to run at once and where it is, since
two hand-overs between threads cost about as much as a small model's run.
"""

from collections.abc import Hashable

SHORT_SECONDS = 0.005  # the mean of runs that an event loop may do itself
# A run that took the processor for so long keeps such runs out of the event loop for a while: how
# long a decoder runs is known only when it ends.
_LONG_PROCESSOR_SECONDS = 0.01
_RUNS_AFTER_A_LONG_ONE = 64
GATHERING_SECONDS = 0.002
# A run that the system interrupted counts as this long, so that a few short ones outweigh it. Nor
# does anything wait longer for a run of its kind.
LONGEST_SECONDS = 0.02
_WEIGHT = 1 / 8  # of the newest run in the mean
_KINDS = 256  # clients choose among outputs and lengths
_REMEMBERED_SECONDS = 0.1


class Durations:
    """The mean durations of the last runs by their kind. The caller locks.

    >>> durations = Durations()
    >>> durations.note("films", 0.001, 0.001)
    >>> durations.are_short("films"), durations.are_short("novels")
    (True, False)
    >>> durations.gathering("films"), durations.gathering("novels")
    (0.001, 0.0)
    """

    def __init__(self):
        self._means: dict[Hashable, float] = {}
        self._to_go: dict[Hashable, int] = {}  # runs until a long one is forgotten

    def note(self, kind: Hashable, seconds: float, processor_seconds: float) -> None:
        """Note a run, and for how long its thread had the processor."""
        seconds = min(seconds, LONGEST_SECONDS)
        known = self._means.get(kind)
        if known is None:
            if len(self._means) >= _KINDS:
                self._means.clear()
                self._to_go.clear()
            known = seconds
        self._means[kind] = known + _WEIGHT * (seconds - known)
        if processor_seconds > _LONG_PROCESSOR_SECONDS:
            self._to_go[kind] = _RUNS_AFTER_A_LONG_ONE
        elif kind in self._to_go:
            self._to_go[kind] -= 1
            if not self._to_go[kind]:
                del self._to_go[kind]

    def are_short(self, kind: Hashable) -> bool:
        """Whether such runs are known to be short, each of them."""
        return self._is_short_on_average(kind) and kind not in self._to_go

    def gathering(self, kind: Hashable) -> float:
        """Say for how many seconds others are worth waiting for: none if runs aren't short."""
        short = self._is_short_on_average(kind)
        return min(self._means[kind], GATHERING_SECONDS) if short else 0.0

    def _is_short_on_average(self, kind: Hashable) -> bool:
        return self._means.get(kind, SHORT_SECONDS) < SHORT_SECONDS


class Crowd:
    """How many requests there were at once lately; what was is halved little by little.

    The caller locks.

    >>> crowd = Crowd()
    >>> crowd.come(0.0), crowd.come(0.0), crowd.go(2), crowd.come(0.05)
    (None, None, None, None)
    >>> crowd.most(0.06), crowd.most(1.0)
    (2, 1)
    """

    def __init__(self):
        self._present = self._most = 0
        self._until = 0.0

    def come(self, now: float) -> None:
        """Note that one has come."""
        self._present += 1
        most = self.most(now)
        if self._present >= most or now > self._until:
            self._most, self._until = max(self._present, most), now + _REMEMBERED_SECONDS

    def go(self, count: int) -> None:
        """Note that so many have their answers."""
        self._present -= count

    def most(self, now: float) -> int:
        """Say how many there were at once."""
        return self._most if now <= self._until else max(self._present, self._most // 2)
