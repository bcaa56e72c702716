"""The command line: one file per verb, each thin. Heavy imports wait until a verb needs them."""

import difflib
from importlib import import_module
from typing import Any

import click

from seqtasks.cli.mistakes import one_line
from seqtasks.errors import SeqtasksError
from seqtasks.version import __version__

# The verbs in the order of a run's life, each with the line that `--help` shows for it.
VERBS = {
    "train": "Train a model and write its run directory.",
    "evaluate": "Say how good a run is, compared with a baseline.",
    "predict": "Run a model on texts: arguments, a file or a pipe.",
    "inspect": "Show a run's gates, memory and gradients on texts, step by step.",
    "compare": "Compare runs in one table; train what there is to compare.",
    "sweep": "Search for better settings: trials, and the best few compared.",
    "runs": "List the runs, and whether they are finished.",
    "export": "Write a run's model as TF Serving reads it.",
    "serve": "Serve exported models over REST and gRPC, as TF Serving does.",
    "client": "Send texts to a model on a server.",
    "data": "List, show and describe data sets.",
    "config": "Show, check and explain configurations.",
    "lesson": "See what the five teaching pages claim, one lesson a page.",
    "bench": "Measure speed and memory, compared with Keras and PyTorch.",
}


class UserMistake(click.ClickException):
    """One clear line on the screen, and exit code 2."""

    exit_code = 2


class Verbs(click.Group):
    """Imports a verb's module when the verb is used, and shows users' errors as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a run's life."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module."""
        if cmd_name not in VERBS:
            return None
        return getattr(import_module(f"seqtasks.cli.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Suggest the nearest verb for an unknown one."""
        close = difflib.get_close_matches(args[0], VERBS, n=1)
        if args[0] not in VERBS and close:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; show what the user can mend as one line."""
        try:
            return super().invoke(ctx)
        except SeqtasksError as error:
            raise UserMistake(str(error)) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if (told := one_line(error)) is None:
                raise
            raise UserMistake(told) from error


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("--verbose", is_flag=True, help="Show what TensorFlow prints when it starts.")
@click.pass_context
def main(ctx: click.Context, verbose: bool) -> None:
    """Recurrent sequence models, from a text file to a served model."""
    ctx.obj = {"verbose": verbose}
