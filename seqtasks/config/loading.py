"""From defaults, files and options to a checked `RunConfig`."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from seqtasks.config.schema import RunConfig, is_for, tasks_of
from seqtasks.errors import ConfigError, did_you_mean


def load_config(
    files: tuple[Path, ...] = (),
    assignments: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
) -> RunConfig:
    """Merge defaults, files (later ones win), `key=value` assignments and options, in this order.

    Arguments:
        files: YAML files that hold any part of a `RunConfig`.
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
    for path in files:
        _merge(merged, _read_yaml(path), str(path), origin)
    for assignment in assignments:
        key, value = _parse_assignment(assignment)
        _merge(merged, _nested(key, value), "--set", origin)
    for key, value in (options or {}).items():
        if value is not None:
            _merge(merged, _nested(key, value), f"--{key.split('.')[-1]}", origin)
    try:
        config = RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(e, origin) for e in error.errors())) from None
    _check_options_are_for(config.task, merged, origin)
    return config


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
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
        raise ConfigError(f"--set {assignment}: expected key=value, such as model.units=128")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {assignment}: the value isn't YAML") from None


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _merge(
    into: dict[str, Any],
    new: dict[str, Any],
    source: str,
    origin: dict[tuple[str, ...], str],
    path: tuple[str, ...] = (),
) -> None:
    """Merge `new` into `into`, noting for each path which source set it last."""
    for key, value in new.items():
        here = (*path, str(key))
        origin[here] = source
        if not isinstance(value, dict):
            into[key] = value
            continue
        if not isinstance(into.get(key), dict):
            into[key] = {}
        _merge(into[key], value, source, origin, here)


def _check_options_are_for(
    task: str, given: dict[str, Any], origin: dict[tuple[str, ...], str]
) -> None:
    """Refuse an option that `task` would never look at."""
    for section, options in given.items():
        for key in options if isinstance(options, dict) else ():
            if not is_for(task, section, key):
                where, dotted = _place((section, key), origin)
                raise ConfigError(
                    f"{where}: {dotted}no option of the task {task!r}; "
                    f"it is for {', '.join(tasks_of(section, key))}"
                )


def _explain(error: Any, origin: dict[tuple[str, ...], str]) -> str:
    """One line for one of pydantic's errors: where, which key, what was wrong."""
    location = tuple(str(part) for part in error["loc"] if str(part) not in ("str", "int"))
    where, dotted = _place(location, origin)
    if error["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        return f"{where}: {dotted}unknown key {location[-1]!r}{did_you_mean(location[-1], known)}"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    received = error["input"]
    if error["type"] == "model_type":
        message = f"expected keys, such as {', '.join(_fields_at(location)[:3])}"
    if isinstance(received, dict):
        return f"{where}: {dotted}{message}"
    return f"{where}: {dotted}{message}; received {received!r}"


def _place(location: tuple[str, ...], origin: dict[tuple[str, ...], str]) -> tuple[str, str]:
    """What set a key, and the key itself where that doesn't say it."""
    source = next(
        (origin[location[:n]] for n in range(len(location), 0, -1) if location[:n] in origin),
        "configuration",
    )
    where = f"{source} {'.'.join(location)}" if source == "--set" else source
    dotted = "" if source.startswith("--") or not location else f"{'.'.join(location)}: "
    return where, dotted


def _fields_at(path: tuple[str, ...]) -> list[str]:
    model: Any = RunConfig
    for part in path:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
