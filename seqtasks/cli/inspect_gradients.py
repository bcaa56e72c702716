"""`seqtasks inspect gradients`."""

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from seqtasks.cli.options import runs_dir_option
from seqtasks.cli.pages import check_output, page_language
from seqtasks.config import load_config
from seqtasks.errors import RunError
from seqtasks.runs import Run, find_run

_OUTPUT = click.Path(path_type=Path, dir_okay=False)
_SCALES = (1.0, 0.5)
_PRODUCTS = 20
_PRODUCT_UNITS = 3
_SHOWN = 8  # steps of the table
_OF_CELLS = ("length", "units", "batches", "seed")  # options that say how the cells are trained


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--length",
    type=click.IntRange(2, 300),
    default=30,
    show_default=True,
    help="Steps of a text.",
)
@click.option(
    "--units", type=click.IntRange(1, 512), default=32, show_default=True, help="Hidden units."
)
@click.option(
    "--batches",
    type=click.IntRange(0),
    default=600,
    show_default=True,
    help="Batches of 32 texts to train each cell on; 0 shows it untrained only.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    default=0,
    show_default=True,
    help="Of weights and texts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as one JSON object.")
@click.option("--html", metavar="FILE", type=_OUTPUT, help="Write a page of pictures.")
@click.option(
    "--lang",
    type=click.Choice(["en", "ko"]),
    help="Language of the page. Default: that of the locale, else en.",
)
@runs_dir_option
@click.pass_context
def gradients(
    context: click.Context, run: Path | None, length: int, units: int, batches: int, seed: int,
    as_json: bool, html: Path | None, lang: str | None, runs_dir: Path,
) -> None:  # fmt: skip
    """Show how far gradients reach back: of RUN, or without it of RNN, LSTM and GRU.

    Without RUN each cell reads texts whose first symbol is asked for at the end, and the norm of
    dL/dh_t is measured at every step t, before and after a short training; of the LSTM that of
    dL/dc_t, too. Where the trained answers are right the loss is small, and so is every norm:
    compare how a line falls along t, not how high it is.

    Besides: tanh and its derivative, and a gradient multiplied again and again with W_h at scale 1
    and 0.5, beside the largest singular value of W_h.

    With RUN the norm of dL/dh_t is that of its own loss, on a batch of its training data, in each
    of its recurrent layers; and what training wrote to metrics.jsonl is shown, epoch by epoch: the
    norm of the gradient before clipping, mean and largest, the share of clipped steps, and the
    largest singular value of each W_h.
    """
    if html:
        check_output(html, "--html")
    if run:
        given = [
            name
            for name in _OF_CELLS
            if context.get_parameter_source(name) is not ParameterSource.DEFAULT
        ]
        if given:
            raise click.UsageError(
                f"--{given[0]} is for the cells that are trained without RUN; leave it out"
            )
        _show_run(find_run(run, runs_dir), as_json, html, lang or page_language())
        return

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.inspection.gradients import reach_of_cells, repeated_product, tanh_and_derivative

    def show(cell: str) -> None:
        click.echo(f"training {cell} ...", err=True)

    reaches = list(reach_of_cells(length, units, batches, seed, show))
    products = [repeated_product(scale, _PRODUCT_UNITS, _PRODUCTS, seed) for scale in _SCALES]
    curve = tanh_and_derivative()
    if html:
        from seqtasks.inspection.gradients_page import write_cells

        write_cells(html, reaches, products, curve, lang or page_language())
    if as_json:
        tanh = dict(zip(("x", "tanh", "derivative"), curve, strict=True))
        click.echo(
            json.dumps(
                {
                    "reach": [vars(each) for each in reaches],
                    "repeated": [vars(each) for each in products],
                    "tanh": tanh,
                }
            )
        )
        return
    _print(reaches, products, curve)


def _print(reaches: Any, products: Any, curve: Any) -> None:
    from seqtasks.inspection.gradients_page import series_of

    length = len(reaches[0].h)
    steps = sorted({round(n * (length - 1) / (_SHOWN - 1)) for n in range(_SHOWN)})
    for trained in (False, True):
        series = series_of(reaches, trained)
        if not series:
            continue
        click.echo(f"norm of dL/d(state) at step t, {'trained' if trained else 'untrained'}")
        click.echo("t       " + "".join(f"{t + 1:>10}" for t in steps))
        for name, norms in series.items():
            click.echo(f"{name:8}" + "".join(f"{norms[t]:10.1e}" for t in steps))
        right = [f"{r.cell} {r.accuracy:.2f}" for r in reaches if r.trained == trained]
        click.echo(f"accuracy: {', '.join(right)}\n")
    click.echo("norm of a gradient after n products with W_h")
    counts = range(0, _PRODUCTS + 1, 5)
    click.echo("n       " + "".join(f"{n:>10}" for n in counts) + "  largest singular value")
    for each in products:
        shown = "".join(f"{each.norms[n]:10.1e}" for n in counts)
        click.echo(f"x {each.scale:<6g}{shown}  {each.singular_value:.3f}")
    click.echo("\nx       " + "".join(f"{x:>10g}" for x in curve[0][::4]))
    click.echo("tanh    " + "".join(f"{y:10.3f}" for y in curve[1][::4]))
    click.echo("1-tanh² " + "".join(f"{y:10.3f}" for y in curve[2][::4]))


def _show_run(run: Run, as_json: bool, html: Path | None, lang: str) -> None:
    """Show the gradients of one run."""
    config = load_config((run.config_file,))
    rows = _metrics(run)

    from seqtasks.tasks.finished_run import check_weights, load_predictor
    from seqtasks.tasks.sources import load_splits, read_files

    check_weights(run)
    splits = read_files(config)

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.inspection.run_gradients import reach_of_run

    predictor = load_predictor(run, config)
    reach = reach_of_run(predictor, config, splits or load_splits(config))
    clip_norm = config.training.clip_norm
    if html:
        from seqtasks.inspection.gradients_page import write_run

        write_run(html, run.path.name, reach, rows, clip_norm, lang)
    if as_json:
        layers = {each.layer: each.h for each in reach.layers}
        known = {"run": str(run.path), "texts": reach.texts, "loss": reach.loss, "h": layers}
        click.echo(json.dumps({**known, "clip_norm": clip_norm, "epochs": rows}))
        return
    click.echo(
        f"norm of dL/dh_t, mean of {reach.texts} examples of training, loss {reach.loss:.4g}"
    )
    width = max(len("from last"), *(len(each.layer) for each in reach.layers))
    before = ""
    for each in reach.layers:
        steps = sorted({round(n * (len(each.h) - 1) / (_SHOWN - 1)) for n in range(_SHOWN)})
        before, told = "".join(f"{t + 1 - len(each.h):>10}" for t in steps), before
        if before != told:
            click.echo(f"{'from last':{width}}{before}")
        click.echo(f"{each.layer:{width}}" + "".join(f"{each.h[t]:10.1e}" for t in steps))
    _print_epochs(rows, clip_norm)


def _print_epochs(rows: list[dict[str, Any]], clip_norm: float) -> None:
    """Print what training wrote of gradients, a line an epoch."""
    known = [row for row in rows if "gradient_norm" in row]
    if not known:
        click.echo("\nan earlier version trained this run, which wrote nothing of gradients")
        return
    names = [*dict.fromkeys(name for row in known for name in row.get(_SINGULAR, {}))]
    widths = {name: max(len(name), 8) + 2 for name in names}
    click.echo(
        f"\nnorm of the gradient before clipping to {clip_norm:g}, the share of clipped steps"
    )
    click.echo("and the largest singular value of each W_h, by epoch")
    click.echo("epoch       mean   largest   clipped" + "".join(f"{n:>{widths[n]}}" for n in names))
    for row in known:
        values = row.get(_SINGULAR, {})
        shown = (f"{values.get(name, float('nan')):{widths[name]}.3f}" for name in names)
        click.echo(
            f"{row['epoch']:5}{row['gradient_norm']:11.3g}{row['largest_gradient_norm']:10.3g}"
            f"{row['clipped']:10.2f}" + "".join(shown)
        )


_SINGULAR = "largest_singular_values"


def _metrics(run: Run) -> list[dict[str, Any]]:
    """The lines of a run's metrics."""
    try:
        rows = run.read_metrics()
        for row in rows:
            float(row["epoch"])
            for name in ("gradient_norm", "largest_gradient_norm", "clipped"):
                float(row.get(name, 0.0))
            for value in dict(row.get(_SINGULAR, {})).values():
                float(value)
        return rows
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{run.metrics}: damaged: expected the figures of an epoch a line"
        ) from error
