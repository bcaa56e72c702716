"""A request's body: read within limits, and decompressed within them."""

import gzip
import io
import zlib

from starlette.requests import Request

from seqtasks.serving.limits import Place
from seqtasks.serving.status import StatusError, invalid, too_large

# A body over the limit is read up to this many times the limit, since a client that is refused
# while it still sends often sees a broken connection instead of the answer.
_READ_ON = 8


class Body:
    """A request's body.

    Attributes:
        data: all of it, once it is read.
        size: how many bytes of it came.
        is_whole: whether it was read to its end.
    """

    def __init__(self):
        self.data = b""
        self.size = 0
        self.is_whole = False

    async def read(self, request: Request, limit: int | None, place: Place) -> None:
        """Read it; if it is over the limit, read on for a while before it is refused.

        Raises:
            StatusError: 413 for a body over the limit; 429 if the server holds too much.
            ClientDisconnect: if the client goes away before its end.
        """
        announced = request.headers.get("content-length", "")
        declared = int(announced) if announced.isascii() and announced.isdigit() else 0
        if limit is not None and declared > limit * _READ_ON:
            raise _too_long(limit)
        chunks = []
        async for chunk in request.stream():
            self.size += len(chunk)
            if limit is None or self.size <= limit:
                place.hold(len(chunk))
                chunks.append(chunk)
            else:
                chunks.clear()
                if self.size > limit * _READ_ON:
                    break
        else:
            self.is_whole = True
        if limit is not None and self.size > limit:
            raise _too_long(limit)
        self.data = b"".join(chunks)


def decoded(body: bytes, encoding: str, limit: int | None) -> bytes:
    """Decompress a body that was sent by gzip; the limit is on what it becomes.

    Raises:
        StatusError: 400 if it can't be decompressed, 413 if it is too long.
    """
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() != "gzip":
        raise invalid(f"Content-Encoding: {encoding:.80} is not supported; expected gzip or none")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            found = file.read(-1 if limit is None else limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise invalid(f"The request's body can't be decompressed: {error}") from error
    if limit is not None and len(found) > limit:
        raise _too_long(limit)
    return found


def _too_long(limit: int) -> StatusError:
    return too_large(f"The request's body is longer than the {limit} bytes that this server takes")
