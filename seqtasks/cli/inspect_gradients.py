"""`seqtasks inspect gradients`."""

import json
from pathlib import Path
from typing import Any

import click

_OUTPUT = click.Path(path_type=Path, dir_okay=False)
_SCALES = (1.0, 0.5)
_PRODUCTS = 20
_PRODUCT_UNITS = 3
_SHOWN = 8  # steps of the table


@click.command()
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
def gradients(
    length: int, units: int, batches: int, seed: int, as_json: bool, html: Path | None
) -> None:
    """Compare how far the gradient of RNN, LSTM and GRU reaches back. Needs no run.

    Each cell reads texts whose first symbol is asked for at the end, and the norm of dL/dh_t is
    measured at every step t, before and after a short training; of the LSTM that of dL/dc_t, too.
    Where the trained answers are right the loss is small, and so is every norm: compare how a line
    falls along t, not how high it is.

    Besides: tanh and its derivative, and a gradient multiplied again and again with W_h at scale 1
    and 0.5, beside the largest singular value of W_h.
    """
    if html:
        from seqtasks.cli.inspect import check_output

        check_output(html, "--html")

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    from seqtasks.inspection.gradients import reach_of_cells, repeated_product, tanh_and_derivative

    def show(cell: str) -> None:
        click.echo(f"training {cell} ...", err=True)

    reaches = list(reach_of_cells(length, units, batches, seed, show))
    products = [repeated_product(scale, _PRODUCT_UNITS, _PRODUCTS, seed) for scale in _SCALES]
    curve = tanh_and_derivative()
    if html:
        _write_page(html, reaches, products, curve)
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


def _series(reaches, trained: bool) -> dict[str, list[float]]:
    """The norms of each cell by its name, and those along the LSTM's c."""
    series = {}
    for each in reaches:
        if each.trained == trained:
            series[f"{each.cell} h"] = each.h
            if each.c:
                series[f"{each.cell} c"] = each.c
    return series


def _print(reaches: Any, products: Any, curve: Any) -> None:
    length = len(reaches[0].h)
    steps = sorted({round(n * (length - 1) / (_SHOWN - 1)) for n in range(_SHOWN)})
    for trained in (False, True):
        series = _series(reaches, trained)
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


def _write_page(path: Path, reaches: Any, products: Any, curve: Any) -> None:
    from seqtasks.inspection.charts import line_chart
    from seqtasks.inspection.html_page import Section, figures, write_page

    steps = list(range(1, len(reaches[0].h) + 1))
    charts, told = [], []
    for trained in (False, True):
        series = _series(reaches, trained)
        state = "trained" if trained else "untrained"
        if series:
            title = f"‖∂L/∂h_t‖ and ‖∂L/∂c_t‖, {state}"
            charts.append(line_chart(title, steps, series, "t", "norm", log=True))
            right = [f"{r.cell} {r.accuracy:.2f}" for r in reaches if r.trained == trained]
            told.append(f"Accuracy, {state}: {', '.join(right)}.")
    norms = {f"scale {p.scale:g}, σ₁ = {p.singular_value:.3f}": p.norms for p in products}
    counts = list(range(_PRODUCTS + 1))
    product = line_chart("W_h, repeated", counts, norms, "products", "norm", log=True)
    tanh = {"tanh x": curve[1], "1 - tanh² x": curve[2]}
    squashed = line_chart("tanh and its derivative", curve[0], tanh, "x", "y")
    reach = "The loss is at the last step and asks for the first symbol."
    sections = [
        Section("How far the gradient reaches back", [reach, *told, figures(charts)]),
        Section("Why it shrinks or grows", [figures([product, squashed])]),
    ]
    write_page(path, "Gradients of RNN, LSTM and GRU", sections)
