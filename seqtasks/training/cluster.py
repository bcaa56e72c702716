"""The workers that train one network together: who they are, and whether they mean the same.

Nothing here needs TensorFlow: a wrong address, or other data on one of them, is told before it
starts.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seqtasks.errors import ConfigError, TrainingError

PATIENCE = 120.0  # seconds in which all workers must have come
_MOST = 1 << 16  # bytes of what one says to another
_ANSWER = 5.0  # seconds more that the others wait for worker 0, to hear for whom it waited
_VARIABLE = "TF_CONFIG"


@dataclass(frozen=True)
class Cluster:
    """The workers by their addresses, and which of them this process is.

    Worker 0 leads: it validates, decides and writes the run.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    def name(self, index: int) -> str:
        """How a worker is called in messages."""
        return f"worker {index} ({self.addresses[index]})"

    def to_json(self) -> str:
        """What TensorFlow reads from the environment variable TF_CONFIG."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


def parse_cluster(addresses: str, index: int | None) -> Cluster:
    """Read what --cluster and --index say.

    Raises:
        ConfigError: where they can't be.

    >>> parse_cluster("a:2222,b:2222", 1)
    Cluster(addresses=('a:2222', 'b:2222'), index=1)
    """
    return _checked(tuple(addresses.split(",")), index, "--cluster", "--index")


def cluster_of_environment(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """Read the environment variable TF_CONFIG, as TensorFlow does; None where it isn't set.

    A chief, if it has one, is worker 0 here.

    Raises:
        ConfigError: where it can't be.
    """
    text = environment.get(_VARIABLE)
    if not text:
        return None
    try:
        given = json.loads(text)
        cluster, task = given["cluster"], given["task"]
        chief, workers = cluster.get("chief", []), cluster.get("worker", [])
        kind, index = task["type"], int(task["index"])
        addresses = (*chief, *workers)
        if not all(isinstance(address, str) for address in addresses) or index < 0:
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(
            f"{_VARIABLE}: expected JSON such as "
            '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
        ) from None
    if set(cluster) - {"chief", "worker"} or kind not in cluster:
        raise ConfigError(f"{_VARIABLE}: expected a chief and workers alone, of which this is one")
    index += len(chief) if kind == "worker" else 0
    return _checked(addresses, index, _VARIABLE, f"{_VARIABLE}: task.index")


def _checked(addresses: tuple[str, ...], index: int | None, where: str, of_index: str) -> Cluster:
    for address in addresses:
        _host_and_port(address, where)
    if len({*addresses}) < len(addresses):
        raise ConfigError(f"{where}: expected each worker's address once")
    if index is None or not 0 <= index < len(addresses):
        last = len(addresses) - 1
        given = "" if index is None else f", received {index!r}"
        raise ConfigError(
            f"{of_index}: which of the {len(addresses)} workers this one is: expected a number "
            f"from 0 to {last}{given}"
        )
    return Cluster(addresses, index)


def _host_and_port(address: str, where: str = "--cluster") -> tuple[str, int]:
    host, _, port = address.strip().rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError(f"{where}: expected HOST:PORT for each worker, received {address!r}")
    return host.strip("[]"), int(port)


def local_cluster(workers: int) -> Cluster:
    """Workers on this machine at ports that are free now; this process is worker 0."""
    with contextlib.ExitStack() as kept:
        sockets = [kept.enter_context(socket.socket()) for _ in range(workers)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Cluster(tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets), 0)


def meet(
    cluster: Cluster,
    facts: Mapping[str, str],
    patience: float = PATIENCE,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Wait until all workers are here, and check that they mean the same.

    Each tells worker 0 its facts, which says whether they are its own. The ports are free again
    after it, for TensorFlow.

    Args:
        cluster: the workers.
        facts: from what must be the same, such as "data", to its digest.
        patience: seconds in which all must have come.
        look: called every second while worker 0 waits; what it raises ends the wait.

    Raises:
        ConfigError: where a port is taken, or a worker's facts are others than worker 0's.
        TrainingError: where a worker can't be reached in time.
    """
    end = time.monotonic() + patience
    with _listening(cluster) as listener:
        if cluster.index == 0:
            _hear_all(cluster, facts, listener, end, patience, look)
        else:
            answer = _tell_leader(cluster, facts, end, patience)
            if answer:
                raise ConfigError(answer)


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
    """This worker's port, which shows that nobody else has it."""
    address = cluster.addresses[cluster.index]
    _, port = _host_and_port(address)
    with socket.socket() as listener:
        if os.name != "nt":  # where it would let two have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
            listener.listen()
        except OSError as error:
            raise ConfigError(
                f"{cluster.name(cluster.index)}: its port can't be opened: {error.strerror}; "
                "end what uses it, or give another port in --cluster of all workers"
            ) from error
        yield listener


def _hear_all(cluster, facts, listener, end, patience, look) -> None:
    """Worker 0: hear each other worker, then answer all of them alike."""
    heard: dict[int, dict[str, str]] = {}
    with contextlib.ExitStack() as kept:
        lines = []
        while len(heard) < cluster.size - 1:
            look()
            listener.settimeout(min(max(end - time.monotonic(), 0.01), 1.0))
            try:
                connection, _ = listener.accept()
                kept.enter_context(connection)
                connection.settimeout(max(end - time.monotonic(), 0.01))
                said = _read(connection)
                index = said["index"]
                if said["addresses"] != list(cluster.addresses) or index not in range(cluster.size):
                    said = {"facts": {"addresses": "others"}}
                heard[index] = said["facts"]
                lines.append(connection)
            except TimeoutError:
                if time.monotonic() < end:
                    continue
                missing = [i for i in range(1, cluster.size) if i not in heard]
                told = ", ".join(cluster.name(i) for i in missing)
                problem = (
                    f"{told}: didn't come within {patience:.0f} seconds; start it with the same "
                    "--cluster, and check its address and the firewall"
                )
                _answer(lines, problem)
                raise TrainingError(problem) from None
            except (OSError, ValueError, KeyError, TypeError):
                continue  # nobody of ours, or one that has gone again
        problem = _difference(cluster, {"addresses": "", **facts}, heard)
        _answer(lines, problem)
        if problem:
            raise ConfigError(problem)


def _difference(
    cluster: Cluster, facts: Mapping[str, str], heard: Mapping[int, Mapping[str, str]]
) -> str:
    """What a worker has otherwise than worker 0; empty where all have the same."""
    for index, others in sorted(heard.items()):
        for what, value in facts.items():
            if others.get(what, "") != value:
                return (
                    f"{cluster.name(index)} has other {what} than worker 0; give all workers the "
                    "same version, files and options"
                )
    return ""


def _answer(lines: list[socket.socket], text: str) -> None:
    for line in lines:
        with contextlib.suppress(OSError):
            line.sendall(json.dumps(text).encode() + b"\n")
            line.recv(1)  # until the other has closed it: then the port is free at once


def _tell_leader(cluster, facts, end, patience) -> str:
    """Another worker: say who it is; give worker 0's answer, which is empty where all is well."""
    told = {"index": cluster.index, "addresses": list(cluster.addresses), "facts": dict(facts)}
    while True:
        left = end - time.monotonic()
        try:
            with socket.create_connection(_host_and_port(cluster.addresses[0]), left) as line:
                line.sendall(json.dumps(told).encode() + b"\n")
                line.settimeout(max(end - time.monotonic(), 0) + _ANSWER)
                return str(_read(line))
        except (OSError, ValueError):
            if time.monotonic() + 0.2 >= end:
                raise TrainingError(
                    f"{cluster.name(0)}: can't be reached, or didn't answer within {patience:.0f} "
                    "seconds; start it with the same --cluster, and check its address and the "
                    "firewall"
                ) from None
            time.sleep(0.2)


def _read(line: socket.socket) -> Any:
    """One line of JSON."""
    found = b""
    while not found.endswith(b"\n"):
        piece = line.recv(4096)
        found += piece
        if not piece or len(found) > _MOST:
            raise ValueError("no line")
    return json.loads(found)
