"""What answers `seqtasks predict`: a run itself by TensorFlow, or its ONNX export without it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from seqtasks.cli.asked import as_asked, find_asked, model_name
from seqtasks.runs import Run


def runtime_option(command: Any) -> Any:
    """Add `--runtime`."""
    return click.option(
        "--runtime",
        type=click.Choice(["auto", "tensorflow", "onnx"]),
        default="auto",
        show_default=True,
        help="Answer by RUN itself, or in a fifth of the time or less by its ONNX export in "
        "onnx_models; auto takes the export where it is of RUN as it is now, and says so.",
    )(command)


def check_onnx(server: str | None, html: Path | None, tokens: bool, settings: object) -> None:
    """Refuse what an ONNX export can't do.

    Raises:
        click.UsageError: says what.
    """
    for given, option in ((server, "--server"), (html, "--html"), (settings, "--set")):
        if given:
            raise click.UsageError(
                f"--runtime onnx: the export answers as it is; leave {option} out"
            )
    if tokens:
        raise click.UsageError("--runtime onnx: the export is asked for texts, not for tokens")


def export_asked_for(given: tuple[Path, ...], runs_dir: Path) -> tuple[Run, Path]:
    """A run and its ONNX export, which `--runtime onnx` names; of several runs the first.

    Raises:
        RunError, ExportError: where there is none, or it isn't of the runs as they are now.
    """
    from seqtasks.onnx_export.places import find_export

    found = find_asked(given, runs_dir)
    return found[0], find_export(model_name(given, found), found, as_asked(given, found))


def export_at_hand(given: tuple[Path, ...], runs_dir: Path) -> tuple[Run, Path] | None:
    """A run and its ONNX export where nobody says what answers; None where TensorFlow does.

    Of several runs it is the first. Says on the error stream that the export answers.

    Raises:
        RunError: where there is no run, or it has no weights.
    """
    from seqtasks.onnx_export.places import current_export

    found = find_asked(given, runs_dir)
    path = current_export(model_name(given, found), found)
    if path is None:
        return None
    itself = "the run itself" if len(found) == 1 else "the runs themselves"
    click.echo(f"note: {path} answers; --runtime tensorflow takes {itself}", err=True)
    return found[0], path


def exported_answers(run: Run, path: Path, complete: bool) -> Any:
    """Load a run's ONNX export, which needs no TensorFlow.

    Args:
        complete: whether all keys are needed.

    Returns:
        A function from texts to answers, and how many of many texts to give it at a time.
    """
    from seqtasks.runner.api import exported_run
    from seqtasks.runner.folder import OnnxExport

    n_best = getattr(getattr(run.config, "decoding", None), "n_best", 1)
    export = OnnxExport(path)
    served = exported_run(export, n_best)

    def ask(texts: list[str]) -> Iterator[dict[str, Any]]:
        return served.predict(texts, complete)

    return ask, export.at_once
