"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from seqtasks.config import RunConfig, load_config
from seqtasks.errors import ConfigError
from seqtasks.runs import Run

OPTION_KEYS = {
    "task": "task", "seed": "seed", "name": "name", "from_run": "from_run",
    "epochs": "training.epochs",
    "precision": "training.precision", "topology": "model.topology", "arch": "model.arch",
    "layers": "model.layers", "units": "model.units",
    "source": "data.source", "data": "data.source",
    "validation": "data.validation", "test": "data.test", "text_column": "data.text_column",
    "label_column": "data.label_column", "header": "data.header",
}  # fmt: skip

assignments_option = click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set a key of the configuration, such as model.units=128. Repeatable.",
)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config FILE` and `--set KEY=VALUE`, both repeatable."""
    for option in (
        assignments_option,
        click.option(
            "--config",
            "config_files",
            metavar="FILE|NAME",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Read a YAML file, or a shipped one by its NAME; later files win. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a file of examples is read."""
    for option in (
        click.option(
            "--header/--no-header",
            default=None,
            help="Say whether the first row names the columns. Default: only in CSV and Excel.",
        ),
        click.option(
            "--label-column",
            metavar="COLUMN",
            help="Name or number (from 0) of the label's column. Default: label, or 1.",
        ),
        click.option(
            "--text-column",
            metavar="COLUMN",
            help="Name or number (from 0) of the text's column. Default: text, or 0.",
        ),
    ):
        command = option(command)
    return command


def column(value: str) -> str | int:
    """Take a column given by its number as a number.

    >>> column("2"), column("review")
    (2, 'review')
    """
    return int(value) if value.isdecimal() else value


def configured(options: dict[str, Any]) -> dict[str, Any]:
    """Give options of the command line their keys in the configuration.

    >>> configured({"units": 8, "text_column": "2"})
    {'model.units': 8, 'data.text_column': 2}
    """
    keyed = {OPTION_KEYS[name]: value for name, value in options.items()}
    for key in ("data.text_column", "data.label_column"):
        if keyed.get(key) is not None:
            keyed[key] = column(keyed[key])
    return keyed


# Settings of a finished run that may be other ones: where data are and how they are read, how much
# at once, how text is written. What is left decides what the weights are.
_FREE_IN_A_RUN = (
    "data.", "decoding.", "text.max_length", "text.max_sentences", "training.batch_size",
    "training.batch_tokens",
)  # fmt: skip


def run_config(
    run: Run, assignments: tuple[str, ...], options: dict[str, Any] | None = None
) -> RunConfig:
    """A finished run's configuration with what the command line changes in it.

    Raises:
        ConfigError: as `load_config`, or a setting that can't be another one any more.
    """
    for assignment in assignments:
        key = assignment.partition("=")[0]
        if "=" in assignment and not f"{key}.".startswith(_FREE_IN_A_RUN):
            load_config((run.config_file,), (assignment,))  # an unknown key is told as one
            raise ConfigError(
                f"--set {key}: {run.path} was trained with its own; a finished run takes other "
                f"values of {', '.join(part.rstrip('.') for part in _FREE_IN_A_RUN)} only"
            )
    return load_config((run.config_file,), assignments, options)


class Folder(click.Path):
    """A folder's path, which may be there or not, but not an empty string: that is a mistake."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name, which would be this folder."""
        if str(value) == "":
            self.fail("expected a folder; received an empty name", param, ctx)
        return super().convert(value, param, ctx)


def tell(notices: list[str]) -> None:
    """Print on the error stream what of the data is probably not as it was meant."""
    for notice in notices:
        click.echo(f"Note: {notice}", err=True)


def with_vectors(config: RunConfig) -> RunConfig:
    """Check a configuration's file of vectors, if it has one, and give the model its width."""
    if not getattr(config.text, "vectors", None):
        return config
    from seqtasks.tasks.outside_vectors import check_vectors, fitted

    tell(check_vectors(config))
    return fitted(config)


def with_source(config: RunConfig, runs_dir: Path) -> RunConfig:
    """Check that a configuration fits the run that it begins from, if any; take over its settings.

    Raises:
        ConfigError, RunError: as `begun_from`.
    """
    if config.from_run is None:
        return config
    from seqtasks.tasks.source_run import begun_from

    return begun_from(config, runs_dir)


from_option = click.option(
    "--from",
    "from_run",
    metavar="RUN",
    help="Begin from the weights of a run: one of the same task, whose vocabulary and classes are "
    "widened, or a language model of lines (data.lines=true) for a task that reads texts.",
)
accept_new_data_option = click.option(
    "--accept-new-data",
    is_flag=True,
    help="Go on though the data are others than those the run was begun with.",
)
runs_dir_option = click.option(
    "--runs-dir",
    default="runs",
    show_default=True,
    type=Folder(),
    help="Folder of the run directories.",
)
run_argument = click.argument("run", type=click.Path(path_type=Path))
