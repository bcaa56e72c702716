"""What the processes of one server tell each other: their counts, and the models to serve.

Each listens on a socket file in a folder that they share and nobody else can read. Whoever is asked
for metrics asks the others, and whoever is told of other models tells them.
"""

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqtasks.serving.status import Code, StatusError

_ANSWER_SECONDS = 5.0
_LOAD_SECONDS = 600.0  # of other models, until a process that was told of them answers
_RELOADED = "models.pb"


class Fellows:
    """This process among the others.

    Args:
        folder: the folder that they share.
        counts: gives this process' counts, as JSON has them.
        reload: serves the models of a serialized configuration; raises `StatusError`.
    """

    def __init__(
        self,
        folder: Path,
        counts: Callable[[], Any],
        reload: Callable[[bytes], None],
    ):
        self._folder, self._counts, self._reload = folder, counts, reload
        self._name = str(os.getpid())
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / f"{self._name}.sock"))
        self._listener.listen(64)
        self._reloading = threading.Lock()
        threading.Thread(target=self._accept, name="fellows", daemon=True).start()

    def all_counts(self) -> list[Any]:
        """Give the counts of all processes, those that have ended too, as they were last told."""
        found = {self._name: self._keep_counts()}
        for path in self._folder.glob("*.sock"):
            if path.stem != self._name:
                with contextlib.suppress(OSError, ValueError):
                    found[path.stem] = _ask(path, {"counts": True}, _ANSWER_SECONDS)["counts"]
        for path in self._folder.glob("*.json"):
            if path.stem not in found:
                with contextlib.suppress(OSError, ValueError):
                    found[path.stem] = json.loads(path.read_bytes())
        return list(found.values())

    def tell_models(self, config: bytes) -> None:
        """Have all the others serve these models, and those that start later.

        Raises:
            StatusError: the first error of one of them.
        """
        errors = []
        (self._folder / _RELOADED).write_bytes(config)
        for path in self._folder.glob("*.sock"):
            if path.stem == self._name:
                continue
            try:
                said = _ask(path, {"models": config.hex()}, _LOAD_SECONDS)
            except (OSError, ValueError):
                continue  # it has ended, and the next begins with these models
            if said["code"]:
                errors.append(StatusError(Code(said["code"]), said["message"]))
        if errors:
            raise errors[0]

    def _keep_counts(self) -> Any:
        counts = self._counts()
        # Kept for the time after this process: a sum must never become less.
        part = self._folder / f"{self._name}-{threading.get_ident()}.part"
        part.write_text(json.dumps(counts))
        part.replace(self._folder / f"{self._name}.json")
        return counts

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(
                target=self._answer, args=(connection,), name="fellow", daemon=True
            ).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            asked = _receive(connection)
            if "models" in asked:
                said: dict[str, Any] = {"code": 0, "message": ""}
                try:
                    with self._reloading:
                        self._reload(bytes.fromhex(asked["models"]))
                except StatusError as error:
                    said = {"code": int(error.code), "message": error.message}
            else:
                said = {"counts": self._keep_counts()}
            _send(connection, said)


def told_models(folder: Path) -> bytes | None:
    """Give the models that were told last; None if none were."""
    try:
        return (folder / _RELOADED).read_bytes()
    except OSError:
        return None


def _ask(path: Path, value: Any, seconds: float) -> Any:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(path))
        _send(connection, value)
        return _receive(connection)


def _send(connection: socket.socket, value: Any) -> None:
    data = json.dumps(value).encode()
    connection.sendall(struct.pack("!Q", len(data)) + data)


def _receive(connection: socket.socket) -> Any:
    with connection.makefile("rb") as stream:
        (size,) = struct.unpack("!Q", _exactly(stream, 8))
        return json.loads(_exactly(stream, size))


def _exactly(stream: Any, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise OSError("the connection ended")
    return data
