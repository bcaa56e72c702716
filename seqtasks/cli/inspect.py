"""`seqtasks inspect`."""

from importlib import import_module
from typing import Any

import click

from seqtasks.cli.options import run_argument

# Words that may stand where RUN does, and the commands that they are; a run of such a name is
# given as ./gradients.
_OTHERS = {"gradients": "seqtasks.cli.inspect_gradients:gradients"}


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


@click.command(cls=Inspect)
@run_argument
@click.argument("text", nargs=-1)
def inspect(run, text) -> None:
    """Show what happens inside RUN."""
