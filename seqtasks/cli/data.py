"""`seqtasks data`."""

import json
from typing import Any

import click

from seqtasks.cli.options import config_from, config_options, data_options
from seqtasks.config import RunConfig

_SPLITS = ("train", "validation", "test")


@click.group()
def data() -> None:
    """List, show and describe data sets."""


@data.command("list")
def list_() -> None:
    """Say what can be given as --data."""
    for source, what in (
        (
            "toy_sentiment",
            "toy reviews, English and Korean, in which word order decides (made here)",
        ),
        ("FILE.tsv", "text, tab, label; no header unless a column is named"),
        ("FILE.csv", "a header with the columns text and label, or others by name"),
        ("FILE.jsonl", 'objects with the keys "text" and "label", or others by name'),
        (
            "tfds:NAME",
            "any text classification set of TensorFlow Datasets, such as tfds:imdb_reviews",
        ),
    ):
        click.echo(f"{source:14}  {what}")


def _source_options(command: Any) -> Any:
    for option in (
        config_options,
        data_options,
        click.option("--test", metavar="FILE", help="Test data; else a part of the source."),
        click.option("--validation", metavar="FILE", help="Validation data; else a part of it."),
        click.argument("source", required=False),
    ):
        command = option(command)
    return command


def _config(source, validation, test, text_column, label_column, header, config_files, assignments):
    options = {
        "data.source": source, "data.validation": validation, "data.test": test,
        "data.text_column": text_column, "data.label_column": label_column, "data.header": header,
    }  # fmt: skip
    return config_from(config_files, assignments, options)


def _load(config: RunConfig) -> Any:
    if not _is_file(config.data.source):
        from seqtasks.cli.quiet import start_tensorflow

        start_tensorflow()
    from seqtasks.data.sources import load_splits

    options = config.data.model_dump()
    return load_splits(options.pop("source"), **options, seed=config.seed)


def _is_file(source: str) -> bool:
    return "." in source and not source.startswith("tfds:")


@data.command()
@_source_options
@click.option(
    "--split", type=click.Choice(_SPLITS), default="train", show_default=True, help="Which part."
)
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=10, show_default=True, help="How many."
)
def show(split: str, number: int, **source_options: Any) -> None:
    """Print the first examples of a split of SOURCE: label, tab, text."""
    part = getattr(_load(_config(**source_options)), split)
    if part is None:
        raise click.UsageError(f"there is no {split} split")
    for text, label in list(zip(part.texts, part.labels, strict=True))[:number]:
        click.echo(f"{label}\t{' '.join(text.split())}")


@data.command()
@_source_options
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def describe(as_json: bool, **source_options: Any) -> None:
    """Say what is in SOURCE before training: classes, lengths, unknown words.

    Tokens and vocabulary are those that training with the same options would use.
    """
    from seqtasks.cli.quiet import start_tensorflow

    config = _config(**source_options)
    start_tensorflow()
    from seqtasks.data.sources import describe as describe_splits
    from seqtasks.data.sources import label_names
    from seqtasks.text.encoder import TextEncoder

    splits = _load(config)
    label_names(splits)
    encoder = TextEncoder.from_texts(splits.train.texts, **config.text.model_dump())
    description = describe_splits(splits)
    for name, facts in description.items():
        lengths, unknown = encoder.statistics(getattr(splits, name).texts)
        facts["tokens"] = _spread(lengths)
        facts["unknown_rate"] = unknown
    if as_json:
        click.echo(json.dumps(description, ensure_ascii=False))
        return
    for name, facts in description.items():
        _print(name, facts, config.text.unit)


def _spread(lengths: list[int]) -> dict[str, float]:
    import numpy as np

    p50, p95 = np.percentile(lengths, [50, 95])
    return {
        "min": min(lengths),
        "median": float(p50),
        "mean": float(np.mean(lengths)),
        "p95": float(p95),
        "max": max(lengths),
    }


def _print(name: str, facts: dict[str, Any], unit: str) -> None:
    click.echo(f"{name}: {facts['examples']:,} examples from {facts['source']}")
    total = facts["examples"]
    for label, count in list(facts["labels"].items())[:20]:
        click.echo(f"  label {label}: {count:,} ({count / total:.1%})")
    if len(facts["labels"]) > 20:
        click.echo(f"  ... and {len(facts['labels']) - 20} more labels")
    for what in ("characters", "tokens"):
        spread = "  ".join(f"{key} {value:,.4g}" for key, value in facts[what].items())
        click.echo(f"  {what if what == 'characters' else f'{unit}s, as read'}: {spread}")
    click.echo(f"  unknown {unit}s: {facts['unknown_rate']:.2%}")
    shared = facts["shared_with_train"]
    more = "" if shared is None else f"   also in train: {shared:,}"
    click.echo(f"  empty: {facts['empty_texts']:,}   repeated: {facts['duplicates']:,}{more}")
