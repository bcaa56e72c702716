"""How much a client may ask for."""

import dataclasses
import os
import threading

from seqtasks.serving.status import Code, StatusError

# NumPy's own bound is 64; no text or image comes near this one.
MAX_RANK = 32
# How many requests of one protocol run at the same time, without batching.
THREADS = min(32, (os.cpu_count() or 1) + 4)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of one request and of all together; None is no limit.

    Args:
        body_bytes: the length of a request's body.
        rows: the size of an input's first dimension.
        text_bytes: the length of one string, as UTF-8.
        concurrent: how many requests are answered, or wait for that, at the same time.
        request_seconds: the time from the last byte of a request to its answer.
        read_seconds: the time from a request's head to the last byte of its body.
    """

    body_bytes: int | None = 16 * 1024 * 1024
    rows: int | None = 10_000
    text_bytes: int | None = 1_000_000
    concurrent: int | None = 512
    request_seconds: float | None = 30.0
    read_seconds: float | None = 60.0


UNLIMITED = Limits(None, None, None, None, None, None)


class Busy(StatusError):
    """Refuses a request that could succeed a little later."""


class Places:
    """Places for the requests that are being answered; servers that share them count together.

    Args:
        limit: how many there are; None for no limit.

    Attributes:
        taken: how many are taken now.
    """

    def __init__(self, limit: int | None):
        self._limit = limit
        self.taken = 0
        self._counting = threading.Lock()

    def take(self) -> None:
        """Take a place, which must be given back.

        Raises:
            Busy: RESOURCE_EXHAUSTED if all are taken.
        """
        with self._counting:
            if self._limit is not None and self.taken >= self._limit:
                raise Busy(
                    Code.RESOURCE_EXHAUSTED,
                    f"{self.taken} requests are being answered, which is all that this "
                    "server takes at once. Try again",
                )
            self.taken += 1

    def give_back(self) -> None:
        """Give back a place that was taken."""
        with self._counting:
            self.taken -= 1
