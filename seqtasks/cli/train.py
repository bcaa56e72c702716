"""`seqtasks train`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.cli.options import (
    config_options,
    configured,
    data_options,
    runs_dir_option,
)
from seqtasks.config import TASKS, RunConfig, load_config
from seqtasks.runs import Run, choose_path, find_run

if TYPE_CHECKING:
    from seqtasks.data.splits import Splits


@click.command()
@click.option("--task", type=click.Choice(TASKS), help="What to teach; default sentiment.")
@click.option("--arch", help="[stacked-][bi]rnn|lstm|gru, such as bilstm (the default).")
@click.option("--layers", type=int, help="Recurrent layers of a stacked arch.")
@click.option("--units", type=int, help="Hidden units per direction.")
@click.option("--topology", help="flat or hierarchical: of sentences of words.")
@click.option("--data", metavar="SOURCE", help="A toy set, a file of the task's format, tfds:NAME.")
@click.option("--validation", metavar="FILE", help="Validation data; else a part of the data.")
@click.option("--test", metavar="FILE", help="Test data; else a part of the data.")
@data_options
@config_options
@click.option("--seed", type=int, help="Of weights, batches and dropout.")
@click.option("--epochs", type=int, help="At most so many.")
@click.option("--precision", help="float32 (the default), or mixed_bfloat16: faster on new CPUs.")
@click.option("--name", help="Of the run; default: data set and arch.")
@runs_dir_option
@click.option(
    "--resume",
    "resumed",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with an interrupted run.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run of the same name.")
@click.option("--json", "as_json", is_flag=True, help="End with the figures as JSON.")
def train(
    config_files: tuple[Path, ...], assignments: tuple[str, ...], runs_dir: Path,
    resumed: Path | None, overwrite: bool, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Teach a model and write its run directory.

    With no option at all, a BiLSTM learns the toy reviews, English and Korean, in about two
    minutes. Ctrl-C saves; --resume goes on.
    """
    run = None
    if resumed is not None:
        if overwrite:
            raise click.UsageError(
                "--resume goes on with a run, --overwrite begins it anew: choose"
            )
        run = find_run(resumed, runs_dir)
        config_files = (run.config_file, *config_files)
    config = load_config(config_files, assignments, configured(options))

    from seqtasks.cli.screen import TrainingScreen, show_outcome
    from seqtasks.cli.startup import start_tensorflow

    splits = _check(config, run, runs_dir, overwrite)
    with TrainingScreen(config, quiet=as_json) as screen:
        start_tensorflow(halve_cores=True)
        from seqtasks.training import train as training

        if run is not None:
            outcome = training.resume(run, config, screen, splits)
        else:
            outcome = training.train(config, runs_dir, overwrite, screen, splits)
    if as_json:
        click.echo(json.dumps(training.summary(outcome)))
    else:
        show_outcome(outcome)


def _check(config: RunConfig, run: Run | None, runs_dir: Path, overwrite: bool) -> "Splits | None":
    """Say what is wrong before TensorFlow starts; give the data that were read for it."""
    from seqtasks.tasks.sources import read_files

    if run is None:
        choose_path(runs_dir, config, overwrite)
    else:
        from seqtasks.training.resumable import check_resumable

        check_resumable(run, config)
    return read_files(config)
