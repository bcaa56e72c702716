"""What `seqtasks inspect` shows in a terminal."""

import json
from dataclasses import asdict
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.table import Table

from seqtasks.cli.screen import console, one_line
from seqtasks.inspection.steps import most_changing, numbered, step_lines
from seqtasks.inspection.trace_data import LayerTrace, Trace

_COLUMNS = 3  # units of a layer that are shown where nothing else is said
_BAR = 12
_BLOCKS = " ▏▎▍▌▋▊▉█"


def show_trace(trace: Trace, units: Any) -> None:
    """Print a trace: the answers on the way, and a table for each layer."""
    screen = console()
    click.echo(f"{one_line(trace.text)}\nAnswer: {one_line(trace.answer)}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name, side in (("#", "right"), ("token", "left"), ("answer so far", "left"),
                       ("", "right"), ("|dy/dx_t|", "right"), ("", "left")):  # fmt: skip
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    top = trace.gradient.max(initial=0) or 1
    for n, token in enumerate(trace.tokens):
        sure = trace.certainty[n]
        table.add_row(
            str(n + 1),
            _cell(token),
            _cell(trace.running[n], 40),
            f"{sure:.4f}" if np.isfinite(sure) else "",
            f"{trace.gradient[n]:.3g}",
            _bar(trace.gradient[n] / top),
        )
    screen.print(table)
    _show_attention(trace)
    for layer in trace.layers:
        screen.print()
        screen.print(_layer_table(layer, units))


def show_step(trace: Trace, name: str | None, t: int, unit: int | None, as_json: bool) -> None:
    """Print how one step of a layer is computed."""
    layer = next((each for each in trace.layers if each.name == name), trace.layers[0])
    units = [unit] if unit is not None else most_changing(layer, 1)
    for each in units:
        lines = numbered(step_lines(layer, t, each))
        if as_json:
            found = [{"step": label, **asdict(line)} for label, line in lines]
            about = {"layer": layer.name, "step": t + 1, "token": layer.tokens[t], "unit": each}
            click.echo(json.dumps({**about, "lines": found}, ensure_ascii=False))
            continue
        click.echo(f"{layer.name}, step {t + 1} ({one_line(layer.tokens[t])}), unit {each}")
        width = max(len(label) for label, _ in lines)
        for label, line in lines:
            terms = f" = {_of_terms(line)}" if line.terms else ""
            equation = "" if line.equation == line.name else f" = {line.equation}"
            click.echo(f"  {label:{width}}  {line.name}{equation}{terms} = {line.value:.6f}")


def _of_terms(line: Any) -> str:
    if len(line.terms) == 1:
        return f"{line.name.partition('(')[0]}({line.terms[0]:.6f})"
    sign = " × " if "×" in line.equation else " + "
    return sign.join(f"{term:.6f}" for term in line.terms)


def _layer_table(layer: LayerTrace, units: Any) -> Table:
    arrays = layer.arrays
    state = "c" if "c" in arrays else "h"
    chosen = units if isinstance(units, list) else most_changing(layer, layer.units)
    chosen = chosen if units else chosen[:_COLUMNS]
    way = ", reads from the last token to the first" if layer.backward else ""
    table = Table(box=None, padding=(0, 2, 0, 0), title=f"{layer.name}{way}", title_justify="left")
    gates = [name for name in ("f", "i", "o", "z", "r") if name in arrays]
    heads = ["#", "token", "left in h_T", *(f"mean {name}" for name in gates)]
    along = ["prod f", "|dc_T/dc_t|"] if "forgotten" in arrays else ["|dh_T/dh_t|"]
    for head in [*heads, *along, *(f"{state}[{unit}]" for unit in chosen)]:
        table.add_column(escape(head), justify="left" if head == "token" else "right")
    for n, token in enumerate(layer.tokens):
        if "forgotten" in arrays:
            back = [arrays["forgotten"][n].mean(), np.abs(arrays["d_memory"][n]).mean()]
        else:
            back = [arrays["d_state"][n]]
        table.add_row(
            str(n + 1),
            _cell(token),
            f"{layer.left[n]:.1%}",
            *(f"{arrays[name][n].mean():.3f}" for name in gates),
            *(f"{value:.3g}" for value in back),
            *(f"{arrays[state][n, unit]:.3f}" for unit in chosen),
        )
    return table


def _show_attention(trace: Trace) -> None:
    if "written" in trace.attention and len(trace.written):
        click.echo("\nattention: each written token, and where the model looked most")
        for token, weights in zip(trace.written, trace.attention["written"], strict=True):
            best = np.argsort(-weights, kind="stable")[:3]
            looked = ", ".join(f"{trace.tokens[n]} {weights[n]:.2f}" for n in best)
            click.echo(f"  {one_line(token, 20)}: {one_line(looked)}")
    if "words" in trace.attention:
        click.echo("\nattention: each sentence's weight, and its words'")
        start = 0
        for weight, length in zip(trace.attention["sentences"], trace.sentences, strict=True):
            own = slice(start, start + length)
            pairs = zip(trace.tokens[own], trace.attention["words"][own], strict=True)
            words = " ".join(f"{token}/{share:.2f}" for token, share in pairs)
            click.echo(f"  {weight:.2f}  {one_line(words)}")
            start += length


def _cell(text: str, width: int = 20) -> str:
    return escape(one_line(text, width) or repr(text) if text else "")


def _bar(share: float) -> str:
    """A bar of eighths.

    >>> _bar(0.5)
    '██████'
    """
    eighths = round(max(share, 0) * _BAR * 8)
    return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()
