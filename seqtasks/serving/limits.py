"""How much a client may ask for."""

import dataclasses
import os
import threading

from seqtasks.serving.status import Code, StatusError

# NumPy's own bound is 64; no text or image comes near this one.
MAX_RANK = 32
# How many requests to a model one protocol answers at the same time, without batching. More than
# there are cores would only let a model with many long requests take the cores from others.
THREADS = min(32, (os.cpu_count() or 1) + 1)
# Requests of so many bytes are read in less time than it takes to find a thread for them.
SMALL_BYTES = 4096


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
        held_bytes: of the bodies of all requests that are being read or answered; REST only, since
            gRPC reads a body before it tells of the request.
    """

    body_bytes: int | None = 16 * 1024 * 1024
    rows: int | None = 10_000
    text_bytes: int | None = 1_000_000
    concurrent: int | None = 512
    request_seconds: float | None = 30.0
    read_seconds: float | None = 60.0
    held_bytes: int | None = 1024 * 1024 * 1024

    def divided(self, among: int) -> "Limits":
        """Give the limits of each of several processes that together keep these.

        >>> Limits(concurrent=5).divided(2).concurrent
        3
        """

        def part(limit: int | None) -> int | None:
            return None if limit is None else -(-limit // among)

        concurrent, held = part(self.concurrent), part(self.held_bytes)
        return dataclasses.replace(self, concurrent=concurrent, held_bytes=held)


UNLIMITED = Limits(None, None, None, None, None, None, None)


class Busy(StatusError):
    """Refuses a request that could succeed a little later."""


class Places:
    """Places for the requests that are being answered; servers that share them count together.

    Args:
        limit: how many there are; None for no limit.
        bytes_limit: what all of them may hold; None for no limit.

    Attributes:
        taken: how many are taken now.
        held: how many bytes they hold.
    """

    def __init__(self, limit: int | None, bytes_limit: int | None = None):
        self._limit, self._bytes_limit = limit, bytes_limit
        self.taken = self.held = 0
        self._counting = threading.Lock()

    def take(self) -> "Place":
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
        return Place(self)

    def hold(self, size: int) -> None:
        """Count bytes that a place holds; what is negative frees them.

        Raises:
            Busy: RESOURCE_EXHAUSTED if it is too much for all places together.
        """
        with self._counting:
            if size > 0 and self._bytes_limit is not None and self.held + size > self._bytes_limit:
                raise Busy(
                    Code.RESOURCE_EXHAUSTED,
                    f"The requests that are being answered hold {self.held} bytes; this server "
                    f"takes {self._bytes_limit} at once. Try again",
                )
            self.held += size

    def give_back(self) -> None:
        """Give back a place that was taken."""
        with self._counting:
            self.taken -= 1


class Place:
    """One request's place, of `Places.take`."""

    def __init__(self, places: Places):
        self._places: Places | None = places
        self._held = 0

    def hold(self, size: int) -> None:
        """Count bytes that this request holds until it gives its place back.

        Raises:
            Busy: as `Places.hold`.
        """
        if self._places is not None:
            self._places.hold(size)
            self._held += size

    def give_back(self) -> None:
        """Give it back; only the first time counts."""
        places, self._places = self._places, None
        if places is not None:
            places.hold(-self._held)
            places.give_back()
