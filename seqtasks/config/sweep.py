"""The section `sweep` of a configuration file: which values of which keys a search may try.

    sweep:
      model.arch: [bilstm, bigru]                       one of these
      model.dropout: {from: 0.1, to: 0.6}               any number between
      training.learning_rate: {from: 5e-4, to: 8e-3, log: true}   as many below 2e-3 as above
      model.units: {from: 64, to: 256, step: 32}        whole numbers, 32 apart

It belongs to no run: `train` reads a file that has it as if it hadn't.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqtasks.errors import ConfigError

SECTION = "sweep"
_FORMS = "[a, b, c] or {from: 0.1, to: 0.6}, with log: true or a step if you like"
_KEYS = ("from", "to", "log", "step")
_FIXED = {
    "seed": "the best few are compared over several seeds (--seeds)",
    "name": "each trial has its own",
    "task": "scores of other tasks can't be compared",
    "training.select_by": "scores of other kinds can't be compared",
    "training.target": "a search is for the best there is",
}
_DIGITS = 3  # of a number that is drawn; more would say what no search finds out


@dataclass(frozen=True)
class Choices:
    """One of some values."""

    values: tuple[Any, ...]

    def some(self) -> list[Any]:
        """Values to check: all."""
        return list(self.values)

    def to_yaml(self) -> Any:
        """As it stands in a file."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """Numbers between two, which count; whole ones if both are.

    Attributes:
        log: whether they are drawn by their logarithm: as many from 1 to 10 as from 10 to 100.
        step: how far apart they are; None for any.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return all(isinstance(n, int) for n in (self.low, self.high, self.step or 1))

    def some(self) -> list[Any]:
        """Values to check: the ends, and one between."""
        numbers = (self.low, (self.low + self.high) / 2, self.high)
        return list(dict.fromkeys(map(self.near, numbers)))

    def near(self, number: float) -> float:
        """The value of the range that is written with few digits and is near to a number."""
        if self.step is not None:
            most = math.floor((self.high - self.low) / self.step + 1e-9)
            number = self.low + min(round((number - self.low) / self.step), most) * self.step
        if self.whole:
            number = round(number)
        elif self.step is not None:
            number = round(number, 9)
        elif number:
            number = round(number, _DIGITS - 1 - math.floor(math.log10(abs(number))))
        return min(max(number, self.low), self.high)

    def to_yaml(self) -> Any:
        """As it stands in a file."""
        found: dict[str, Any] = {"from": self.low, "to": self.high}
        found |= {"log": True} if self.log else {}
        return found if self.step is None else {**found, "step": self.step}


Space = dict[str, Choices | Range]


def json_schema() -> dict[str, Any]:
    """The JSON schema of the section: keys with dots, and the forms that values have."""
    number = {"anyOf": [{"type": "number"}, {"type": "string"}]}  # YAML takes 5e-4 for a string
    parts = {"from": number, "to": number, "log": {"type": "boolean"}, "step": number}
    between = {"type": "object", "properties": parts, "required": ["from", "to"]}
    one_of = {"type": "array", "minItems": 1, "uniqueItems": True}
    return {
        "type": "object",
        "description": "what `seqtasks sweep` tries of each key; training looks elsewhere",
        "minProperties": 1,
        "additionalProperties": {"anyOf": [one_of, {**between, "additionalProperties": False}]},
    }


def parse_space(given: Any, source: str) -> Space:
    """Check the section `sweep` and make its keys' choices and ranges.

    Args:
        given: what the file says.
        source: the file, for messages.

    Raises:
        ConfigError: names the key that has no such form, or that can't be searched over.

    >>> found = parse_space({"model.units": [8, 9], "model.dropout": {"from": 0, "to": 0.5}}, "a")
    >>> found["model.units"].some(), found["model.dropout"].some()
    ([8, 9], [0.0, 0.25, 0.5])
    """
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(
            f"{source}: {SECTION}: expected keys and what they may be, such as "
            "model.dropout: {from: 0.1, to: 0.6}"
        )
    return {str(key): _parsed(str(key), value, source) for key, value in given.items()}


def _parsed(key: str, value: Any, source: str) -> Choices | Range:
    where = f"{source}: {SECTION}: {key}"
    why = _FIXED.get(key) or (
        "scores on other data can't be compared" if key.split(".")[0] == "data" else None
    )
    if why:
        raise ConfigError(f"{where}: can't be searched over: {why}")
    if isinstance(value, list):
        if not value:
            raise ConfigError(f"{where}: expected a value or more; received none")
        if len({repr(one) for one in value}) < len(value):
            raise ConfigError(f"{where}: a value stands there twice")
        return Choices(tuple(value))
    if not isinstance(value, Mapping) or not {"from", "to"} <= value.keys():
        example = f"; {key}'s keys go with a dot" if isinstance(value, Mapping) else ""
        raise ConfigError(f"{where}: expected {_FORMS}{example}; received {value!r:.80}")
    if unknown := [name for name in value if name not in _KEYS]:
        raise ConfigError(f"{where}: a range has from, to, log and step; received {unknown[0]!r}")
    return _range(where, value)


def _range(where: str, value: Mapping[Any, Any]) -> Range:
    low, high = (_number(where, name, value[name]) for name in ("from", "to"))
    step = None if value.get("step") is None else _number(where, "step", value["step"])
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"{where}: log: expected true or false; received {log!r:.80}")
    if low >= high:
        raise ConfigError(f"{where}: no value is from {low} to {high}; expected a larger `to`")
    if log and low <= 0:
        raise ConfigError(f"{where}: log: expected a `from` above 0; received {low}")
    if log and step is not None:
        raise ConfigError(f"{where}: log and step exclude each other; choose one")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"{where}: step: expected more than 0 and at most {high - low:g}")
    if not all(isinstance(n, int) for n in (low, high, 1 if step is None else step)):
        low, high, step = float(low), float(high), None if step is None else float(step)
    return Range(low, high, log, step)


def _number(where: str, name: str, value: Any) -> float:
    """A number; YAML takes 5e-4 for a string, since it has no point."""
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    good = isinstance(number, int | float) and not isinstance(number, bool)
    if number is None or not good or not math.isfinite(number):
        raise ConfigError(f"{where}: {name}: expected a number; received {value!r:.80}")
    return number
