"""`seqtasks train`."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.cli.options import (
    accept_new_data_option,
    config_options,
    configured,
    data_options,
    from_option,
    runs_dir_option,
    tell,
    with_source,
    with_vectors,
)
from seqtasks.cli.workers import (
    Others,
    asked_cluster,
    check_devices,
    check_shares,
    devices_team,
    join,
    team_of,
    watch_parent,
    worker_options,
)
from seqtasks.config import TASKS, RunConfig, load_config
from seqtasks.config.arch import RULE
from seqtasks.runs import Run, check_free, choose_path, default_name, find_run, version_notices

if TYPE_CHECKING:
    from seqtasks.data.splits import Splits


@click.command()
@click.option("--task", type=click.Choice(TASKS), help="Task to train. Default: sentiment.")
@click.option("--arch", help=f"Recurrent network: {RULE}. Default: bilstm, or the task's.")
@click.option(
    "--layers", type=int, help="Number of recurrent layers of a stacked arch. Default: 2."
)
@click.option("--units", type=int, help="Hidden units per direction. Default: 64, or the task's.")
@click.option(
    "--topology",
    help="flat, or hierarchical: words make sentences, sentences the document. Default: flat.",
)
@click.option(
    "--data",
    metavar="SOURCE",
    help="Toy set, file in the task's format, or tfds:NAME. Default: the task's toy set.",
)
@click.option("--validation", metavar="FILE", help="Validation data. Default: 10 % of the data.")
@click.option("--test", metavar="FILE", help="Test data. Default: 10 % of the data.")
@data_options
@config_options
@click.option("--seed", type=int, help="Seed of weights, batches, dropout and splits. Default: 1.")
@click.option(
    "--seeds",
    metavar="N|LIST",
    help="Train with so many seeds, or with those of a list such as 1,2,7, one run after the "
    "other: NAME-seed1 and so on. The same command goes on after an interruption.",
)
@from_option
@click.option("--epochs", type=int, help="Number of epochs at most. Default: 20, or the task's.")
@click.option(
    "--precision",
    help="float32; bfloat16_products or mixed_bfloat16: faster on new CPUs. Default: float32.",
)
@click.option("--name", help="Name of the run. Default: data set and arch.")
@runs_dir_option
@click.option(
    "--resume",
    "resumed",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with an interrupted run, or with a finished one for more epochs.",
)
@accept_new_data_option
@click.option("--overwrite", is_flag=True, help="Replace a run of the same name.")
@worker_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print the final figures as JSON, and nothing else."
)
def train(
    config_files: tuple[Path, ...], assignments: tuple[str, ...], runs_dir: Path,
    resumed: Path | None, accept_new_data: bool, overwrite: bool, as_json: bool,
    seeds: str | None, workers: int | None, cluster: str | None, index: int | None,
    devices: str | None, **options: Any,
) -> None:  # fmt: skip
    """Train a model and write its run directory.

    With no option at all, a BiLSTM learns the toy reviews, English and Korean, in less than a
    minute on two cores. Of your own files' texts and tags, settings that you don't give are chosen
    by how many there are: a line says which, and the run's config.yaml has them all. Ctrl-C saves,
    as SIGTERM does; --resume goes on, also with what was killed.
    """
    run = None
    if resumed is not None:
        if overwrite:
            raise click.UsageError(
                "--resume goes on with a run, --overwrite begins it anew: choose"
            )
        if options["from_run"] is not None:
            raise click.UsageError("--resume goes on with a run, --from begins a new one: choose")
        run = find_run(resumed, runs_dir)
        config_files = (run.config_file, *config_files)
    config = load_config(config_files, assignments, configured(options))
    if run is None:
        config = with_source(config, runs_dir)
    if run is None and seeds is None:
        config = with_vectors(config)
    if seeds is not None:
        if run is not None:
            raise click.UsageError("--resume goes on with one run, --seeds trains several: choose")
        if workers is not None or cluster is not None:
            raise click.UsageError("--seeds trains one run after the other, in one process each")
        if devices is not None:
            raise click.UsageError("--seeds trains one run after the other, on one device each")
        _train_seeds(config, seeds, runs_dir, overwrite, as_json)
        return

    from seqtasks.cli.screen import TrainingScreen, show_outcome
    from seqtasks.cli.startup import start_tensorflow

    together = asked_cluster(workers, cluster, index)
    leads = together is None or together.index == 0
    check_devices(devices, together)
    if together:
        check_shares(together.size, "workers", config)
        watch_parent()
    elif devices not in (None, "all"):
        check_shares(int(devices), "devices", config)
    splits = _check(config, run, runs_dir, overwrite, accept_new_data, leads)
    told = None
    if run is None and splits is not None:
        from seqtasks.tasks.chosen import choose

        chosen = choose(config, splits)
        config, told = chosen.config, chosen.told()
    others = contextlib.nullcontext()
    if together and workers:
        others = Others(together, config, resumed, runs_dir)
    with TrainingScreen(config, quiet=as_json or not leads) as screen, others:
        if together:
            join(together, config, splits, others.look if isinstance(others, Others) else None)
            if not leads:
                click.echo(f"All workers are here; {together.name(0)} shows and writes the run")
        made = []
        start_tensorflow(halve_cores=True, first=lambda: made.append(team_of(together)))
        from seqtasks.tasks.first_example import first_example
        from seqtasks.tasks.sources import load_splits
        from seqtasks.training import train as training

        (team,) = made
        if devices is not None:
            team = devices_team(devices, config, screen.show)
        compared = splits is not None
        splits = splits or load_splits(config)
        screen.show(first_example(config, splits))
        if told:
            screen.show(told)
        if run is not None:
            outcome = training.resume(run, config, screen, splits, accept_new_data, compared, team)
        else:
            outcome = training.train(config, runs_dir, overwrite, screen, splits, screen.show, team)
    if not leads:
        return
    if as_json:
        click.echo(json.dumps(training.summary(outcome)))
    else:
        show_outcome(outcome, training.peer(outcome, splits))


def _train_seeds(
    config: RunConfig, given: str, runs_dir: Path, overwrite: bool, as_json: bool
) -> None:
    """Train a run for each seed, and say how far their scores spread."""
    from seqtasks.cli.several import chosen_by_data, show_seeds, train_several
    from seqtasks.experiments.grid import parse_seeds, with_seeds

    seeds = parse_seeds(given, config.seed)
    config = chosen_by_data(config, quiet=as_json)
    configs = with_seeds(config, config.name or default_name(config), seeds)
    found = train_several(configs, runs_dir, overwrite, quiet=as_json)
    if found is not None:
        show_seeds(found, as_json)


def _check(
    config: RunConfig,
    run: Run | None,
    runs_dir: Path,
    overwrite: bool,
    accept_new_data: bool,
    leads: bool,
) -> "Splits | None":
    """Say what is wrong before TensorFlow starts; give the data that were read for it.

    Of several workers the one that leads looks after the run.
    """
    from seqtasks.tasks.source_run import check_apart, check_labels
    from seqtasks.tasks.sources import check_training, notices, read_files
    from seqtasks.training.memory import check_memory
    from seqtasks.training.precision import precision_notices

    check_memory(config)
    if leads:
        tell(precision_notices(config))
    if run is None and leads:
        check_apart(config, choose_path(runs_dir, config, overwrite))
    elif run is not None and leads:
        from seqtasks.training.resumable import check_resumable

        check_free(run)
        check_resumable(run, config)
        tell(version_notices(run))
    splits = read_files(config)
    if splits is not None:
        if run is None:
            check_training(config, splits)
            check_labels(config, splits)
        elif leads:  # the others' data are compared with its own
            from seqtasks.tasks.run_data import check_data

            tell(check_data(run, config, splits, ("train", "validation"), accept_new_data))
        tell(notices(config, splits))
    return splits
