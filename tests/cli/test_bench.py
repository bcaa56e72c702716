"""`seqtasks bench`: how its parts are called; what they measure is tested in tests/benchmarks."""

import click
import pytest

from seqtasks.cli import main
from seqtasks.cli.bench import bench
from seqtasks.cli.bench.everything import OF_ALL


def test_all_leaves_nothing_out():
    assert {*OF_ALL, "all"} == set(bench.commands)


@pytest.mark.parametrize("name", OF_ALL)
def test_what_all_asks_for_can_be_asked_for(name):
    parent = click.Context(main, **main.context_settings)
    bench.commands[name].make_context(name, list(OF_ALL[name]), parent)
