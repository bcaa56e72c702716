"""`seqtasks bench`."""

import click

from seqtasks.cli.bench.everything import everything
from seqtasks.cli.bench.layers import layers, variants
from seqtasks.cli.bench.runs import decode, inspect, runtime
from seqtasks.cli.bench.serving import serving
from seqtasks.cli.bench.training import train


@click.group()
def bench() -> None:
    """Measure speed and memory, compared with Keras, PyTorch and TF Serving."""


for _verb in (layers, variants, serving, train, decode, inspect, runtime, everything):
    bench.add_command(_verb)
