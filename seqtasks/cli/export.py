"""`seqtasks export`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from seqtasks.cli.options import run_argument, runs_dir_option
from seqtasks.runs import find_run


@click.command()
@run_argument
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write to this folder of the model (default: saved_models/RUN).",
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Give the export this version number (default: the next one).",
)
@click.option(
    "--check-only",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="VERSION_DIR",
    help="Write nothing; compare this existing export with RUN again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as a JSON object.")
@runs_dir_option
def export(
    run: Path, target: Path | None, version: int | None, check_only: Path | None,
    as_json: bool, runs_dir: Path,
) -> None:  # fmt: skip
    """Write RUN's model as TF Serving reads it: saved_models/NAME/VERSION.

    The export is loaded in a process without Keras and compared with RUN on the run's own data. It
    gets its version number only if the answers agree.
    """
    found = find_run(run, runs_dir)
    if check_only and (target or version):
        raise click.UsageError("--check-only writes nothing: no --to and no --version")
    target = target or Path("saved_models") / found.path.resolve().name
    if target.name.isdecimal():
        raise click.UsageError(f"--to {target}: a model's name, not a version, comes last")

    from seqtasks.tasks.finished_run import check_weights

    check_weights(found)

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.export.export import check_export, export_run

    done = check_export(found, check_only) if check_only else export_run(found, target, version)
    if as_json:
        click.echo(json.dumps({**asdict(done), "path": str(done.path)}))
        return
    click.echo(
        f"{done.path}: {done.answers} answers as the run's, "
        f"numbers within {done.largest_difference:.1g}\nsignatures: {', '.join(done.signatures)}"
    )
    if not check_only:
        click.echo(f"\nNext: seqtasks serve --model-base {target.parent}")
