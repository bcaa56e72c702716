"""The REST client, which needs the standard library only."""

import http.client
import ssl
import urllib.parse
from typing import Any

from seqtasks.clients.client import (
    Access,
    BusyError,
    Client,
    from_json,
    nothing_listens,
    one_line,
    refusal,
    retrying,
    split_server,
    to_json,
    took_too_long,
)
from seqtasks.errors import ServingError

_BUSY = (429, 503)


class RestClient(Client):
    """A client of TF Serving's REST protocol; its methods are those of `Client`.

    A request is sent again, after longer and longer waits, while the server answers 429 or 503, or
    while nothing listens yet. After a first connection, nothing listening is an error at once.

    Args:
        server: http:// or https:// and HOST:PORT, with a path if the server is below one.
        timeout: how many seconds each try may take.
        retries: how often a request is sent again.
        access: what the server is shown, and whom to trust.

    Raises:
        ServingError: if `server` is no such URL, or the authority's file can't be used.
    """

    def __init__(
        self,
        server: str = "http://127.0.0.1:8501",
        timeout: float = 30.0,
        retries: int = 3,
        access: Access | None = None,
    ):
        self._headers = (access or Access()).headers()
        self.server, self.timeout, self.retries = server.rstrip("/"), timeout, retries
        scheme, self._host, self._port, self._prefix = split_server(server, ("http", "https"))
        self._context = _context(access) if scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []
        self._connected = False

    def status(
        self, model: str, version: int | None = None, label: str | None = None
    ) -> list[dict[str, Any]]:
        """Give the states of the model's versions; see `Client`."""
        return self._ask("GET", _path(model, version, label), model)["model_version_status"]

    def metadata(
        self, model: str, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Describe the signatures; see `Client`."""
        return self._ask("GET", f"{_path(model, version, label)}/metadata", model)

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    def _infer(
        self,
        verb: str,
        model: str,
        version: int | None,
        label: str | None,
        document: dict[str, Any],
    ) -> dict[str, Any]:
        body = to_json(document).encode()
        return self._ask("POST", f"{_path(model, version, label)}:{verb}", model, body)

    def _ask(self, method: str, path: str, model: str, body: bytes | None = None) -> Any:
        where = f"{self.server}{path}"

        def attempt() -> Any:
            try:
                status, data = self._exchange(method, self._prefix + path, body)
            except ConnectionRefusedError as error:
                kind = ServingError if self._connected else BusyError
                raise kind(nothing_listens(self.server)) from error
            except TimeoutError as error:
                raise ServingError(took_too_long(where, self.timeout)) from error
            except (OSError, http.client.HTTPException) as error:
                reason = one_line(getattr(error, "strerror", None) or str(error) or repr(error))
                raise ServingError(
                    f"{where}: no answer: {reason}; check that this is a model server's address"
                ) from error
            self._connected = True
            return _read(where, model, status, data)

        return retrying(attempt, self.retries)

    def _connect(self) -> http.client.HTTPConnection:
        where, seconds = (self._host, self._port), self.timeout
        if self._context is None:
            return http.client.HTTPConnection(*where, timeout=seconds)
        return http.client.HTTPSConnection(*where, timeout=seconds, context=self._context)

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = self._idle.pop() if self._idle else None
        reused = connection is not None
        connection = connection or self._connect()
        try:
            kind = {"Content-Type": "application/json"} if body is not None else {}
            headers = {**self._headers, **kind}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
            connection.close()
            if not reused:
                raise
            return self._exchange(method, path, body)  # the server had closed it
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)  # opens again by itself if the server has closed it
        return answer.status, data


def _context(access: Access | None) -> ssl.SSLContext:
    file = access.ca_certificate if access else None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        raise ServingError(f"{file}: no certificate of an authority (PEM): {error}") from error


def _path(model: str, version: int | None, label: str | None) -> str:
    path = f"/v1/models/{urllib.parse.quote(model, safe='')}"
    if label is not None:
        return f"{path}/labels/{urllib.parse.quote(label, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _read(where: str, model: str, status: int, data: bytes) -> Any:
    """Read an answer.

    Raises:
        ServingError: for a refusal, or an answer that isn't the protocol's.
    """
    try:
        answer = from_json(data)
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict):
        return answer
    if status == 200 or not isinstance(answer, dict) or "error" not in answer:
        found = one_line(data[:200].decode("utf-8", "replace"))
        if status not in _BUSY:  # those may come from a proxy before the server
            raise ServingError(
                f"{where}: the answer {status} isn't a model server's: {found}; check the address"
            )
        answer = {"error": found}
    kind = BusyError if status in _BUSY else ServingError
    raise kind(refusal(where, model, str(status), str(answer["error"]), status))
