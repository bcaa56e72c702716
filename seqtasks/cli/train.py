"""`seqtasks train`."""

import json
from pathlib import Path
from typing import Any

import click

from seqtasks.cli.options import config_from, config_options, data_options, runs_dir_option
from seqtasks.config import TASKS
from seqtasks.runs import find_run


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
    task: str | None, topology: str | None, arch: str | None, layers: int | None,
    units: int | None, data: str | None, validation: str | None, test: str | None,
    text_column: str | None, label_column: str | None, header: bool | None,
    config_files: tuple[Path, ...], assignments: tuple[str, ...], seed: int | None,
    epochs: int | None, name: str | None, runs_dir: Path, resumed: Path | None,
    overwrite: bool, as_json: bool,
) -> None:  # fmt: skip
    """Teach a model and write its run directory.

    With no option at all, a BiLSTM learns the toy reviews, English and Korean, in about two
    minutes. Ctrl-C saves; --resume goes on.
    """
    options: dict[str, Any] = {
        "task": task, "model.topology": topology, "model.arch": arch, "model.layers": layers,
        "model.units": units, "data.source": data, "data.validation": validation,
        "data.test": test, "data.text_column": text_column,
        "data.label_column": label_column, "data.header": header, "seed": seed,
        "training.epochs": epochs, "name": name,
    }  # fmt: skip
    run = None
    if resumed is not None:
        if overwrite:
            raise click.UsageError(
                "--resume goes on with a run, --overwrite begins it anew: choose"
            )
        run = find_run(resumed, runs_dir)
        config_files = (run.config_file, *config_files)
    config = config_from(config_files, assignments, options)

    from seqtasks.cli.quiet import start_tensorflow
    from seqtasks.cli.screen import TrainingScreen, show_outcome

    with TrainingScreen(config, quiet=as_json) as screen:
        start_tensorflow()
        from seqtasks.training import session

        if run is not None:
            outcome = session.resume(run, config, screen)
        else:
            outcome = session.train(config, runs_dir, overwrite, screen)
    if as_json:
        click.echo(json.dumps(session.summary(outcome)))
    else:
        show_outcome(outcome)
