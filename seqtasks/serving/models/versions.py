"""The versions of a model: their states, their users, and the change from one to the next."""

import dataclasses
import enum
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqtasks.serving.models.model_config import ModelSettings, find_versions
from seqtasks.serving.status import Code, StatusError

_log = logging.getLogger(__name__)

# Ended versions stay listed so that their errors can be read, but not for ever.
_ENDED_KEPT = 50

# Loads a version: (path, model's name, version number) -> what is lent to requests.
Loader = Callable[[Path, str, int], Any]


class State(enum.IntEnum):
    """The life of a version, numbered as in TF Serving's ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What a model's status says about one version."""

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


class Version:
    """One version: loaded once, lent to requests, and closed when the last of them is done."""

    def __init__(self, number: int, path: Path, changed: threading.Condition):
        self.number, self.path = number, path
        self.state = State.START
        self.error: StatusError | None = None
        self.stamp = _stamp(path)
        self._servable: Any = None
        self._uses = 0
        # Shared by all versions of a model: whoever looks for an available one must not see the new
        # one before the change and the old one after it.
        self._changed = changed

    def load(self, loader: Loader, name: str) -> bool:
        """Load it, and return whether it is available now."""
        self.state = State.LOADING
        try:
            self._servable = loader(self.path, name, self.number)
        except StatusError as error:
            return self._fail(name, error)
        except Exception as error:
            _log.exception("model %s, version %d", name, self.number)
            return self._fail(name, StatusError(Code.INTERNAL, f"{self.path}: {error!r}"))
        with self._changed:
            self.state = State.AVAILABLE
        _log.info("model %s: version %d is available", name, self.number)
        return True

    def _fail(self, name: str, error: StatusError) -> bool:
        self.error, self.state = error, State.END
        _log.error("model %s: version %d can't be loaded: %s", name, self.number, error)
        return False

    def acquire(self) -> Any:
        """Lend the servable, which stays loaded until `release`; None if it isn't available."""
        with self._changed:
            if self.state is not State.AVAILABLE:
                return None
            self._uses += 1
            return self._servable

    def release(self) -> None:
        """Give back what `acquire` lent."""
        with self._changed:
            self._uses -= 1
            self._changed.notify_all()

    def unload(self) -> threading.Thread:
        """Lend it no more. The returned thread waits for its requests to end, then closes it."""
        with self._changed:
            self.state = State.UNLOADING
        thread = threading.Thread(target=self._close, name=f"unload-{self.number}", daemon=True)
        thread.start()
        return thread

    def _close(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._uses == 0)
        servable, self._servable = self._servable, None
        try:
            servable.close()
        finally:
            self.state = State.END

    @property
    def status(self) -> VersionStatus:
        """What the model's status says about this version."""
        if self.error is None:
            return VersionStatus(self.number, self.state)
        return VersionStatus(self.number, self.state, self.error.code, self.error.message)


class Model:
    """A model and its versions. One thread changes it; many read it."""

    def __init__(self, settings: ModelSettings, loader: Loader):
        self.settings = settings
        self._loader = loader
        self._changed = threading.Condition()
        self._versions: dict[int, Version] = {}  # replaced whole, so that readers need no lock
        self._unloading: list[threading.Thread] = []
        self._complaint = ""

    def update(self) -> None:
        """Load the versions that should be served, then unload those that shouldn't.

        A served version goes only if a wanted one is available, or none is wanted. A version that
        failed is tried again when its files have changed.
        """
        try:
            found = find_versions(self.settings.base_path)
        except OSError as error:
            self._complain(f"{self.settings.base_path}: {error.strerror or error}")
            return
        self._complain("")
        wanted = self.settings.policy.choose(list(found))
        for number in wanted:
            current = self._versions.get(number)
            if current is None or _is_new(current, found[number]):
                version = Version(number, found[number], self._changed)
                self._keep({**self._versions, number: version})
                version.load(self._loader, self.settings.name)
        if not wanted or any(self._is_available(number) for number in wanted):
            self._drop(set(self._versions) - set(wanted))

    def lease(self, number: int | None) -> tuple[Version, Any] | None:
        """Lend a version, by default the latest; the caller must `release` it."""
        with self._changed:
            versions = self._versions
            for candidate in sorted(versions, reverse=True) if number is None else (number,):
                version = versions.get(candidate)
                servable = version.acquire() if version else None
                if version and servable is not None:
                    return version, servable
        return None

    def statuses(self) -> list[VersionStatus]:
        """Give the status of every version, the latest first, as TF Serving lists them."""
        versions = self._versions
        return [versions[number].status for number in sorted(versions, reverse=True)]

    @property
    def ready(self) -> bool:
        """Whether it can answer."""
        with self._changed:
            return any(self._is_available(number) for number in self._versions)

    def close(self) -> list[threading.Thread]:
        """Unload all versions; return the threads that wait for their requests."""
        self._drop(set(self._versions))
        return self._unloading

    def _is_available(self, number: int) -> bool:
        return self._versions[number].state is State.AVAILABLE

    def _drop(self, numbers: set[int]) -> None:
        self._unloading = [thread for thread in self._unloading if thread.is_alive()]
        for number in numbers:
            if self._is_available(number):
                _log.info("model %s: version %d is unloaded", self.settings.name, number)
                self._unloading.append(self._versions[number].unload())

    def _keep(self, versions: dict[int, Version]) -> None:
        ended = [number for number in sorted(versions) if versions[number].state is State.END]
        for number in ended[:-_ENDED_KEPT]:
            del versions[number]
        self._versions = versions

    def _complain(self, complaint: str) -> None:
        """Log once, not at every poll, what is wrong with the folder."""
        if complaint and complaint != self._complaint:
            _log.warning("model %s: %s", self.settings.name, complaint)
        self._complaint = complaint


def _is_new(version: Version, path: Path) -> bool:
    """Whether to load an ended version again: it was dropped, or its files have changed."""
    if version.state is not State.END:
        return False
    return version.error is None or _stamp(path) != version.stamp


def _stamp(path: Path) -> tuple:
    """Identify a folder's contents by the names, sizes and times of its files."""
    try:
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except OSError:
        return ()
