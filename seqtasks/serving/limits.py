"""How much a client may ask for."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of one request and of all together; None is no bound.

    Arguments:
        body_bytes: the length of a request's body.
        rows: the size of an input's first dimension.
        text_bytes: the length of one string, as UTF-8.
        concurrent: requests that are answered or wait for it at one moment.
        request_seconds: from the last byte of the request to its answer.
        read_seconds: from the head of the request to the last byte of its body.
    """

    body_bytes: int | None = 16 * 1024 * 1024
    rows: int | None = 10_000
    text_bytes: int | None = 1_000_000
    concurrent: int | None = 512
    request_seconds: float | None = 30.0
    read_seconds: float | None = 60.0


UNLIMITED = Limits(None, None, None, None, None, None)
