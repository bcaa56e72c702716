"""`seqtasks evaluate`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks import advice
from seqtasks.cli.asked import find_asked, named_run, runs_arguments, tell_average
from seqtasks.cli.options import (
    accept_new_data_option,
    assignments_option,
    configured,
    data_options,
    run_config,
    runs_dir_option,
    tell,
)
from seqtasks.config import RunConfig
from seqtasks.runs import Run, disk_errors, version_notices

if TYPE_CHECKING:
    from seqtasks.data.splits import Splits


@click.command()
@runs_arguments
@click.option("--data", metavar="FILE", help="Evaluate on this file. Default: the run's test data.")
@data_options
@click.option(
    "--errors",
    default=5,
    show_default=True,
    type=click.IntRange(min=0),
    help="Number of mistakes to show, the most confident first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@accept_new_data_option
@assignments_option
@runs_dir_option
def evaluate(
    run: str | None, averaged: tuple[Path, ...], data: str | None, errors: int, as_json: bool,
    accept_new_data: bool, assignments: tuple[str, ...], runs_dir: Path, **options: Any,
) -> None:  # fmt: skip
    """Say how good RUN is: scores or a report by class, a baseline where there is one, mistakes.

    RUN is a run directory, or the name of one in --runs-dir. The report is also kept in the run, as
    evaluation.json and, of classes, as pictures (PNG and SVG) in plots: confusion_matrix, and
    reliability, which shows how often answers of each probability are right. lengths.svg there
    shows the score of short and of long examples, of all tasks but language_model.

    Several runs, by --run or as a folder of runs or NAME of NAME-seed1 and so on, are judged by
    the mean of their answers; nothing of that is kept.
    """
    found = find_asked(named_run(run, averaged), runs_dir)
    configs = [run_config(one, assignments, configured(options)) for one in found]
    config = configs[0]

    from seqtasks.tasks.averages import evaluate_average
    from seqtasks.tasks.finished_run import evaluate_run
    from seqtasks.tasks.sources import load_splits, read_files, read_part

    for one in found:
        tell(version_notices(one))
    part, splits = (None, read_files(config)) if data is None else (read_part(config, data), None)
    if bad := getattr(part, "bad_rows", None):
        tell([bad.notice()])
    read = None
    if splits is not None:
        read = _check_data(found, configs, splits, accept_new_data)

    from seqtasks.cli.startup import start_tensorflow

    tell_average(found)
    start_tensorflow()
    if data is None and splits is None:  # toy sets and those of TFDS
        splits = load_splits(config)
        read = _check_data(found, configs, splits, accept_new_data)
    from seqtasks.cli.report import show_evaluation
    from seqtasks.cli.screen import show_advice

    if len(found) > 1:
        evaluation = evaluate_average(found, configs, part, read)
    else:
        evaluation = evaluate_run(found[0], config, part, splits)
        if part is None:
            _draw(evaluation, found[0])
    if as_json:
        shown = asdict(evaluation)
        if "mistakes" in shown:
            shown["mistakes"] = shown["mistakes"][:errors]
        click.echo(json.dumps(shown, ensure_ascii=False))
    else:
        show_evaluation(evaluation, errors)
        unit = getattr(config.text, "unit", None)
        show_advice(advice.for_evaluation(evaluation, unit))


def _draw(evaluation: Any, run: Run) -> None:
    """Write into a run the pictures of what was found of its own data."""
    if hasattr(evaluation, "confusions"):
        from seqtasks.inspection.svg import confusion_svg
        from seqtasks.inspection.training_plots import confusion_picture

        with disk_errors(run.path):
            picture = run.plots / "confusion_matrix.png"
            confusion_picture(evaluation.confusions, evaluation.labels, picture)
            confusion_svg(evaluation.confusions, evaluation.labels, picture.with_suffix(".svg"))
    if hasattr(evaluation, "reliability"):
        from seqtasks.inspection.svg import reliability_svg
        from seqtasks.inspection.training_plots import reliability_picture

        with disk_errors(run.path):
            picture = run.plots / "reliability.png"
            reliability_picture(evaluation.reliability, evaluation.ece, picture)
            reliability_svg(evaluation.reliability, evaluation.ece, picture.with_suffix(".svg"))
    grouped = getattr(evaluation, "by_length", None)
    if grouped and grouped["groups"]:
        from seqtasks.inspection.charts import lengths_chart, write_svg

        with disk_errors(run.path):
            write_svg(run.plots / "lengths.svg", lengths_chart(grouped))


def _check_data(
    runs: Sequence[Run], configs: Sequence[RunConfig], splits: "Splits", accept_new_data: bool
) -> "list[Splits]":
    """Check that runs are judged by the data they were to be judged by; tell what else differs.

    Args:
        splits: the data of the first one.

    Returns:
        The data of each.
    """
    from seqtasks.tasks.averages import check_same_test, read_all
    from seqtasks.tasks.run_data import check_data

    read = read_all(configs, splits)
    for run, config, own in zip(runs, configs, read, strict=True):
        needed = ["test" if own.test is not None else "validation"]
        tell(check_data(run, config, own, needed, accept_new_data))
    check_same_test(runs, read)
    return read
