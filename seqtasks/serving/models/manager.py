"""The model manager: looks for new versions and lends the loaded ones to requests."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from seqtasks.errors import ConfigError
from seqtasks.serving.models.model_config import ModelSettings, ModelSource
from seqtasks.serving.models.versions import Loader, Model, State, VersionStatus
from seqtasks.serving.status import Code, StatusError, invalid

_log = logging.getLogger(__name__)


class ModelManager:
    """All models of a server.

    Args:
        source: the models to serve: a list, or a function that is called at every poll.
        loader: loads a version; `serving.embedded.make_loader` makes the usual one.
        poll_seconds: how often to look at the folders.
        early_labels: whether a label may be given to a version that isn't loaded yet.
    """

    def __init__(
        self,
        source: ModelSource | Sequence[ModelSettings],
        loader: Loader,
        poll_seconds: float = 1.0,
        early_labels: bool = True,
    ):
        self._early_labels = early_labels
        self._source = source if callable(source) else lambda: source
        self._loader = loader
        self._poll_seconds = poll_seconds
        self._models: dict[str, Model] = {}  # replaced whole, so that readers need no lock
        self._successors: dict[str, Model] = {}
        self._changing = threading.RLock()
        # Models load in parallel, and the main thread stays free for signals meanwhile.
        self._loading = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="load")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-versions", daemon=True)

    def begin_with(self, settings: Sequence[ModelSettings]) -> None:
        """Serve these models instead; before `start`."""
        self._source = lambda: settings

    def start(self) -> None:
        """Load what exists, then keep looking in a thread."""
        self.poll()
        self._thread.start()

    def poll(self) -> None:
        """Look at the folders once, load and unload, and return when that is done.

        Raises:
            ConfigError, OSError: if the source of models can't be read; nothing changes then.
        """
        with self._changing:
            if not self._closing.is_set():
                self._apply(self._source())

    def reload(self, settings: Sequence[ModelSettings]) -> None:
        """Serve these models from now on, and return when their versions are loaded.

        Raises:
            StatusError: FAILED_PRECONDITION if a label in use would move to a version that isn't
                available; INVALID_ARGUMENT for two models with one name; or the error of a
                model without a version to serve. In the first two cases nothing changes.
        """
        settings = list(settings)
        if len({model.name for model in settings}) < len(settings):
            raise invalid("Two models of the configuration have the same name")
        with self._changing:
            for model in settings:
                self._check_labels(model)
            self._source = lambda: settings
            self._apply(settings)
        for model in settings:
            current = self._successors.get(model.name) or self._models[model.name]
            if not current.ready:
                raise _not_loaded(model.name, current.statuses())

    @contextlib.contextmanager
    def lease(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Iterator[Any]:
        """Lend a model to a request: a version, the version with a label, or the latest.

        It stays loaded until the request is done, even if a new version takes its place.

        Raises:
            StatusError: NOT_FOUND if it isn't available, INVALID_ARGUMENT for a label that the
                model doesn't have.
        """
        if label is not None:
            version = self._labelled(name, label)
        while True:
            model = self._models.get(name)
            leased = model.lease(version) if model else None
            if leased or model is self._models.get(name):  # otherwise another took its place
                break
        if leased is None:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        lent, servable = leased
        try:
            yield servable
        finally:
            lent.release()

    def statuses(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> list[VersionStatus]:
        """Give the states of a model's versions, the latest first, or of one of them.

        Raises:
            StatusError: as `lease` does, in the words of the status request.
        """
        if label is not None:
            version = self._labelled(name, label)
        model = self._models.get(name)
        found = model.statuses() if model else []
        if version is not None:
            found = [status for status in found if status.version == version]
        if not found:
            what = "any versions" if version is None else f"version {version}"
            raise StatusError(Code.NOT_FOUND, f"Could not find {what} of model {name}")
        return found

    def names(self) -> list[str]:
        """Give the names of all models, loaded or not."""
        return sorted(self._models)

    def labels(self, name: str) -> dict[str, int]:
        """Give a model's labels, with the versions that have them."""
        model = self._models.get(name)
        return dict(model.settings.labels) if model else {}

    def knows(self, name: str) -> bool:
        """Whether there is a model with this name, loaded or not."""
        return name in self._models

    def unready(self) -> list[str]:
        """Give the names of the models that can't answer now."""
        return [name for name, model in sorted(self._models.items()) if not model.ready]

    def close(self, seconds: float = 10.0) -> None:
        """Unload all models, waiting up to `seconds` for each request that is still under way."""
        self._closing.set()
        with self._changing:
            threads = [thread for model in self._models.values() for thread in model.close()]
            self._models = {}
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        for thread in threads:
            thread.join(seconds)
        self._loading.shutdown(wait=False)

    def _apply(self, settings: Sequence[ModelSettings]) -> None:
        models = dict(self._models)
        for name in set(models) - {wanted.name for wanted in settings}:
            models.pop(name).close()
        for wanted in settings:
            current = models.get(wanted.name)
            if current is None:
                models[wanted.name] = Model(wanted, self._loader)
            elif current.settings.base_path == wanted.base_path:
                current.settings = wanted
        self._models = models
        updated = [self._to_update(models[wanted.name], wanted) for wanted in settings]
        list(self._loading.map(Model.update, updated))
        for model in updated:
            self._put_in_place(model)

    def _to_update(self, current: Model, wanted: ModelSettings) -> Model:
        """Give the model to load: the current one, or its successor at another path."""
        if current.settings.base_path == wanted.base_path:
            self._successors.pop(wanted.name, None)
            return current
        successor = self._successors.get(wanted.name)
        if successor is None or successor.settings.base_path != wanted.base_path:
            successor = self._successors[wanted.name] = Model(wanted, self._loader)
        successor.settings = wanted
        return successor

    def _put_in_place(self, model: Model) -> None:
        """Let a successor at another path take the current model's place if it can answer."""
        name = model.settings.name
        if self._successors.get(name) is model and model.ready:
            current = self._models[name]
            self._models = {**self._models, name: model}
            del self._successors[name]
            current.close()

    def _watch(self) -> None:
        complaint = ""
        while not self._closing.wait(self._poll_seconds):
            try:
                self.poll()
                complaint = ""
            except (ConfigError, OSError) as error:
                if complaint != str(error):  # once, not every second
                    _log.warning("models stay as they are: %s", error)
                complaint = str(error)
            except Exception:
                _log.exception("looking for new versions")

    def _labelled(self, name: str, label: str) -> int:
        model = self._models.get(name)
        if model is None or label not in model.settings.labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return model.settings.labels[label]

    def _check_labels(self, wanted: ModelSettings) -> None:
        current = self._models.get(wanted.name)
        if current is None:
            if wanted.labels and not self._early_labels:
                raise _label_too_early(next(iter(wanted.labels.values())), wanted.name)
            return
        available = {s.version for s in current.statuses() if s.state is State.AVAILABLE}
        for label, version in wanted.labels.items():
            old = current.settings.labels.get(label)
            is_moved = old not in (None, version) or not self._early_labels
            if is_moved and version not in available:
                raise _label_too_early(version, wanted.name)


def _label_too_early(version: int, name: str) -> StatusError:
    return StatusError(
        Code.FAILED_PRECONDITION,
        f"Request to assign label to version {version} of model {name}, "
        "which is not currently available for inference",
    )


def _not_loaded(name: str, statuses: Sequence[VersionStatus]) -> StatusError:
    for status in statuses:
        if status.code is not Code.OK:
            return StatusError(status.code, status.message)
    return StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
