"""The codes of the protocol."""

import grpc
import pytest

from seqtasks.serving.status import HTTP_STATUS, Code, StatusError, first_line, from_tensorflow


def test_codes_are_those_of_grpc():
    assert {code.name: code.value for code in Code} == {
        code.name: code.value[0] for code in grpc.StatusCode
    }


@pytest.mark.parametrize(
    ("http", "names"),
    [
        (400, "INVALID_ARGUMENT FAILED_PRECONDITION OUT_OF_RANGE"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (409, "ALREADY_EXISTS ABORTED"),
        (429, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "UNKNOWN INTERNAL DATA_LOSS"),
        (501, "UNIMPLEMENTED"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_every_code_has_its_http_status(http, names):
    assert {code.name for code in Code if HTTP_STATUS[code] == http} == set(names.split())
    for name in names.split():
        assert StatusError(Code[name], "why").http == http


def test_tensorflow_s_errors_lose_the_stack_of_who_made_the_graph():
    assert from_tensorflow(3, "bad\n\nOriginal stack trace for 'x':\n  file.py").message == "bad"
    assert from_tensorflow(3, "Graph execution error:\n\nbad").message == "bad"
    assert from_tensorflow(99, "odd").code is Code.UNKNOWN


def test_the_first_line_is_the_first_that_says_something():
    assert first_line("\n\n  why \nmore") == "why"
    assert first_line("") == "no message"
