"""`seqtasks config`."""

import json
from pathlib import Path

import click

from seqtasks.cli.options import config_options
from seqtasks.config import load_config
from seqtasks.config.schema import json_schema


@click.group()
def config() -> None:
    """Show, check and explain configurations."""


@config.command()
@config_options
def show(config_files: tuple[Path, ...], assignments: tuple[str, ...]) -> None:
    """Print the whole configuration as YAML, every default spelled out."""
    click.echo(load_config(config_files, assignments).to_yaml(), nl=False)


@config.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check FILES, each on its own."""
    for path in files:
        load_config((path,))
        click.echo(f"{path}: good")


@config.command()
def schema() -> None:
    """Print the JSON schema: every key, its type, its limits and what it is for."""
    click.echo(json.dumps(json_schema(), indent=2))
