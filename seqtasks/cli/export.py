"""`seqtasks export`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from seqtasks.cli.asked import find_asked, model_name, named_run, runs_arguments, tell_average
from seqtasks.cli.options import Folder, runs_dir_option, tell
from seqtasks.errors import typed
from seqtasks.runs import Run, version_notices
from seqtasks.runs.create import check_name

_COMPARED = 1_000  # examples of a file


@click.command()
@runs_arguments
@click.option(
    "--to",
    "target",
    type=Folder(),
    help="Write to this folder of the model (default: saved_models/RUN).",
)
@click.option(
    "--version",
    type=click.IntRange(min=1, max=2**63 - 1),
    help="Give the export this version number (default: the next one).",
)
@click.option(
    "--check-only",
    type=Folder(),
    metavar="VERSION_DIR",
    help="Write nothing; compare this existing export with RUN again.",
)
@click.option(
    "--data",
    metavar="FILE",
    help="Compare on this file's examples too (the first 1,000), not on the run's samples alone.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["saved_model", "onnx"]),
    default="saved_model",
    show_default=True,
    help="Write for TF Serving, or a folder that runs by onnxruntime without TensorFlow.",
)
@click.option(
    "--int8", is_flag=True, help="With --format onnx: store weights in 8 bits; tells what it costs."
)
@click.option(
    "--gates",
    is_flag=True,
    help="Add a signature that tells how far the gates are open at each token; the server's page "
    "shows it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as a JSON object.")
@runs_dir_option
def export(
    run: str | None, averaged: tuple[Path, ...], target: Path | None, version: int | None,
    check_only: Path | None, data: str | None, kind: str, int8: bool, gates: bool,
    as_json: bool, runs_dir: Path,
) -> None:  # fmt: skip
    """Write RUN's model as TF Serving reads it: saved_models/NAME/VERSION.

    The export is loaded in a process without Keras and compared with RUN on examples that RUN
    keeps, so that the training data may be elsewhere. It gets its version number only if the
    answers agree.

    Several runs, by --run or as a folder of runs or NAME of NAME-seed1 and so on, become one model
    with one set of signatures, which answers by their mean.

    With --format onnx a folder is written (default: onnx_models/RUN) that holds all it needs:
    python onnx_models/RUN/run.pyz "A text" answers where onnxruntime is installed. It is compared
    with RUN in a process that can't import TensorFlow, and replaces an ONNX export of its name.
    """
    given = named_run(run, averaged)
    found = find_asked(given, runs_dir)
    if kind == "onnx":
        if version or check_only:
            raise click.UsageError("--format onnx: it has no versions and checks itself")
        if gates:
            raise click.UsageError("--gates: of TF Serving's format only; leave out --format onnx")
        _export_onnx(given, found, target, int8, data, as_json)
        return
    if int8:
        raise click.UsageError("--int8: TF Serving's format has none; add --format onnx")
    if check_only and (target or version or gates):
        raise click.UsageError("--check-only writes nothing: no --to, --version or --gates")
    if gates:
        from seqtasks.export.gates import check_gates

        check_gates(found)
    if target:
        check_name(target.resolve().name, "--to")
    target = target or Path("saved_models") / model_name(given, found)
    if target.name.isdecimal():
        raise click.UsageError(f"--to {target}: a model's name, not a version, comes last")

    from seqtasks.export.places import check_target, check_version_dir

    check_version_dir(check_only) if check_only else check_target(target, version)
    for one in found:
        tell(version_notices(one))
    more = _examples(found[0], data)

    from seqtasks.cli.startup import start_tensorflow

    tell_average(found)
    start_tensorflow()
    from seqtasks.export.export import check_export, export_run

    if check_only:
        done = check_export(found[0], check_only, more, found[1:])
    else:
        done = export_run(found[0], target, version, more, found[1:], gates)
    if as_json:
        click.echo(json.dumps({**asdict(done), "path": str(done.path)}))
        return
    click.echo(
        f"{done.path}: {done.answers} answers as the run's, "
        f"numbers within {done.largest_difference:.1g}\nsignatures: {', '.join(done.signatures)}"
    )
    if not check_only:
        click.echo(f"\nNext: seqtasks serve --model-base {target.parent}")


def _export_onnx(
    given: tuple[Path, ...],
    found: list[Run],
    target: Path | None,
    int8: bool,
    data: str | None,
    as_json: bool,
) -> None:
    from seqtasks.onnx_export.places import FOLDER, check_target

    run, *others = found
    target = target or FOLDER / model_name(given, found)
    check_name(target.resolve().name, "--to")
    check_target(target)
    for one in found:
        tell(version_notices(one))
    more = _examples(run, data)

    from seqtasks.cli.startup import start_tensorflow

    tell_average(found)
    start_tensorflow()
    from seqtasks.onnx_export.export import export_onnx

    done = export_onnx(run, target, int8, more, others)
    if as_json:
        click.echo(json.dumps({**asdict(done), "path": str(done.path)}))
        return
    click.echo(
        f"{done.path}: {done.answers} answers as the run's, "
        f"numbers within {done.largest_difference:.1g}\nsignatures: {', '.join(done.signatures)}"
    )
    if done.int8:
        click.echo(f"int8: {done.int8.told()}")
    asked = "picture.png" if run.config.READS_IMAGES else "A text"
    click.echo(f"\nNext: {typed('python', target / 'run.pyz', asked)}")


def _examples(run: Run, data: str | None) -> Any:
    """A file's first examples, to compare with; None of no file."""
    if data is None:
        return None
    from seqtasks.tasks.sources import read_part

    return read_part(run.config, data).asked(_COMPARED)
