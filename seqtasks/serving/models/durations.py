"""How long runs of one request took lately: what is short may run where others would have to wait.

An event loop that hands a run to a thread pays for two hand-overs, which cost about as much as the
run of a small model. It may do the run itself if nobody else waits and the run is a short one; that
is known from the runs before, of the same signature and of texts of the same length.
"""

from collections.abc import Hashable

SHORT_SECONDS = 0.002
# A run that the system interrupted counts as this long, so that a few short ones outweigh it.
_MOST_SECONDS = 0.02
_WEIGHT = 1 / 8  # of the newest run in the mean
_KEPT = 256  # kinds of runs; clients choose among outputs and lengths


class Durations:
    """The mean durations of the last runs by their kind. The caller locks.

    >>> durations = Durations()
    >>> durations.note("films", 0.001)
    >>> durations.is_short("films"), durations.is_short("novels")
    (True, False)
    """

    def __init__(self):
        self._means: dict[Hashable, float] = {}

    def note(self, kind: Hashable, seconds: float) -> None:
        """Note a run."""
        seconds = min(seconds, _MOST_SECONDS)
        known = self._means.get(kind)
        if known is None:
            if len(self._means) >= _KEPT:
                self._means.clear()
            known = seconds
        self._means[kind] = known + _WEIGHT * (seconds - known)

    def is_short(self, kind: Hashable) -> bool:
        """Whether such a run is known to be short."""
        return self._means.get(kind, SHORT_SECONDS) < SHORT_SECONDS
