"""The configurations of an experiment: every arch with every value of the varied keys, by seeds."""

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

import yaml

from seqtasks.config import RunConfig, parse_config
from seqtasks.errors import ConfigError
from seqtasks.runs import default_name

_LONGEST = 60  # letters of a value in a run's name


def parse_over(given: str) -> tuple[str, list[Any]]:
    """A key and the values it takes in turn.

    Raises:
        ConfigError: no key, no value, or one twice.

    >>> parse_over("data.distance=10,30")
    ('data.distance', [10, 30])
    """
    key, equals, values = given.partition("=")
    try:
        found = yaml.safe_load(f"[{values}]") if equals and key else None
    except yaml.YAMLError:
        found = None
    if not found:
        raise ConfigError(
            f"--over {given}: expected a key and its values, such as data.distance=10,30,100"
        )
    if len({repr(value) for value in found}) < len(found):
        raise ConfigError(f"--over {given}: a value stands there twice")
    if key in ("seed", "name", "task"):
        instead = {"seed": "; use --seeds"}.get(key, "")
        raise ConfigError(f"--over {given}: {key} can't be varied{instead}")
    return key, found


def parse_seeds(given: str, first: int = 1) -> list[int]:
    """How many seeds, counted from `first`, or which ones.

    Raises:
        ConfigError: where it is neither.

    >>> parse_seeds("3"), parse_seeds("4,7"), parse_seeds("7,")
    ([1, 2, 3], [4, 7], [7])
    """
    parts = [part.strip() for part in given.split(",")]
    listed = [part for part in parts if part]
    good = (
        listed
        and "" not in parts[:-1]
        and all(re.fullmatch(r"[0-9]{1,10}", part) for part in listed)
    )
    numbers = [int(part) for part in listed] if good else []
    if len(parts) == 1 and numbers:
        numbers = list(range(first, first + numbers[0])) if numbers[0] <= 1_000 else []
    if not numbers or len({*numbers}) < len(numbers):
        raise ConfigError(
            f"--seeds {given}: expected how many, such as 5, or different ones, such as 1,2,7"
        )
    return numbers


def with_seeds(config: RunConfig, name: str, seeds: Sequence[int]) -> list[RunConfig]:
    """A configuration with each of some seeds, NAME-seed1 and so on.

    Raises:
        ConfigError: a seed that is none.
    """
    return [changed(config, f"{name}-seed{seed}", {"seed": seed}, "--seeds") for seed in seeds]


def grid(
    config: RunConfig, over: Sequence[tuple[str, Sequence[Any]]], seeds: Sequence[int]
) -> list[RunConfig]:
    """Every combination of the varied keys' values, with each of the seeds.

    Args:
        config: what is the same in all of them.
        over: the keys and their values; the last one varies fastest.

    Returns:
        Configurations, each with a name of its own that says what is varied.

    Raises:
        ConfigError: a key that the task lacks, or a value it can't have.

    >>> from seqtasks.config import RecallConfig
    >>> made = grid(RecallConfig(), [("model.arch", ["rnn", "gru"]), ("data.distance", [9])], [1])
    >>> [(one.name, one.model.arch) for one in made]
    [('rnn-distance9-seed1', 'rnn'), ('gru-distance9-seed1', 'gru')]
    """
    if twice := [key for n, (key, _) in enumerate(over) if key in dict(over[:n])]:
        raise ConfigError(f"--over {twice[0]}: this key is varied already")
    made = []
    for values in product(*(values for _, values in over)):
        chosen = dict(zip((key for key, _ in over), values, strict=True))
        name = "-".join(_named(key, value) for key, value in chosen.items()) or "run"
        varied = changed(config, name, chosen, "--over")
        made += with_seeds(varied, name, seeds)
    names = [one.name for one in made]
    if len({*names}) < len(names):  # values that differ in what no file name can have
        return [
            one.model_copy(update={"name": f"{number:03}-{one.name}"})
            for number, one in enumerate(made, start=1)
        ]
    return made


def changed(config: RunConfig, name: str, keys: dict[str, Any], option: str) -> RunConfig:
    """A configuration with other values of some keys, checked as any other.

    Args:
        option: what says the values, or the place in a file, for messages.

    Raises:
        ConfigError: a key that the task lacks, or a value it can't have.
    """
    given = config.model_dump(exclude_unset=True)
    origin: dict[tuple[str, ...], str] = {}
    for key, value in {"task": config.task, "name": name, **keys}.items():
        *sections, last = key.split(".")
        into = given
        for section in sections:
            into = into.setdefault(section, {})
            if not isinstance(into, dict):
                raise ConfigError(f"{option} {key}: {'.'.join(sections)} has no keys")
        into[last] = value
        told = f"{option} {key}" if option.startswith("--") else option
        for depth in range(1, len(sections) + 2):
            origin.setdefault(tuple(key.split(".")[:depth]), told)
    return parse_config(given, origin)


def _named(key: str, value: Any) -> str:
    """A varied key and its value in a run's name, which is a folder's on any system."""
    text = re.sub(r"[^\w.+-]+", "_", str(value), flags=re.UNICODE)[:_LONGEST]
    return text if key == "model.arch" else f"{key.rpartition('.')[2]}{text}"


def default_experiment(config: RunConfig, over: Sequence[tuple[str, Sequence[Any]]]) -> str:
    """Name an experiment after its data and what it varies.

    >>> from seqtasks.config import RecallConfig
    >>> default_experiment(RecallConfig(), [("model.arch", ["rnn"]), ("data.distance", [9])])
    'toy_recall-by-arch-distance'
    """
    source = default_name(config).removesuffix(f"-{config.model.arch}")
    return "-".join([source, "by", *(key.rpartition(".")[2] for key, _ in over)])
