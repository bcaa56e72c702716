"""The protocol's status codes, the error that carries one, and their HTTP numbers."""

import enum

from seqtasks.errors import SeqtasksError


class Code(enum.IntEnum):
    """Status codes of TensorFlow, which are those of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


class StatusError(SeqtasksError):
    """An error of the protocol: a code, and a message that the client is shown.

    >>> StatusError(Code.NOT_FOUND, "Servable not found for request: Latest(m)").http
    404
    """

    def __init__(self, code: Code, message: str, http: int | None = None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.http = http or HTTP_STATUS[code]


def invalid(message: str) -> StatusError:
    """Make the error of a wrong request."""
    return StatusError(Code.INVALID_ARGUMENT, message)


def too_large(message: str) -> StatusError:
    """Make the error of a request over a limit of ours; HTTP's status is 413."""
    return StatusError(Code.INVALID_ARGUMENT, message, http=413)


def no_answer_within(seconds: float) -> StatusError:
    """Make the error of a request that takes too long."""
    return StatusError(Code.DEADLINE_EXCEEDED, f"No answer within {seconds:g} seconds")


def from_tensorflow(code: int, message: str) -> StatusError:
    """Make our error of TensorFlow's, without the stack of the program that made the graph.

    >>> print(from_tensorflow(3, "Graph execution error:\\n\\nbad\\n\\nOriginal stack trace for x"))
    bad
    """
    text = message.removeprefix("Graph execution error:")
    for mark in ("\nOriginal stack trace", "\nErrors may have originated"):
        text = text.split(mark)[0]
    return StatusError(Code(code) if code in HTTP_STATUS else Code.UNKNOWN, text.strip())


def first_line(text: str) -> str:
    """Return the first line that isn't empty, at most 500 characters of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:500] if lines else "no message"
