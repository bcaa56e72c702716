"""`seqtasks runs`."""

import json
from pathlib import Path

import click

from seqtasks.cli.options import runs_dir_option
from seqtasks.errors import SeqtasksError
from seqtasks.experiments.facts import Facts, facts
from seqtasks.runs import find_run


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
@runs_dir_option
def runs(as_json: bool, runs_dir: Path) -> None:
    """List the runs: task, data, best score of validation, and whether they are finished.

    A run is running, finished, interrupted (`seqtasks train --resume RUN` goes on with it), or
    damaged. Those in folders of --runs-dir, as `compare --over` makes them, are listed, too.
    """
    given = click.get_current_context().get_parameter_source("runs_dir")
    if given is click.core.ParameterSource.COMMANDLINE and not runs_dir.is_dir():
        raise click.UsageError(f"--runs-dir {runs_dir}: there is no such folder")
    rows = [_row(file.parent, runs_dir) for file in sorted(_found(runs_dir))]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    if not rows:
        click.echo(f"{runs_dir}: no runs yet. `seqtasks train` makes some")
        return

    from seqtasks.cli.screen import console
    from seqtasks.cli.tables import WIDE, show_rows, shown

    screen = console()
    screen = screen if screen.is_terminal else console(width=WIDE)
    show_rows(screen, [{name: shown(value) for name, value in row.items()} for row in rows])


def _found(folder: Path) -> list[Path]:
    """The configurations of all runs in a folder, and in its folders that are no runs."""
    return [
        file
        for pattern in ("*/config.yaml", "*/*/config.yaml")
        for file in folder.glob(pattern)
        if not (file.parent.parent / "config.yaml").is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _row(path: Path, runs_dir: Path) -> dict[str, str | int | float | None]:
    name = str(path.relative_to(runs_dir))
    try:
        found = facts(find_run(path))
    except SeqtasksError as error:
        return {"run": name, "state": "damaged", "problem": str(error)}
    except OSError as error:
        return {"run": name, "state": "damaged", "problem": error.strerror}
    return {"run": name, "state": found.state, **_scores(found)}


def _scores(found: Facts) -> dict[str, str | int | float | None]:
    main = found.main_figure
    return {
        "task": found.task,
        "data": found.settings.get("data.source"),
        "arch": found.settings.get("model.arch"),
        "epochs": found.epochs,
        "validation": found.validation,
        "test": main and f"{main[0].replace('_', ' ')} {main[1]:.4g}",
    }
