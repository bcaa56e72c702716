"""Several processes that answer on the same ports as one server.

The first process imports TensorFlow and never uses it, so that the others, its copies, share what
is in memory then and start at once. It answers nobody: it waits, starts a process in the place of
one that dies, and hands on the order to end.
"""

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from seqtasks.errors import ConfigError
from seqtasks.serving.addresses import cannot_listen, family, share

_log = logging.getLogger(__name__)

_ENDING = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS = 0.1
# A process that dies at once, again and again, is started ever later.
_FIRST_DELAY, _LONGEST_DELAY, _LASTING = 0.5, 30.0, 10.0

# What a worker does: given the folder that all share, and what to call when it can answer, with the
# names of the models that can't.
Work = Callable[[Path, Callable[[list[str]], None]], None]


def check_sharing() -> None:
    """Check that processes can share a port here.

    Raises:
        ConfigError: where they can't.
    """
    if sys.platform != "linux":
        raise ConfigError(
            "--workers: this system doesn't share a port's connections between processes; "
            "leave it out, and run several servers behind a proxy"
        )


@contextlib.contextmanager
def reserved(host: str, port: int):
    """Keep a port for processes that share it, and give its number; nobody connects to this.

    Raises:
        ConfigError: where it is taken or not allowed.
    """
    try:
        with socket.socket(family(host), socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))  # which another server's sharing doesn't allow
        keeper = socket.socket(family(host), socket.SOCK_STREAM)
        share(keeper)
        keeper.bind((host, port))
    except (OSError, OverflowError) as error:
        raise cannot_listen(host, port, error) from error
    with keeper:
        yield keeper.getsockname()[1]


class _Worker:
    """A process that answers."""

    def __init__(self, pid: int, told: int):
        self.pid, self.told, self.started = pid, told, time.monotonic()
        self.is_ready, self.said = False, b""


class Fleet:
    """The processes, seen by the first.

    Args:
        count: how many answer.
        work: what each does; it returns when it has ended well.
    """

    def __init__(self, count: int, work: Work):
        self._count, self._work = count, work
        self._workers: dict[int, _Worker] = {}
        self._due: list[float] = []  # when to start those in the places of the dead
        self._delay = _FIRST_DELAY
        self._ending = False
        self._failed: list[str] = []
        self._was_ready = False

    def run(self, ready: Callable[[list[str]], None]) -> None:
        """Start all, and return when all have ended, after SIGTERM or SIGINT.

        Must be called in the main thread, while there is no other.

        Args:
            ready: called once all can answer, with the names of the models that can't.

        Raises:
            ConfigError: if one can't start; it has said why.
        """
        gc.collect()
        gc.freeze()  # so that looking for garbage doesn't copy what is shared
        before = {number: signal.signal(number, self._end) for number in _ENDING}
        with tempfile.TemporaryDirectory(prefix="seqtasks-") as folder:
            self._alive, self._living = os.pipe()
            self._folder = Path(folder)
            try:
                for _ in range(self._count):
                    self._start()
                self._watch(ready)
            finally:
                self._order(signal.SIGTERM)
                while self._workers:
                    self._reap()
                    time.sleep(_LOOK_SECONDS / 4)
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _end(self, number: int, frame: object) -> None:
        again, self._ending = self._ending, True
        self._order(signal.SIGKILL if again else signal.SIGTERM)

    def _order(self, number: int) -> None:
        for pid in list(self._workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _watch(self, ready: Callable[[list[str]], None]) -> None:
        while self._workers or not self._ending:
            self._listen()
            self._reap()
            if not self._was_ready and self._all_ready() and not self._ending:
                self._was_ready = True
                ready(self._failed)
            while self._due and self._due[0] <= time.monotonic() and not self._ending:
                self._due.pop(0)
                self._start()

    def _all_ready(self) -> bool:
        ready = [worker for worker in self._workers.values() if worker.is_ready]
        return len(ready) == self._count

    def _listen(self) -> None:
        """Wait a moment for what the workers say."""
        waiting = {worker.told: worker for worker in self._workers.values() if not worker.is_ready}
        found, _, _ = select.select(list(waiting), [], [], _LOOK_SECONDS)
        for told in found:
            worker = waiting[told]
            worker.said += os.read(told, 65536)
            if worker.said.endswith(b"\n"):
                worker.is_ready = True
                self._failed = json.loads(worker.said)

    def _reap(self) -> None:
        for pid in list(self._workers):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                continue
            worker = self._workers.pop(pid)
            os.close(worker.told)
            (self._folder / f"{pid}.sock").unlink(missing_ok=True)
            code = os.waitstatus_to_exitcode(status)
            if self._ending:
                continue
            if not self._was_ready and not worker.is_ready and code > 0:
                self._ending = True
                raise ConfigError("a worker couldn't start; the lines above say why")
            lasted = time.monotonic() - worker.started
            self._delay = (
                _FIRST_DELAY if lasted > _LASTING else min(_LONGEST_DELAY, 2 * self._delay)
            )
            _log.error(
                "worker %d ended (%s); another starts in %g seconds",
                pid,
                f"signal {-code}" if code < 0 else f"code {code}",
                self._delay,
            )
            self._due.append(time.monotonic() + self._delay)

    def _start(self) -> None:
        told, tell = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            os.close(tell)
            self._workers[pid] = _Worker(pid, told)
            return
        os.close(told)
        os.close(self._living)
        code = 70
        try:
            code = self._be_worker(tell)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _be_worker(self, tell: int) -> int:
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        threading.Thread(target=_end_with, args=(self._alive,), daemon=True).start()

        def ready(failed: list[str]) -> None:
            os.write(tell, json.dumps(failed).encode() + b"\n")
            os.close(tell)

        try:
            self._work(self._folder, ready)
        except ConfigError as error:
            _log.error("%s", error)
            return 2
        except Exception:
            _log.exception("worker %d", os.getpid())
            return 70
        return 0


def _end_with(alive: int) -> None:
    """End this process in order when the first one is gone."""
    os.read(alive, 1)  # which nobody writes: it returns when the pipe is closed
    os.kill(os.getpid(), signal.SIGTERM)
