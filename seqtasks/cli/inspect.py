"""`seqtasks inspect`."""

import json
import math
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.cli.options import run_argument, runs_dir_option
from seqtasks.cli.pages import check_output, page_language
from seqtasks.cli.predict import check_texts
from seqtasks.config import load_config
from seqtasks.config.data_sections import ImagesDataConfig, PlainDataConfig, RecallDataConfig
from seqtasks.runs import find_run

if TYPE_CHECKING:
    from seqtasks.inspection.trace_data import Trace

# Words that may stand where RUN does, and the commands that they are; a run of such a name is
# given as ./gradients.
_OTHERS = {"gradients": "seqtasks.cli.inspect_gradients:gradients"}
_FOUND = 10  # texts that --find shows


class Inspect(click.Command):
    """A command of its own, and others by a first word."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Hand the arguments to another command where the first one is its name."""
        if args and args[0] in _OTHERS:
            module, _, name = _OTHERS[args[0]].partition(":")
            other: click.Command = getattr(import_module(module), name)
            return other.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


class _Units(click.ParamType):
    """Numbers with commas, or "all"."""

    name = "units"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "all" or not isinstance(value, str):
            return value
        parts = value.split(",")
        if not all(part.strip().isdecimal() for part in parts):
            self.fail(f"expected numbers from 0, such as 3,7, or all. Received: {value!r}")
        return [int(part) for part in parts]


_OUTPUT = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Inspect)
@run_argument
@click.argument("text", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print all numbers, a JSON object per text.")
@click.option("--npz", metavar="FILE", type=_OUTPUT, help="Write all arrays as NumPy's .npz.")
@click.option("--html", metavar="FILE", type=_OUTPUT, help="Write a page of pictures.")
@click.option(
    "--lang",
    type=click.Choice(["en", "ko"]),
    help="Language of the page. Default: that of the locale, else en.",
)
@click.option(
    "--units",
    type=_Units(),
    help="Show these units, such as 3,7, or all. Default: those that change most.",
)
@click.option("--layer", metavar="NAME", help="For --step and --find. Default: the lowest layer.")
@click.option(
    "--step",
    type=click.IntRange(min=1),
    help="Show the computation of one step, counted from 1, number by number.",
)
@click.option("--unit", type=click.IntRange(min=0), help="The unit, from 0, that --step shows.")
@click.option(
    "--find",
    "find",
    metavar="UNIT",
    type=click.IntRange(min=0),
    help="Look through --data for the texts where this unit, from 0, does most.",
)
@click.option("--data", metavar="FILE", help="A file of examples, as evaluate takes it.")
@click.option(
    "--by",
    default="change",
    show_default=True,
    metavar="NAME",
    help="What --find looks for: change of the state, or a gate or state, such as f.",
)
@click.option(
    "--tokens",
    "most",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="How many tokens of a longer text to show; it is read as if it ended there.",
)
@runs_dir_option
def inspect(
    run: Path, text: tuple[str, ...], as_json: bool, npz: Path | None, html: Path | None,
    lang: str | None, units: Any, layer: str | None, step: int | None, unit: int | None,
    find: int | None, data: str | None, by: str, most: int, runs_dir: Path,
) -> None:  # fmt: skip
    """Show what happens inside RUN while it reads each TEXT, token by token.

    For every token: the answer as if the text ended there, how much the token's vector moves the
    answer at the end (|dy/dx_t|) and, of each recurrent layer and direction, the gates, the memory
    c_t and the state h_t, how much of the token is left in the last state (|dh_T/dx_t|), and along
    c the product of the forget gates beside the measured dc_T/dc_t. With attention, where the model
    looks. For captioning a TEXT is the name of an image's file.

    --step T shows how one step is computed, with the model's own numbers, in the steps of the
    teaching page. --find UNIT --data FILE shows the texts where a unit is most open or changes
    most.

    `seqtasks inspect gradients` compares RNN, LSTM and GRU and needs no run.
    """
    _check_options(text, npz, html, step, unit, find, data)
    found = find_run(run, runs_dir)
    config = load_config((found.config_file,))
    if not isinstance(config.data, PlainDataConfig):  # a language model begins with nothing, too
        for place, each in enumerate(text, 1):
            if not each.strip():
                raise click.UsageError(f"TEXT {place} is empty: there is no token to show")
    if find is not None and isinstance(config.data, (ImagesDataConfig, RecallDataConfig)):
        raise click.UsageError(
            f"--find looks through texts; a run of {config.task} has no file of them"
        )

    from seqtasks.tasks.finished_run import check_weights, load_predictor
    from seqtasks.tasks.sources import read_part

    check_weights(found)
    texts = _texts_of(read_part(config, data)) if data is not None else []

    from seqtasks.cli.startup import start_tensorflow

    start_tensorflow()
    predictor = load_predictor(found, config)
    if find is not None:
        from seqtasks.inspection.find import find_texts

        for each in find_texts(predictor, texts, find, layer, by, _FOUND):
            shown = " ".join(each.text.split())
            if as_json:
                click.echo(json.dumps(vars(each), ensure_ascii=False))
            else:
                click.echo(f"{each.value:8.4f}  {each.step:4} {each.token}\t{shown}")
        return

    from seqtasks.cli.inspect_screen import show_step, show_trace
    from seqtasks.inspection.find import layer_named
    from seqtasks.inspection.steps import check_unit
    from seqtasks.inspection.trace import trace

    layer_named(predictor.model, layer)  # refuses a name that isn't there
    traces = []
    for each in text:
        one = trace(predictor, config.task, each, most)
        for part in one.layers if isinstance(units, list) else []:
            for number in units:
                check_unit(part, number)
        traces.append(one)
        for note in one.notes:
            click.echo(f"note: {note}", err=True)
        if step is not None:
            show_step(one, layer, step - 1, unit, as_json)
        elif as_json:
            click.echo(json.dumps(_as_json(one), ensure_ascii=False))
        elif not (npz or html):
            show_trace(one, units)
    if npz:
        _write_npz(npz, traces)
    if html:
        from seqtasks.inspection.trace_page import write_traces

        chosen = list(range(traces[0].layers[0].units)) if units == "all" else units
        write_traces(html, traces, chosen, lang or page_language())
    for path in filter(None, (npz, html)):
        click.echo(f"Written: {path}", err=as_json)


def _check_options(text, npz, html, step, unit, find, data) -> None:
    if find is None and not text:
        raise click.UsageError("give one TEXT or more, or --find UNIT --data FILE")
    if find is not None and (data is None or text):
        raise click.UsageError("--find looks through a file: give it --data FILE and no TEXT")
    if data is not None and find is None:
        raise click.UsageError("--data is the file that --find UNIT looks through")
    if unit is not None and step is None:
        raise click.UsageError("--unit is the unit that --step T shows; --units picks several")
    if step is not None and (npz or html):
        raise click.UsageError("--step is printed, or with --json; leave --npz and --html out")
    for path, option in ((npz, "--npz"), (html, "--html")):
        if path:
            check_output(path, option)
    if npz and html and npz.absolute() == html.absolute():
        raise click.UsageError(f"--npz and --html are both {npz}; give each a file of its own")
    check_texts(text, None)


def _texts_of(part: Any) -> list[str]:
    """The texts of a part of any task's data."""
    if hasattr(part, "texts"):
        return list(part.texts)
    if hasattr(part, "tokens"):
        return [" ".join(tokens) for tokens in part.tokens]
    return [line for line in part.text.splitlines() if line.strip()]


def _as_json(trace: "Trace") -> dict[str, Any]:
    arrays = {name: _plain(values.tolist()) for name, values in trace.arrays().items()}
    about = {"text": trace.text, "task": trace.task, "answer": trace.answer, "notes": trace.notes}
    return {**about, "axes": trace.axes(), "arrays": arrays}


def _plain(value: Any) -> Any:
    """Numbers that JSON has: what isn't finite is null."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_npz(path: Path, traces: list["Trace"]) -> None:
    """Write all arrays, of several texts as "1/..." and so on, and "axes", their axes as JSON."""
    import numpy as np

    from seqtasks.runs import replacing

    arrays: dict[str, Any] = {}
    axes: dict[str, list[str]] = {}
    for number, trace in enumerate(traces, 1):
        before = f"{number}/" if len(traces) > 1 else ""
        arrays |= {f"{before}{name}": values for name, values in trace.arrays().items()}
        axes |= {f"{before}{name}": named for name, named in trace.axes().items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, axes=np.array(json.dumps(axes)), **arrays)
