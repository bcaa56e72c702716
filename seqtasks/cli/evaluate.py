"""`seqtasks evaluate`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks import advice
from seqtasks.cli.options import (
    accept_new_data_option,
    assignments_option,
    configured,
    data_options,
    run_argument,
    run_config,
    runs_dir_option,
    tell,
)
from seqtasks.config import RunConfig
from seqtasks.runs import Run, disk_errors, find_run, version_notices

if TYPE_CHECKING:
    from seqtasks.data.splits import Splits


@click.command()
@run_argument
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
    run: Path, data: str | None, errors: int, as_json: bool, accept_new_data: bool,
    assignments: tuple[str, ...], runs_dir: Path, **options: Any,
) -> None:  # fmt: skip
    """Say how good RUN is: scores or a report by class, a baseline where there is one, mistakes.

    RUN is a run directory, or the name of one in --runs-dir. The report is also kept in the run, as
    evaluation.json and, of classes, as pictures (PNG and SVG) in plots: confusion_matrix, and
    reliability, which shows how often answers of each probability are right. lengths.svg there
    shows the score of short and of long examples, of all tasks but language_model.
    """
    found = find_run(run, runs_dir)
    config = run_config(found, assignments, configured(options))

    from seqtasks.tasks.finished_run import check_weights, evaluate_run
    from seqtasks.tasks.sources import load_splits, read_files, read_part

    check_weights(found)
    tell(version_notices(found))
    part, splits = (None, read_files(config)) if data is None else (read_part(config, data), None)
    if bad := getattr(part, "bad_rows", None):
        tell([bad.notice()])
    if splits is not None:
        _check_data(found, config, splits, accept_new_data)

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    if data is None and splits is None:  # toy sets and those of TFDS
        splits = load_splits(config)
        _check_data(found, config, splits, accept_new_data)
    from seqtasks.cli.report import show_evaluation
    from seqtasks.cli.screen import show_advice

    evaluation = evaluate_run(found, config, part, splits)
    if part is None and hasattr(evaluation, "confusions"):
        from seqtasks.inspection.svg import confusion_svg
        from seqtasks.inspection.training_plots import confusion_picture

        with disk_errors(found.path):
            picture = found.plots / "confusion_matrix.png"
            confusion_picture(evaluation.confusions, evaluation.labels, picture)
            confusion_svg(evaluation.confusions, evaluation.labels, picture.with_suffix(".svg"))
    if part is None and hasattr(evaluation, "reliability"):
        from seqtasks.inspection.svg import reliability_svg
        from seqtasks.inspection.training_plots import reliability_picture

        with disk_errors(found.path):
            picture = found.plots / "reliability.png"
            reliability_picture(evaluation.reliability, evaluation.ece, picture)
            reliability_svg(evaluation.reliability, evaluation.ece, picture.with_suffix(".svg"))
    grouped = getattr(evaluation, "by_length", None)
    if part is None and grouped and grouped["groups"]:
        from seqtasks.inspection.charts import lengths_chart, write_svg

        with disk_errors(found.path):
            write_svg(found.plots / "lengths.svg", lengths_chart(grouped))
    if as_json:
        found = asdict(evaluation)
        if "mistakes" in found:
            found["mistakes"] = found["mistakes"][:errors]
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        show_evaluation(evaluation, errors)
        show_advice(advice.for_evaluation(evaluation))


def _check_data(run: Run, config: RunConfig, splits: "Splits", accept_new_data: bool) -> None:
    """Check that a run is judged by the data it was to be judged by; tell what else differs."""
    from seqtasks.tasks.run_data import check_data

    needed = ["test" if splits.test is not None else "validation"]
    tell(check_data(run, config, splits, needed, accept_new_data))
