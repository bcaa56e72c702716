"""`seqtasks data`."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from seqtasks.cli.options import config_options, configured, data_options
from seqtasks.config import TASKS, RunConfig, load_config

_SPLITS = ("train", "validation", "test")
_SHOWN_LABELS = 20


@click.group()
def data() -> None:
    """List, show and describe data sets."""


@data.command("list")
def list_() -> None:
    """Say what can be given as --data."""
    for source, what in (
        ("toy_sentiment", "sentiment: reviews, English and Korean, in which word order decides"),
        ("toy_documents", "documents: reviews of many sentences, one of which decides"),
        ("toy_tagging", "tagging: parts of speech of the toy reviews"),
        ("toy_translation", "translation: English to Korean, one right answer each"),
        ("toy_text", "language_model: the toy reviews as one text"),
        ("toy_recall", "recall: who was named at the start, after data.distance words"),
        ("digits", "captioning: scikit-learn's digits, spelled; digits-ko, digits-both"),
        ("FILE.tsv", "text, tab, label or translation; no header unless a column is named"),
        ("FILE.csv", "a header with the columns text and label, or others by name"),
        ("FILE.jsonl", 'objects with the keys "text" and "label", or others by name'),
        ("FILE.en,FILE.fr", "translation: two parallel files"),
        ("FILE.conllu", "tagging: CoNLL-U; or a word and its tag a line, a blank line between"),
        ("FILE.npz,FILE", "captioning: an array of images, and a caption a line"),
        ("FILE.txt", "language_model: any text"),
        ("tfds:NAME", "sentiment, documents: any text classification set of TensorFlow Datasets"),
    ):
        click.echo(f"{source:15}  {what}")


def _source_options(command: Any) -> Any:
    for option in (
        config_options,
        data_options,
        click.option("--test", metavar="FILE", help="Test data; else a part of the source."),
        click.option("--task", type=click.Choice(TASKS), help="What for; default sentiment."),
        click.option("--validation", metavar="FILE", help="Validation data; else a part of it."),
        click.argument("source", required=False),
    ):
        command = option(command)
    return command


def _config(
    config_files: tuple[Path, ...], assignments: tuple[str, ...], **options: Any
) -> RunConfig:
    return load_config(config_files, assignments, configured(options))


def _load(config: RunConfig) -> Any:
    """The configured task's module and its splits."""
    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.tasks import get_task

    task = get_task(config.task)
    return task, task.load_splits(config)


@data.command()
@_source_options
@click.option(
    "--split", type=click.Choice(_SPLITS), default="train", show_default=True, help="Which part."
)
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=10, show_default=True, help="How many."
)
def show(split: str, number: int, **source_options: Any) -> None:
    """Print the first examples of a split of SOURCE, a line each."""
    task, splits = _load(_config(**source_options))
    part = splits.parts().get(split)
    if part is None:
        raise click.UsageError(f"there is no {split} split")
    for line in islice(task.show(part), number):
        click.echo(line)


@data.command()
@_source_options
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def describe(as_json: bool, **source_options: Any) -> None:
    """Say what is in SOURCE before training: classes, lengths, unknown words.

    Tokens and vocabulary are those that training with the same options would use.
    """
    config = _config(**source_options)
    task, splits = _load(config)
    description = task.describe(config, splits)
    if as_json:
        click.echo(json.dumps(description, ensure_ascii=False))
        return
    for name, facts in description.items():
        examples = f"{facts.pop('examples'):,} examples " if "examples" in facts else ""
        click.echo(f"{name}: {examples}from {facts.pop('source')}")
        for key, value in facts.items():
            for line in _lines(key, value, config.text.unit):
                click.echo(f"  {line}")


def _lines(key: str, value: Any, unit: str) -> Iterator[str]:
    """One fact in words."""
    unit = unit.partition("+")[0]
    what = {"tokens": f"{unit}s, as read", "unknown_rate": f"unknown {unit}s"}.get(
        key, key.removesuffix("_rate").replace("_", " ")
    )
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
