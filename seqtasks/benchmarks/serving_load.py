"""Clients that keep a server busy and cost little, since server and clients share the cores.

Each client has its own connection and one request under way, and sends the next one as soon as it
has the answer. Requests are encoded beforehand; of an answer only its success is read. One thread
serves all REST sockets; each gRPC client has a thread, since its library waits in no cheaper way.
"""

import contextlib
import itertools
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import grpc
import numpy as np

from seqtasks.clients.client import to_json
from seqtasks.errors import ServingError
from seqtasks.serving.messages.classes import PredictRequest
from seqtasks.serving.protocol.grpc_tensors import to_proto

HOST = "127.0.0.1"
_LONGEST = 60.0  # seconds that an answer may take
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_HEAD_ENDS, _LENGTH, _FINE = b"\r\n\r\n", b"\r\ncontent-length:", b"HTTP/1.1 200 "


@dataclass(frozen=True)
class Load:
    """What the clients saw.

    Attributes:
        latencies: seconds of each request, from its sending to the end of its answer.
        errors: how many of them got no good answer.
        seconds: from the first sending to the last answer.
        client_seconds: the processor time that this process took meanwhile.
    """

    latencies: list[float]
    errors: int
    seconds: float
    client_seconds: float

    def figures(self) -> dict[str, Any]:
        """Give milliseconds and requests per second, as a benchmark reports them.

        >>> Load([0.001, 0.003], 0, 0.5, 0.001).figures()["p50"]
        2.0
        """
        count = len(self.latencies)
        p50, p99 = (1e3 * np.percentile(self.latencies, [50, 99])).tolist()
        return {
            "requests": count,
            "errors": self.errors,
            "p50": p50,
            "p99": p99,
            "per_second": count / self.seconds,
            "client_ms": 1e3 * self.client_seconds / count,
        }


class RestClient:
    """A REST connection that asks about texts, one request after the other.

    Args:
        port: the REST port, on this machine.
        model: the model's name; its default signature is asked.
        name: the name of the signature's one input.
        texts: each request carries one, in this order, again and again.
    """

    def __init__(self, port: int, model: str, name: str, texts: Sequence[str]):
        self._requests = [_http(port, model, text) for text in texts]
        self.socket = socket.create_connection((HOST, port), _LONGEST)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""

    def send(self, number: int) -> None:
        """Send a request, without waiting for its answer."""
        with contextlib.suppress(OSError):  # `receive` then finds no answer
            self.socket.sendall(self._requests[number % len(self._requests)])

    def receive(self) -> bool | None:
        """Read what has come of the answer: whether it is a good one, None before its end."""
        try:
            part = self.socket.recv(1 << 16)
        except OSError:
            return False
        if not part:
            return False
        self._got += part
        head, ends, body = self._got.partition(_HEAD_ENDS)
        if not ends:
            return None
        _, announced, rest = head.lower().partition(_LENGTH)
        if announced and len(body) < int(rest.split(b"\r\n", 1)[0]):
            return None
        self._got = b""
        return bool(announced) and head.startswith(_FINE)

    def ask(self, number: int) -> bool:
        """Send a request and wait for its answer: whether it is a good one."""
        self.send(number)
        while (good := self.receive()) is None:
            pass
        return good

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class GrpcClient:
    """A gRPC connection that asks about texts; arguments as for `RestClient`."""

    def __init__(self, port: int, model: str, name: str, texts: Sequence[str]):
        self._requests = [_message(model, name, text) for text in texts]
        # Otherwise all channels of a process to the same server share a connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"{HOST}:{port}", options)
        # No serializer: the messages are bytes already.
        self._predict: Callable[..., bytes] = self._channel.unary_unary(_PREDICT)

    def ask(self, number: int) -> bool:
        """Send a request and wait for its answer: whether it is a good one."""
        try:
            request = self._requests[number % len(self._requests)]
            return bool(self._predict(request, timeout=_LONGEST))
        except (grpc.RpcError, ValueError):  # ValueError: closed meanwhile
            return False

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def load(
    clients: Sequence[RestClient] | Sequence[GrpcClient],
    seconds: float = float("inf"),
    requests: float = float("inf"),
) -> Load:
    """Let all clients ask until `seconds` have passed or `requests` were sent.

    A client stops at its first error.

    Raises:
        ServingError: where a minute passes without an answer.
    """
    counter = itertools.count()
    busy, start = time.process_time(), time.perf_counter()

    def next_request() -> int | None:
        """Give the next request's number, None when it is time to stop."""
        number = next(counter)
        return number if time.perf_counter() < start + seconds and number < requests else None

    run = _rest if isinstance(clients[0], RestClient) else _grpc
    latencies, errors = run(clients, next_request)
    took, busy = time.perf_counter() - start, time.process_time() - busy
    return Load(latencies, errors, took, busy)


def alternate_calls(
    calls: dict[Any, Callable[[int], Any]], seconds: float, rounds: int = 10
) -> dict[Any, tuple[float, int]]:
    """Alternate spells of calls: the median milliseconds of each, and how often it was called.

    A call gets the number of its request. Unlike in `seqtasks.benchmarks.measuring.alternate` there
    is no rest between calls: a processor that has slept is slow at first, by more than these short
    calls take. The first round isn't measured, but counted.

    >>> sorted(alternate_calls({"ours": lambda n: n, "theirs": lambda n: -n}, 0.01, rounds=2))
    ['ours', 'theirs']
    """
    times: dict[Any, list[float]] = {who: [] for who in calls}
    made = dict.fromkeys(calls, 0)
    share = seconds / rounds / len(calls)
    for turn in range(rounds + 1):
        for who, call in calls.items():
            end = time.perf_counter() + share
            for number in itertools.count():
                start = time.perf_counter()
                if number and start > end:
                    break
                if call(number) is False:
                    raise ServingError(f"{who}: the server didn't answer as it should")
                made[who] += 1
                if turn:
                    times[who].append(time.perf_counter() - start)
    return {who: (1e3 * statistics.median(times[who]), made[who]) for who in calls}


def _rest(clients: Any, next_request: Callable[[], int | None]) -> tuple[list[float], int]:
    latencies, errors = [], 0
    with selectors.DefaultSelector() as selector:
        began = {}
        for client in clients:
            if (number := next_request()) is not None:
                selector.register(client.socket, selectors.EVENT_READ, client)
                began[client] = time.perf_counter()
                client.send(number)
        while began:
            ready = selector.select(_LONGEST)
            if not ready:
                raise ServingError(f"the server gave no answer within {_LONGEST:g} seconds")
            for key, _ in ready:
                client = key.data
                good = client.receive()
                if good is None:
                    continue
                now = time.perf_counter()
                latencies.append(now - began[client])
                errors += not good
                if not good or (number := next_request()) is None:
                    selector.unregister(client.socket)
                    del began[client]
                else:
                    began[client] = now
                    client.send(number)
    return latencies, errors


def _grpc(clients: Any, next_request: Callable[[], int | None]) -> tuple[list[float], int]:
    latencies: list[float] = []
    errors: list[int] = []

    def work(client: GrpcClient) -> None:
        while (number := next_request()) is not None:
            start = time.perf_counter()
            good = client.ask(number)
            latencies.append(time.perf_counter() - start)
            if not good:
                errors.append(number)
                return

    threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, len(errors)


def _http(port: int, model: str, text: str) -> bytes:
    body = to_json({"instances": [text]}).encode()
    head = (
        f"POST /v1/models/{quote(model, safe='')}:predict HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _message(model: str, name: str, text: str) -> bytes:
    request = PredictRequest()
    request.model_spec.name = model
    request.inputs[name].CopyFrom(to_proto(np.array([text.encode()], object)))
    return request.SerializeToString()
