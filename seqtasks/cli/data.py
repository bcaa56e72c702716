"""`seqtasks data`."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks import advice
from seqtasks.cli.options import config_options, configured, data_options, tell, with_vectors
from seqtasks.config import CONFIGS, TASKS, RunConfig, load_config

if TYPE_CHECKING:
    from seqtasks.data.splits import Splits

_SPLITS = ("train", "validation", "test")
_SHOWN_LABELS = 20


@click.group()
def data() -> None:
    """List, show and describe data sets."""


@data.command("list")
def list_() -> None:
    """List what each task takes as --data."""
    for task, config in CONFIGS.items():
        click.echo(f"{task}:")
        for source, what in config.SOURCES:
            click.echo(f"  {source:15}  {what}")


def _source_options(command: Any) -> Any:
    for option in (
        config_options,
        data_options,
        click.option("--test", metavar="FILE", help="Test data. Default: 10 % of the source."),
        click.option(
            "--task",
            type=click.Choice(TASKS),
            help="Task that reads the source. Default: sentiment.",
        ),
        click.option(
            "--validation", metavar="FILE", help="Validation data. Default: 10 % of the source."
        ),
        click.argument("source", required=False),
    ):
        command = option(command)
    return command


def _config(
    config_files: tuple[Path, ...], assignments: tuple[str, ...], **options: Any
) -> RunConfig:
    return load_config(config_files, assignments, configured(options))


def _load(config: RunConfig) -> "Splits":
    """The configured splits, with notices. TensorFlow starts for toy sets and TFDS only."""
    from seqtasks.tasks.sources import load_splits, notices, read_files

    if splits := read_files(config):
        tell(notices(config, splits))
        return splits
    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    return load_splits(config)


@data.command()
@_source_options
@click.option(
    "--split", type=click.Choice(_SPLITS), default="train", show_default=True, help="Split to show."
)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Number of examples to show.",
)
def show(split: str, number: int, **source_options: Any) -> None:
    """Print the first examples of a split of SOURCE, a line each."""
    from seqtasks.data.splits import TooFew
    from seqtasks.tasks.sources import read_part

    config = _config(**source_options)
    try:
        part = _load(config).parts().get(split)
    except TooFew as error:
        if split != "train":
            raise
        part = read_part(config, config.data.source)
        tell([f"{error}; all examples are shown"])
    if part is None:
        raise click.UsageError(f"there is no {split} split")
    for line in islice(part.shown(), number):
        click.echo(line)


@data.command()
@_source_options
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def describe(as_json: bool, **source_options: Any) -> None:
    """Describe SOURCE before training: classes, lengths, unknown words, and what to do about them.

    Tokens and vocabulary are those that training with the same options would use; lengths are those
    of whole texts, also where training cuts them.
    """
    config = with_vectors(_config(**source_options))
    splits = _load(config)
    told = None
    from seqtasks.tasks.sources import are_files

    if are_files(config):
        from seqtasks.tasks.chosen import choose

        chosen = choose(config, splits)
        config = chosen.config
        told = chosen.values and f"train chooses for {chosen.why}: {chosen.flags}"

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.tasks.registry import get_task

    description = get_task(config.task).describe(config, splits)
    _count_bad_rows(description, splits)
    if as_json:
        click.echo(json.dumps(description, ensure_ascii=False))
        return
    suggested = [
        *advice.for_data(description, config.text.unit),
        *advice.for_rows(description),
        *([told] if told else []),
    ]
    for name, facts in description.items():
        examples = f"{facts.pop('examples'):,} examples " if "examples" in facts else ""
        click.echo(f"{name}: {examples}from {facts.pop('source')}")
        for key, value in facts.items():
            for line in _lines(key, value, config.text.unit):
                click.echo(f"  {line}")
    from seqtasks.cli.screen import show_advice

    show_advice(suggested)


def _count_bad_rows(description: dict[str, dict[str, Any]], splits: "Splits") -> None:
    """Add how many rows of a file were left out, once for each file."""
    told: list[Any] = []
    for name, part in splits.parts().items():
        bad = getattr(part, "bad_rows", None)
        if bad and bad not in told and name in description:
            told.append(bad)
            description[name]["bad_rows_left_out"] = bad.count


def _lines(key: str, value: Any, unit: str) -> Iterator[str]:
    """One fact in words."""
    unit = unit.partition("+")[0]
    what = {
        "tokens": f"{unit}s, whole texts",
        "unknown_rate": f"unknown {unit}s",
        "unknown_in_training_rate": f"{unit}s read as unknown in training",
        "unknown_target_in_training_rate": "target tokens read as unknown in training",
        "words_with_a_vector_rate": "words with a vector from outside",
        "tokens_with_a_vector_rate": f"{unit}s of the text with a vector from outside",
    }.get(key, key.removesuffix("_rate").replace("_", " "))
    if key in ("labels", "tags"):
        total = sum(value.values())
        for label, count in list(value.items())[:_SHOWN_LABELS]:
            yield f"{key.removesuffix('s')} {label}: {count:,} ({count / total:.1%})"
        if len(value) > _SHOWN_LABELS:
            yield f"... and {len(value) - _SHOWN_LABELS} more {key}"
    elif isinstance(value, dict):
        yield f"{what}: " + "  ".join(f"{name} {number:,.4g}" for name, number in value.items())
    elif isinstance(value, float):
        yield f"{what}: {value:.2%}"
    elif value is not None:
        yield f"{what}: {value:,}" if isinstance(value, int) else f"{what}: {value}"
