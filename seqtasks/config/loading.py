"""From defaults, files and options to the checked configuration of a task."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

import seqtasks.config.tasks  # noqa: F401, defines the configurations that there are
from seqtasks.config.schema import CONFIGS, RunConfig, tasks_of
from seqtasks.config.shipped import find_config
from seqtasks.config.sweep import SECTION, Space, parse_space
from seqtasks.config.yaml_text import read_yaml
from seqtasks.errors import ConfigError, did_you_mean
from seqtasks.streams import is_stream

_DEFAULT_TASK = "sentiment"
_Replaced = tuple[tuple[str, ...], Any, str]  # where a value stood, the value, what had set it


def load_config(
    files: tuple[Path, ...] = (),
    assignments: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
) -> RunConfig:
    """Merge defaults, files (later ones win), `key=value` assignments and options, in this order.

    Args:
        files: YAML files that hold any part of a `RunConfig`, or names of shipped ones.
        assignments: such as "model.units=128"; the value is read as YAML.
        options: dotted keys and values; None means not given.

    Raises:
        ConfigError: a file that can't be read or isn't YAML, an unknown key (with the nearest known
            one), an impossible value; names the file or option it came from.

    >>> load_config(assignments=("model.units=128",)).model.units
    128
    >>> load_config(assignments=("model.unit=128",))
    Traceback (most recent call last):
        ...
    seqtasks.errors.ConfigError: --set model.unit: unknown key 'unit' (did you mean 'units'?)
    """
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    replaced: list[_Replaced] = []
    for path in map(find_config, files):
        content = _read_yaml(path)
        if SECTION in content:  # what a search may try, which is no part of a run
            parse_space(content.pop(SECTION), str(path))
        _merge(merged, content, str(path), origin, replaced)
    for assignment in assignments:
        key, value = _parse_assignment(assignment)
        _merge(merged, _nested(key, value), "--set", origin, replaced)
    for key, value in (options or {}).items():
        if value is not None:
            _merge(merged, _nested(key, value), f"--{key.split('.')[-1]}", origin, replaced)
    config = parse_config(merged, origin)
    _check_replaced(replaced, type(config))
    return config


def load_space(file: Path) -> Space | None:
    """Read the section `sweep` of a file, or of a shipped one; None where it has none.

    Raises:
        ConfigError: as `load_config`, or of the section.
    """
    path = find_config(file)
    content = _read_yaml(path)
    return parse_space(content[SECTION], str(path)) if SECTION in content else None


def parse_config(
    given: dict[str, Any], origin: dict[tuple[str, ...], str] | None = None
) -> RunConfig:
    """Check a configuration's keys and values, and make the class of its `task`.

    Args:
        given: the keys and values; what is left out has the task's default.
        origin: which file or option each key came from, for messages.

    Raises:
        ConfigError: an unknown key or task, an impossible value.

    >>> type(parse_config({"task": "recall", "data": {"distance": 9}})).__name__
    'RecallConfig'
    """
    origin = origin or {}
    task = given.get("task", _DEFAULT_TASK)
    if not isinstance(task, str) or task not in CONFIGS:
        where, dotted = _place(("task",), origin)
        names = [repr(name) for name in CONFIGS]
        expected = f"{', '.join(names[:-1])} or {names[-1]}"
        raise ConfigError(f"{where}: {dotted}input should be {expected}; received {task!r}")
    try:
        return CONFIGS[task].model_validate(given)
    except ValidationError as error:
        told = (line for e in error.errors() for line in _explain(e, CONFIGS[task], origin))
        raise ConfigError("; ".join(told)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        if is_stream(path):
            raise ConfigError(f"{path}: is a pipe, socket or device; expected a YAML file")
        content = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't read the configuration: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML: {problem}") from None
    if content is None:
        raise ConfigError(f"{path}: the file is empty; expected keys such as 'model:'")
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, received {type(content).__name__}")
    return content


def _parse_assignment(assignment: str) -> tuple[str, Any]:
    key, equals, value = assignment.partition("=")
    if not equals or not key:
        raise ConfigError(
            f"--set {_short(assignment)}: expected key=value, such as model.units=128"
        )
    if value.startswith("#"):  # a comment to YAML, but nobody sets a key to a comment
        return key, value
    try:
        return key, read_yaml(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {_short(assignment)}: the value isn't YAML") from None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def _told(value: Any) -> str:
    try:
        return _short(repr(value))
    except ValueError:  # a hexadecimal number that Python reads but doesn't write in decimals
        return "a number of thousands of digits"


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _merge(
    into: dict[str, Any],
    new: dict[str, Any],
    source: str,
    origin: dict[tuple[str, ...], str],
    replaced: list[_Replaced],
    path: tuple[str, ...] = (),
) -> None:
    """Merge `new` into `into`, noting for each path which source set it last, and what it had."""
    for key, value in new.items():
        here = (*path, str(key))
        before = origin.get(here, source)
        origin[here] = source
        both = isinstance(into.get(key), dict) and isinstance(value, dict)
        if key in into and not both and (path or into[key] is not None):  # a section may be empty
            replaced.append((here, into[key], before))
        if not isinstance(value, dict):
            into[key] = value
            continue
        if not path and not isinstance(into.get(key), dict | None):  # a section has keys
            where, dotted = _place(here, {here: before})
            raise ConfigError(f"{where}: {dotted}expected keys; received {_told(into[key])}")
        if not isinstance(into.get(key), dict):
            into[key] = {}
        _merge(into[key], value, source, origin, replaced, here)


def _check_replaced(replaced: list[_Replaced], config: type[RunConfig]) -> None:
    """Check values that later ones took the place of: a mistake is one though nothing uses it.

    Each is checked by itself, since what it had to agree with may be replaced, too.

    Raises:
        ConfigError: names what had set it.
    """
    for location, value, source in replaced:
        model: Any = config
        for part in location[:-1]:
            field = getattr(model, "model_fields", {}).get(part)
            model = field and field.annotation
        field = getattr(model, "model_fields", {}).get(location[-1])
        if field is None:
            continue
        kind = Annotated[field.annotation, Field(), *field.metadata]
        try:
            TypeAdapter(kind).validate_python(value)
        except ValidationError as error:
            first = {**error.errors()[0], "loc": location, "input": value}
            raise ConfigError(next(_explain(first, config, {location: source}))) from None


def _explain(
    error: Any, config: type[RunConfig], origin: dict[tuple[str, ...], str]
) -> Iterator[str]:
    """One line for one of pydantic's errors: where, which key, what was wrong."""
    location = tuple(str(part) for part in error["loc"] if str(part) not in ("str", "int"))
    where, dotted = _place(location, origin)
    received = error["input"]
    if error["type"] == "extra_forbidden":
        yield from _explain_unknown_key(location, received, config, origin)
        return
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if error["type"] == "model_type":
        message = f"expected keys, such as {', '.join(_fields_at(location, config)[:3])}"
    if isinstance(received, dict | RunConfig):
        yield f"{where}: {dotted}{message}"
    else:
        yield f"{where}: {dotted}{message}; received {_told(received)}"


def _explain_unknown_key(
    location: tuple[str, ...],
    received: Any,
    config: type[RunConfig],
    origin: dict[tuple[str, ...], str],
) -> Iterator[str]:
    """Say of a key whether other tasks have it, and else which known one is near.

    A whole section may be other tasks' own; then each of its keys is named.
    """
    if len(location) == 1 and isinstance(received, dict):
        keys = [(location[0], str(key)) for key in received]
        if keys and all(tasks_of(*key) for key in keys):
            for key in keys:
                yield from _explain_unknown_key(key, None, config, origin)
            return
    where, dotted = _place(location, origin)
    task = config.model_fields["task"].default
    if len(location) == 2 and (tasks := tasks_of(*location)):
        yield f"{where}: {dotted}no option of the task {task!r}; it is for {', '.join(tasks)}"
        return
    known = _fields_at(location[:-1], config)
    yield f"{where}: {dotted}unknown key {location[-1]!r}{did_you_mean(location[-1], known)}"


def _place(location: tuple[str, ...], origin: dict[tuple[str, ...], str]) -> tuple[str, str]:
    """What set a key, and the key itself where that doesn't say it."""
    source = next(
        (origin[location[:n]] for n in range(len(location), 0, -1) if location[:n] in origin),
        "configuration",
    )
    where = f"{source} {'.'.join(location)}" if source == "--set" else source
    dotted = "" if source.startswith("--") or not location else f"{'.'.join(location)}: "
    return where, dotted


def _fields_at(path: tuple[str, ...], config: type[RunConfig]) -> list[str]:
    model: Any = config
    for part in path:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
