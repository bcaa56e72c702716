"""Which models a server has: their folders, version policies and labels."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from google.protobuf import text_format

from seqtasks.errors import ConfigError
from seqtasks.serving.messages.classes import Message, ModelServerConfig
from seqtasks.streams import is_stream

_VERSION_NAME = re.compile(r"[0-9]{1,19}")
_MAX_VERSION = 2**63 - 1
ONNX_FILE = "export.json"  # of an export by `--format onnx`
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"  # in a version's folder


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """Which versions on disk are served.

    Args:
        latest: how many of the largest numbers; None for all.
        specific: exactly these numbers; wins over `latest`.

    Raises:
        ConfigError: if `latest` is less than 1.

    >>> VersionPolicy(latest=2).choose([1, 3, 2])
    [2, 3]
    >>> VersionPolicy(specific=frozenset({1, 9})).choose([1, 3, 2])
    [1]
    """

    latest: int | None = 1
    specific: frozenset[int] | None = None

    def __post_init__(self):
        if self.latest is not None and self.latest < 1:
            raise ConfigError(f"latest versions: {self.latest}, expected 1 or more")

    def choose(self, found: Sequence[int]) -> list[int]:
        """Choose among the versions on disk; the smallest comes first."""
        if self.specific is not None:
            return sorted(self.specific.intersection(found))
        ordered = sorted(found)
        return ordered if self.latest is None else ordered[-self.latest :]


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """A model: `base_path/VERSION/saved_model.pb`, or an ONNX export at `base_path`.

    Args:
        name: the model's name in the URL.
        base_path: the folder of its versions.
        policy: which versions are served.
        labels: names for versions, such as "stable".
    """

    name: str
    base_path: Path
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)


# A manager calls it at every poll for the models to serve.
ModelSource = Callable[[], Sequence[ModelSettings]]


def find_versions(base_path: Path) -> dict[int, Path]:
    """Find the folders of a model's versions, by their numbers.

    An ONNX export's own folder is the version that it says it is.

    Raises:
        OSError: if the folder can't be read.
    """
    found: dict[int, Path] = {}
    if is_onnx(base_path):
        found[_exported_version(base_path / ONNX_FILE)] = base_path
    # The plain number wins over one with leading zeros: both name the same version.
    for path in sorted(base_path.iterdir(), key=lambda path: -len(path.name)):
        if _VERSION_NAME.fullmatch(path.name) and path.is_dir():
            number = int(path.name)
            if number <= _MAX_VERSION:
                found[number] = path
    return found


def is_onnx(path: Path) -> bool:
    """Whether a folder is an ONNX export."""
    return (path / ONNX_FILE).is_file()


def version_of(path: Path) -> int:
    """The number of a version, by its folder."""
    return _exported_version(path / ONNX_FILE) if is_onnx(path) else int(path.name)


def _exported_version(file: Path) -> int:
    """Which version an ONNX export is: its folder's number, or what it says; else 1."""
    if _VERSION_NAME.fullmatch(file.parent.name):
        return int(file.parent.name)
    state = file.stat()
    return _read_version(file, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=256)  # folders are looked at every second
def _read_version(file: Path, changed: int, size: int) -> int:
    try:
        number = json.loads(file.read_bytes()).get("version", 1)
    except (OSError, ValueError, AttributeError, RecursionError):
        return 1  # loading it says what is wrong
    return number if type(number) is int and 0 <= number <= _MAX_VERSION else 1


def find_models(base: Path, policy: VersionPolicy | None = None) -> list[ModelSettings]:
    """Find a model in every folder of `base` that has versions; the folder names it.

    Raises:
        OSError: if `base` can't be read.
    """
    models = []
    for path in sorted(base.iterdir()):
        if path.name.startswith(".") or not path.is_dir():
            continue
        try:
            versions = find_versions(path)
        except OSError:
            continue  # gone since it was listed, or not ours to read
        if versions:
            models.append(ModelSettings(path.name, path, policy or VersionPolicy()))
    return models


def newest_versions(models: Sequence[ModelSettings]) -> dict[str, Path]:
    """Find each model's largest version that is served, if it has one: its folder."""
    newest = {}
    for model in models:
        try:
            found = find_versions(model.base_path)
        except OSError:
            continue  # not there yet
        chosen = model.policy.choose(list(found))
        if chosen:
            newest[model.name] = found[chosen[-1]]
    return newest


def directory_source(base: Path, policy: VersionPolicy | None = None) -> ModelSource:
    """Make a function that finds the models of a directory, new folders included at each call.

    A model whose folder is gone is found once more: it may be about to be replaced.

    Raises:
        ConfigError: if it can't be read, or is a model's own folder.
    """
    try:
        folders = [base, *base.iterdir()]
    except OSError as error:
        raise ConfigError(
            f"{base}: {error.strerror}. Give the directory that holds NAME/VERSION/saved_model.pb"
        ) from error
    if is_onnx(base) or any((path / "saved_model.pb").is_file() for path in folders):
        raise ConfigError(
            f"{base}: this is one model. Give the directory of models, "
            "which holds NAME/VERSION/saved_model.pb"
        )
    before: dict[str, ModelSettings] = {}

    def find() -> list[ModelSettings]:
        nonlocal before
        found = {model.name: model for model in find_models(base, policy)}
        gone = [model for name, model in before.items() if name not in found]
        before = found
        return [*found.values(), *gone]

    return find


def read_model_config(path: Path) -> list[ModelSettings]:
    """Read the models of a `--model_config_file`, a ModelServerConfig in text form.

    Raises:
        ConfigError: if it can't be read or contradicts itself.
    """
    try:
        if is_stream(path):
            raise OSError("it is a pipe, socket or device; expected a file")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as a model configuration: {error}") from error
    try:
        config = text_format.Parse(text, ModelServerConfig())
    except text_format.ParseError as error:
        raise ConfigError(
            f"{path}: Error parsing text-format tensorflow.serving.ModelServerConfig: "
            f"{str(error).rstrip('.')}. Expected a ModelServerConfig in protobuf's text form"
        ) from error
    try:
        return from_message(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def from_message(config: Message) -> list[ModelSettings]:
    """Read the models of a message, such as a reload request's.

    Raises:
        ConfigError: if a model has no name or path, or the message contradicts itself.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise ConfigError("custom_model_config is not supported; use model_config_list")
    models: dict[str, ModelSettings] = {}
    for number, entry in enumerate(config.model_config_list.config, 1):
        if not entry.name or not entry.base_path:
            raise ConfigError(f"model {number} of the list has no name or no base_path")
        if entry.name in models:
            raise ConfigError(f"model {entry.name!r} is listed twice; names must differ")
        if entry.model_platform not in ("", "tensorflow"):
            raise ConfigError(
                f"model {entry.name!r} has the platform {entry.model_platform!r}, "
                "expected 'tensorflow'"
            )
        policy = _policy(entry)
        labels = dict(entry.version_labels)
        models[entry.name] = ModelSettings(
            entry.name, Path(entry.base_path.removeprefix("file://")), policy, labels
        )
    return list(models.values())


def _policy(entry) -> VersionPolicy:
    message = entry.model_version_policy
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=None)
    if choice == "specific":
        if not message.specific.versions:
            raise ConfigError(f"model {entry.name!r} has a specific policy without versions")
        return VersionPolicy(specific=frozenset(message.specific.versions))
    return VersionPolicy(latest=message.latest.num_versions or 1)
