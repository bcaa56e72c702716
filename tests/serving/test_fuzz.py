"""Bodies and URLs that nobody thought of: never a 5xx, never a crash, always an answer in form."""

import json
import socket

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seqtasks.serving.embedded import make_loader
from seqtasks.serving.limits import Limits
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings
from seqtasks.serving.protocol.rest_api import RestApi, Route, find_route
from seqtasks.serving.status import StatusError

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIGNATURES = [
    "serving_default",
    "pair",
    "flags",
    "echo",
    "numbers",
    "widths",
    "classify",
    "regress",
]
NAMES = st.sampled_from(["text", "a", "b", "x", "on", "n", "word", "b64", "inputs"]) | st.text(
    max_size=3
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=2**70)
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\x00", "a" * 1000, 1e308, -1e39, 10**400])
    | st.builds(lambda text: {"b64": text}, st.text(max_size=8))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.sampled_from(SIGNATURES) | LEAVES,
        "instances": VALUES | st.lists(st.dictionaries(NAMES, VALUES, max_size=2), max_size=3),
        "inputs": VALUES,
        "examples": VALUES | st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=3),
        "context": st.dictionaries(NAMES, LEAVES, max_size=2),
    },
)


@pytest.fixture(scope="module")
def api(install, tmp_path_factory):
    base = tmp_path_factory.mktemp("fuzz") / "zoo"
    install(base, 1)
    manager = ModelManager([ModelSettings("zoo", base)], make_loader())
    manager.poll()
    yield RestApi(manager, Limits(rows=1000))
    manager.close()


def check(reply):
    """A reply is well-formed JSON and says either an answer or what was wrong."""
    assert reply.http in (200, 400, 404, 413), reply
    value = json.loads(reply.body)
    if reply.http == 200:
        assert set(value) <= {"predictions", "outputs", "results"}
    else:
        assert list(value) == ["error"]
        assert value["error"]


@MANY
@given(document=DOCUMENTS, verb=st.sampled_from(["predict", "classify", "regress"]))
@example(document={"inputs": {}}, verb="predict")
@example(document={"inputs": []}, verb="predict")
@example(document={"instances": [[]]}, verb="predict")
@example(document={"signature_name": "widths", "instances": [[], []]}, verb="predict")
@example(document={"signature_name": "pair", "inputs": {"a": [], "b": []}}, verb="predict")
@example(
    document={"signature_name": "pair", "inputs": {"a": [[1, 2]], "b": [1, 2]}}, verb="predict"
)
@example(document={"signature_name": "echo", "inputs": []}, verb="predict")
@example(document={"signature_name": "classify", "instances": ["no example"]}, verb="predict")
@example(document={"signature_name": "classify", "examples": [{"x": [1, 2]}]}, verb="classify")
def test_any_document_gets_an_answer_in_form(api, document, verb):
    check(api.answer(Route(verb, "zoo"), json.dumps(document).encode("utf-8", "surrogatepass")))


@MANY
@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer_in_form(api, body):
    check(api.answer(Route("predict", "zoo"), body))


@MANY
@given(st.data())
def test_a_body_that_was_cut_or_damaged_gets_an_answer_in_form(api, data):
    whole = json.dumps(
        {"signature_name": "pair", "instances": [{"a": [1.5, -2e3], "b": 7}] * 2}, indent=1
    ).encode()
    cut = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b"{", b"]", b"1e999", b"\\u"]))
    skipped = data.draw(st.integers(0, 10))
    check(api.answer(Route("predict", "zoo"), whole[:cut]))
    check(api.answer(Route("predict", "zoo"), whole[:cut] + put + whole[cut + skipped :]))


@MANY
@given(
    st.sampled_from(["GET", "POST", "PUT", "get"]),
    st.text("/:.%20vmodels-versions{labels}predictmetadata0123456789\n", max_size=60),
)
def test_any_path_is_a_route_or_malformed(method, path):
    for whole in (path, f"/v1/models/{path}"):
        try:
            route = find_route(method, whole)
        except StatusError as refusal:
            error = refusal
        else:
            assert route.model
            assert route.verb in ("predict", "classify", "regress", "status", "metadata")
            continue
        assert error.http == 400


def exchange(port, data, ending=b""):
    """Send bytes, then read to this ending, or send no more and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(data)
        if not ending:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while not (ending and answer.endswith(ending)) and (part := connection.recv(65536)):
            answer += part
        return answer


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/models/zoo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/models/zoo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n{}",
        b"POST /v1/models/zoo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{}",
        b"POST /v1/models/zoo:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"POST /v1/models/zoo:predict HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /v1/models/%ff%00%0a HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/v1/models/zoo HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/models/zoo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ],
)
def test_what_is_hardly_http_harms_nobody(served, data):
    answer = exchange(served.port, data)
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert served.predict(["ab"]) == [6.0]


def test_a_body_in_chunks_is_read_like_any_other(served):
    head = b"POST /v1/models/zoo:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b'{"instances": ["abc"]}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert exchange(served.port, head + chunks, b"}").endswith(b'{"predictions": [9.0]}')


def test_a_big_body_is_answered(served):
    texts = ["가" * (n % 300) for n in range(9000)]
    assert served.predict(texts) == [3.0 * len(text) for text in texts]
