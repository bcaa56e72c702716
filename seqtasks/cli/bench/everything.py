"""`seqtasks bench all`: the others, one after the other."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from seqtasks.cli.bench.options import json_option, write
from seqtasks.cli.options import runs_dir_option

_FEW_SHAPES = [word for shape in ("32,50,128,128", "64,50,512,512") for word in ("--shape", shape)]
# What `bench all` measures, and how much of each.
OF_ALL = {
    # `train` measures the memory of the LSTM.
    "layers": ["--rounds", "5", "--no-memory", *_FEW_SHAPES],
    "variants": ["--rounds", "5"],
    "train": ["--examples", "3200", "--rounds", "2"],
    "decode": [],
    "inspect": ["--rounds", "2"],
    "serving": ["--seconds", "3", "--requests", "20000"],
    "runtime": ["--part", "layer"],
}


@click.command("all")
@click.option(
    "--data",
    metavar="FILE",
    help="Give this file to `bench train` as --data (default: synthetic reviews).",
)
@click.option(
    "--pairs",
    metavar="FILE",
    help="Give this file to `bench train` as --pairs (default: synthetic pairs).",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Give this run to `bench decode` (default: an untrained network).",
)
@json_option
@runs_dir_option
@click.pass_context
def everything(
    ctx: click.Context, data: str | None, pairs: str | None, run: Path | None,
    json_file: Path | None, runs_dir: Path,
) -> None:  # fmt: skip
    """Run all benchmarks one after the other, each in its own process.

    This takes about twenty minutes; most benchmarks run fewer rounds than when run alone. Use the
    machine for nothing else meanwhile.
    """
    given = {"--data": data, "--pairs": pairs}
    of_user = {
        "train": [word for name, value in given.items() if value for word in (name, value)],
        "decode": ["--run", str(run), "--runs-dir", str(runs_dir)] if run else [],
    }
    found: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for name, options in OF_ALL.items():
            click.echo(f"\n## bench {name}\n")
            if name == "runtime" and not (find_spec("onnx") and find_spec("onnxruntime")):
                click.echo("left out: pip install 'seqtasks[onnx]'")
                continue
            file = Path(folder) / name
            options = [*options, *of_user.get(name, [])]
            command = [sys.executable, "-m", "seqtasks", "bench", name, *options]
            code = subprocess.run([*command, "--json", str(file)]).returncode
            if code:
                ctx.exit(code)
            found[name] = json.loads(file.read_text("utf-8"))
    write(found, json_file)
