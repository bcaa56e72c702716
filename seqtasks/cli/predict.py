"""`seqtasks predict`."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from seqtasks import answers
from seqtasks.cli.asked import (
    find_asked,
    named_run,
    one_run,
    runs_arguments,
    tell_average,
)
from seqtasks.cli.notices import Notices
from seqtasks.cli.options import assignments_option, run_config, runs_dir_option
from seqtasks.cli.pages import check_output, page_language
from seqtasks.cli.reaching import open_client, showing_and_trusting
from seqtasks.cli.runtime import (
    check_onnx,
    export_asked_for,
    export_at_hand,
    exported_answers,
    runtime_option,
)
from seqtasks.config import RunConfig, TaggedDataConfig
from seqtasks.errors import DataError, RunError
from seqtasks.runner.batches import in_parts
from seqtasks.runs import Run, find_run, find_runs

if TYPE_CHECKING:
    from seqtasks.clients.client import Client

_BATCH = 64
_BYTES = 2**17
_PICTURES = 100  # answers on a page of --html


# Of texts, to what `--json` writes and what people are shown.
Predict = Callable[[list[str]], Iterator[tuple[dict[str, Any], str]]]


@click.command()
@runs_arguments
@click.argument("text", nargs=-1)
@click.option(
    "--file",
    "file",
    type=click.File("rb"),
    help="Read texts from a file, one per line; or sentences to tag from a .conllu file.",
)
@click.option(
    "--tokens",
    "ready",
    is_flag=True,
    help="Take what stands between spaces as tokens, for a tagger. Default: RUN cuts the texts.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line, with all details."
)
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page, too, of where the model looked: translations and documents, by attention.",
)
@click.option(
    "--server",
    metavar="URL",
    help="Ask a server that serves RUN's export: http://, https:// or grpc://HOST:PORT.",
)
@runtime_option
@click.option("--model", help="Name of the model on the server. Default: RUN's name.")
@showing_and_trusting
@assignments_option
@runs_dir_option
def predict(
    run: str | None, text: tuple[str, ...], averaged: tuple[Path, ...], file: BinaryIO | None,
    ready: bool, as_json: bool, html: Path | None, server: str | None, runtime: str,
    model: str | None, token: str | None, ca_certificate: Path | None,
    assignments: tuple[str, ...], runs_dir: Path,
) -> None:  # fmt: skip
    """Run a trained model on texts, one result per line.

    Classes come with their probability, words with their tags, translations alone; a language
    model continues the text. For captioning a TEXT is the name of an image's file, or of an .npz
    file of images. How text is written can be set: --set decoding.beam=1.

    Texts come from the arguments, from --file, or line by line from standard input, so that it
    works as a filter in a pipe: an answer is written as soon as its line is read. A tagger takes
    sentences of tokens too: lines with --tokens, or a .conllu file, which it writes with its tags.

    With --json an answer says what was left out: `unread`, how many tokens of the text are beyond
    text.max_length, and `cut`, whether a translation or caption ended at decoding.max_length; a
    class of a text without words is marked `empty`. A line on standard error counts such texts
    and such answers. Taggers read texts of any length.

    With --server the answers are of RUN's export there, and RUN may be just a name. They look the
    same; but captions have no runners-up, and translations only where RUN is at hand.

    Several runs answer by their mean: with --run A --run B all arguments are texts, and RUN may be
    a folder of runs, or NAME of NAME-seed1 and so on.
    """
    if averaged and run is not None:
        run, text = None, (run, *text)
    given = named_run(run, averaged)
    check_texts(text, file)
    if averaged and server:
        raise click.UsageError(
            "--run: a server has the export of several runs by one name; give that as RUN"
        )
    if html:
        _check_html(html, given, runs_dir, server)
    if runtime == "onnx":
        check_onnx(server, html, ready or is_conllu(file), assignments)
    if model and not server:
        raise click.UsageError("--model is the name on a server: it needs --server")
    if ca_certificate and not server:
        raise click.UsageError("--ca-certificate is a server's: it needs --server")
    if assignments and server:
        raise click.UsageError("--set: a server writes as the export was told; leave it out")
    conllu = is_conllu(file)
    if ready and conllu:
        raise click.UsageError("--tokens: the tokens of a .conllu file are ready; leave it out")
    if ready and server:
        raise click.UsageError("--tokens: a server is asked for texts; leave --server out")
    if conllu and server:
        raise click.UsageError("--file: a server is asked for texts, not for CoNLL-U")
    if conllu or ready:
        ask = _tagger(given, runs_dir, assignments)
        if conllu and file is not None:
            tag_conllu(ask, file, as_json)
        else:
            tag_lines(ask, text_batches(text, file), as_json)
        return
    with ExitStack() as end:
        at_once = _BATCH
        if server:
            client = end.enter_context(open_client(server, token, ca_certificate))
            ask = _served(given[0], runs_dir, client, model, as_json)
        elif runtime == "onnx":
            ask, at_once = _exported(*export_asked_for(given, runs_dir), as_json)
        elif (
            runtime == "auto"
            and not (html or assignments)
            and (at_hand := export_at_hand(given, runs_dir))
        ):
            ask, at_once = _exported(*at_hand, as_json)
        else:
            ask = _loaded(given, runs_dir, assignments)
        notices = Notices()
        end.callback(notices.tell)
        kept: list[dict[str, Any]] = []
        if html:
            end.callback(_write_attention, html, kept)
        for batch in text_batches(text, file, at_once):
            for answer, shown in ask(batch):
                click.echo(json.dumps(answer, ensure_ascii=False) if as_json else shown)
                notices.note(answer)
                if html and len(kept) < _PICTURES:
                    kept.append(answer)
            sys.stdout.flush()


def is_conllu(file: BinaryIO | None) -> bool:
    """Whether a file is of CoNLL-U, by its name, which standard input lacks in some places."""
    return str(getattr(file, "name", "")).lower().endswith(".conllu")


def _check_html(path: Path, given: tuple[Path, ...], runs_dir: Path, server: str | None) -> None:
    """Refuse a page that would show nothing, or that can't be written, before TensorFlow starts.

    Raises:
        click.UsageError: says which.
    """
    if server:
        raise click.UsageError("--html: a page is made of RUN itself; leave --server out")
    check_output(path, "--html")
    config = one_run(find_runs(given, runs_dir), "--html").config
    model: Any = config.model
    translates = getattr(model, "attention", "none") != "none"
    levels = getattr(model, "topology", "flat") == "hierarchical" and model.pooling == "attention"
    if not translates and not levels:
        raise click.UsageError(
            f"--html shows where a model looked, and this run of {config.task} has no attention; "
            "seqtasks inspect RUN TEXT --html FILE shows its gates and memory"
        )


def _write_attention(path: Path, found: list[dict[str, Any]]) -> None:
    """Write the page of --html, if all went well so far."""
    if sys.exc_info()[0] is not None:
        return
    from seqtasks.inspection.trace_page import write_attention

    write_attention(path, found, page_language())
    click.echo(f"Written: {path}", err=True)


def _tagger(given: tuple[Path, ...], runs_dir: Path, assignments: tuple[str, ...]) -> "Tagger":
    """Load a run that tags, or several; refuse others before TensorFlow starts.

    Raises:
        click.UsageError: where the run is of another task.
    """
    for one in find_runs(given, runs_dir):
        if not isinstance(one.config.data, TaggedDataConfig):
            raise click.UsageError(
                f"ready tokens are for the task tagging; {one.path} is a run of {one.config.task}"
            )
    predictor, config = _predictor(given, runs_dir, assignments)
    column = _filled_column(config)
    return Tagger(predictor.predict_tokens, bool(predictor.codec.scheme), column)


@dataclass(frozen=True)
class Tagger:
    """A run that tags sentences of tokens.

    Attributes:
        tag: of sentences, to an answer for each.
        entities: whether its tags mark entities.
        column: of CoNLL-U, that its tags are of; None where it was trained on other files.
    """

    tag: Callable[[list[list[str]]], Iterator[Any]]
    entities: bool
    column: int | None


def _filled_column(config: Any) -> int | None:
    """The column of CoNLL-U that a run's tags come from; None where they come from other files."""
    from seqtasks.data.tagged import CONLLU_COLUMNS

    if not config.data.source.lower().endswith(".conllu"):
        return None
    column = config.data.tag_column
    if column is None:
        return CONLLU_COLUMNS.index("upos")
    if isinstance(column, str) and not column.isdecimal():
        return CONLLU_COLUMNS.index(column.lower())
    return int(column)


def tag_lines(tagger: Tagger, batches: Iterator[list[str]], as_json: bool) -> None:
    """Print the tags of tokens that stand in lines, spaces between."""
    for batch in batches:
        for prediction in tagger.tag([line.split() for line in batch]):
            known = {k: v for k, v in asdict(prediction).items() if v is not None}
            click.echo(json.dumps(known, ensure_ascii=False) if as_json else _line(known))
        sys.stdout.flush()


def tag_conllu(tagger: Tagger, file: BinaryIO, as_json: bool) -> None:
    """Print a CoNLL-U file with the tags in their column; all else, such as comments, as it is.

    Tags of a run that was trained on other files stand in UPOS or, if they mark entities, in MISC.

    Raises:
        DataError: a line that isn't of CoNLL-U.
    """
    from seqtasks.data.spacing import conllu_blocks, with_tags
    from seqtasks.data.tagged import CONLLU_COLUMNS

    column, key = tagger.column, ""
    if column is None:
        column, key = CONLLU_COLUMNS.index("upos"), ""
        if tagger.entities:
            column, key = CONLLU_COLUMNS.index("misc"), "ner"
    lines = (line for batch in line_batches(file, file.name) for line in batch)
    blocks = conllu_blocks(lines, file.name)
    while batch := list(islice(blocks, _BATCH)):
        answers = tagger.tag([words for _, words in batch])
        for (block, words), answer in zip(batch, answers, strict=True):
            if as_json:
                known = {k: v for k, v in asdict(answer).items() if v is not None}
                click.echo(json.dumps(known, ensure_ascii=False))
                continue
            if len(answer.tags) < len(words):
                raise DataError(
                    f"{file.name}: a sentence of {len(words)} tokens, of which the run reads "
                    f"{len(answer.tags)}: {' '.join(words[:8])} ..."
                )
            for line in with_tags(block, answer.tags, column, key):
                click.echo(line)
            click.echo()
        sys.stdout.flush()


def _predictor(
    given: tuple[Path, ...], runs_dir: Path, assignments: tuple[str, ...]
) -> tuple[Any, RunConfig]:
    """Load a run's own weights, or those of several, and the configuration of the first one."""
    found = find_asked(given, runs_dir)
    configs = [run_config(one, assignments) for one in found]

    from seqtasks.cli.startup import start_tensorflow
    from seqtasks.tasks.averages import load_average

    tell_average(found)
    start_tensorflow()
    return load_average(found, configs), configs[0]


def _loaded(given: tuple[Path, ...], runs_dir: Path, assignments: tuple[str, ...]) -> Predict:
    """Load a run's own weights, or those of several that answer by their mean."""
    predictor, _ = _predictor(given, runs_dir, assignments)

    def ask(texts: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
        for prediction in predictor.predict(texts):
            known = {k: v for k, v in asdict(prediction).items() if v is not None}
            yield known, _line(known)

    return ask


def _exported(run: Run, path: Path, complete: bool) -> tuple[Predict, int]:
    """Load a run's ONNX export, which says how many of many texts to give it at a time."""
    answers_of, at_once = exported_answers(run, path, complete)

    def ask(texts: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
        for answer in answers_of(texts):
            yield answer, _line(answer)

    return ask, at_once


def _served(
    run: Path, runs_dir: Path, client: "Client", model: str | None, complete: bool
) -> Predict:
    """Find a run's export on a server; the run itself, if it is there, says how much to show."""
    from seqtasks.clients.served_run import ServedRun

    n_best = 1
    with suppress(RunError):
        decoding = getattr(find_run(run, runs_dir).config, "decoding", None)
        n_best = getattr(decoding, "n_best", 1)
    served = ServedRun(client, model or run.resolve().name, n_best)

    def ask(texts: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
        for answer in served.predict(texts, complete):
            yield answer, _line(answer)

    return ask


def _line(answer: dict[str, Any]) -> str:
    """Write an answer for people; as JSON what has no such form."""
    shown = answers.line(answer)
    return json.dumps(answer, ensure_ascii=False) if shown is None else shown


def check_texts(text: tuple[str, ...], file: BinaryIO | None) -> None:
    """Refuse texts that are given twice, or that aren't Unicode.

    Raises:
        click.UsageError: says which.
    """
    if text and file:
        raise click.UsageError("give texts as arguments or by --file, not both")
    for place, argument in enumerate(text, 1):
        if not argument.isprintable() and any("\udc80" <= c <= "\udcff" for c in argument):
            raise click.UsageError(f"TEXT {place} is not UTF-8: {argument!r:.80}")


def text_batches(
    text: tuple[str, ...], file: BinaryIO | None, at_once: int = _BATCH
) -> Iterator[list[str]]:
    """Give the texts of the arguments, of a file, or of standard input, as they come.

    Args:
        at_once: lines of a batch at most.

    Raises:
        DataError: where a line isn't UTF-8.
    """
    stream = file or sys.stdin.buffer
    name = "standard input" if stream is sys.stdin.buffer else stream.name
    yield from [list(text)] if text else line_batches(stream, name, at_once)


def line_batches(stream: BinaryIO, name: str, at_once: int = _BATCH) -> Iterator[list[str]]:
    """Give lines in batches of what is there: one as soon as it comes, many when they queue up.

    Args:
        at_once: lines of a batch at most.

    Raises:
        DataError: where a line isn't UTF-8; what came before it is given first.

    >>> import io
    >>> list(line_batches(io.BytesIO(b"one\\ntwo\\n"), "input"))
    [['one', 'two']]
    """
    number, begun = 0, b""
    while begun is not None:
        # What is there, up to a limit; waits only while there is nothing.
        chunk = stream.read1(_BYTES)
        *lines, begun = (begun + chunk).split(b"\n")
        if not chunk:
            lines, begun = ([begun] if begun else []), None
        for part in in_parts(lines, at_once):
            batch = []
            for line in part:
                number += 1
                try:
                    batch.append(line.decode("utf-8").removesuffix("\r"))
                except UnicodeDecodeError as error:
                    if batch:
                        yield batch
                    raise DataError(
                        f"{name}, line {number}: not UTF-8 (byte {error.start + 1}); convert the "
                        "text first, such as by iconv -t UTF-8"
                    ) from error
            yield batch
