"""The server under load: latencies, requests per second, overhead, start and memory.

A request carries one text to a model's default signature. The texts have about ten words and come
from an export's warm-up requests, which are real test data of its run. `toy_exports` makes the
models that are measured by default: those of `configs/`, trained for a minute or two in all. Their
answers are often wrong, but as long as right ones (rows say how long), and a translation takes as
long as its answer.

Server and clients share the machine's processors; rows say how much time of them each took. The
server is `seqtasks serve` with its defaults, access log included. Where TF Serving's own server is
installed, it is measured too, alternating. The same requests go to the engine in this process, to
which a server can only add time, and to TensorFlow's own `tf.saved_model.load(...).signatures`.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seqtasks.benchmarks.measuring import machine, markdown, memory_now
from seqtasks.benchmarks.serving_load import alternate_calls, load
from seqtasks.benchmarks.serving_subject import (
    APIS,
    Server,
    Subject,
    kinds,
    processor_seconds,
    started,
)
from seqtasks.config import load_config
from seqtasks.errors import ConfigError, did_you_mean
from seqtasks.serving.models.model_config import directory_source, newest_versions

Row = dict[str, Any]
Say = Callable[[str], None]

# The configurations of configs/. Answers have the right length long before half of them are right.
TOYS = {
    "sentiment": ("task=sentiment", "training.epochs=1"),
    "translation": (
        "task=translation",
        "training.epochs=3",
        "training.target=0.5",
        "decoding.beam=4",
    ),
}
_WARM_UP = 0.2  # this share of the measured time
_PARTS = 10  # of a memory run; the memory is read after each


def toy_exports(base: Path, say: Say) -> None:
    """Train the toy sentiment and translation models, and export them below `base`."""
    from seqtasks.export.export import export_run
    from seqtasks.training.train import train

    for name, settings in TOYS.items():
        with TemporaryDirectory() as runs:
            say(f"{name}: training")
            outcome = train(load_config((), settings), Path(runs), False, _Unwatched())
            say(f"{name}: exporting")
            export_run(outcome.run, base / name)


def measure(
    base: Path, names: Sequence[str], clients: Sequence[int], seconds: float, requests: int,
    say: Say,
) -> list[Row]:  # fmt: skip
    """Measure servers of exports, each of one model.

    Args:
        base: the directory of models, NAME/VERSION/saved_model.pb.
        names: the models to measure; empty for all.
        clients: how many clients ask at the same time, for each cell of the table.
        seconds: how long each cell is measured, after a warm-up of a fifth of it.
        requests: how many requests the memory run sends to the first model; 0 for no memory run.
        say: called with a line about what is measured next.

    Returns:
        Rows of four kinds, by their "what": "start" (seconds from the start of the process until
        it is ready), "overhead" (median milliseconds of one client's requests and of the calls in
        this process, alternating), "load" (a cell: p50 and p99 of the latencies in milliseconds,
        requests per second, errors, and milliseconds of processor time that a request takes in
        the server and in the clients) and "memory" (megabytes after so many requests, alternately
        over REST and gRPC). "sent" counts all requests, warm-up included.

    Raises:
        ConfigError: where a model isn't there, or can't be asked about texts.
        ServingError: where a server doesn't start, or doesn't answer.
    """
    rows: list[Row] = []
    subjects = [Subject(path) for path in _find_models(base, names)]
    for subject in subjects:
        for batching in (False, True):
            about = f"{subject.name}, batching {_switch(batching)}"
            with contextlib.ExitStack() as stack:
                say(f"{about}: start")
                servers = [
                    stack.enter_context(started(subject.path, kind, options, batching))
                    for kind, options in kinds().items()
                ]
                rows += [_row("start", subject, s, seconds=s.start_seconds) for s in servers]
                if not batching:
                    say(f"{about}: overhead")
                    rows += [_overhead(subject, server, seconds) for server in servers]
                for count in clients:
                    say(f"{about}: clients: {count}")
                    for api in APIS:
                        rows += [_cell(subject, s, api, count, seconds) for s in servers]
                if requests and subject is subjects[0]:
                    say(f"{about}: memory")
                    rows += [_memory(subject, s, max(clients), requests) for s in servers]
    where = machine()
    return [{**row, "machine": where} for row in rows]


def table(rows: list[Row]) -> str:
    """Write the rows as Markdown tables: load, overhead, start, memory."""
    laid_out = {
        "load": (
            [
                *("API", "clients", "p50 ms", "p99 ms", "requests/s", "errors"),
                *("server CPU ms", "client CPU ms"),
            ],
            lambda r: [
                r["api"],
                str(r["clients"]),
                *(f"{r[figure]:.2f}" for figure in ("p50", "p99")),
                f"{r['per_second']:.0f}",
                str(r["errors"]),
                *(f"{r[figure]:.2f}" for figure in ("server_ms", "client_ms")),
            ],
        ),
        "overhead": (
            ["words in, out", "Session ms", "signature ms", "REST ms", "gRPC ms"],
            lambda r: [
                f"{r['words']:.1f}, {r['answer_words']:.1f}",
                *(f"{r[call]:.2f}" for call in ("session", "eager")),
                *(f"{r[api]:.2f} (+{r[api] - r['session']:.2f})" for api in APIS),
            ],
        ),
        "start": (["ready after s"], lambda r: [f"{r['seconds']:.1f}"]),
        "memory": (
            ["requests: MB", "errors"],
            lambda r: [", ".join(f"{n}: {mb:.0f}" for n, mb in r["megabytes"]), str(r["errors"])],
        ),
    }
    parts = [rows[0]["machine"]]
    for what, (heads, cells) in laid_out.items():
        lines = [
            [row["model"], row["server"], _switch(row["batching"]), *cells(row)]
            for row in rows
            if row["what"] == what
        ]
        if lines:
            parts.append(markdown(["model", "server", "batching", *heads], lines))
    return "\n\n".join(parts)


def _find_models(base: Path, names: Sequence[str]) -> list[Path]:
    """Find the newest version of each model."""
    found = newest_versions(directory_source(base)())
    for name in names:
        if name not in found:
            near = did_you_mean(name, found)
            raise ConfigError(f"{base}: no model {name!r}{near}; expected NAME/VERSION")
    if not found:
        raise ConfigError(f"{base}: no model (NAME/VERSION/saved_model.pb)")
    return [found[name] for name in names or found]


def _overhead(subject: Subject, server: Server, seconds: float) -> Row:
    with (
        subject.clients(server, "REST", 1) as (rest,),
        subject.clients(server, "gRPC", 1) as (rpc,),
    ):
        calls = {"session": subject.session, "eager": subject.eager}
        times = alternate_calls({**calls, "REST": rest.ask, "gRPC": rpc.ask}, 2 * seconds)
    words, answer_words = subject.words()
    figures = {who: median for who, (median, _) in times.items()}
    sent = {api: times[api][1] for api in APIS}
    return _row(
        "overhead", subject, server, words=words, answer_words=answer_words, **figures, sent=sent
    )


def _cell(subject: Subject, server: Server, api: str, count: int, seconds: float) -> Row:
    with subject.clients(server, api, count) as clients:
        before = load(clients, seconds=_WARM_UP * seconds)
        start = processor_seconds(server.process)
        found = load(clients, seconds=seconds)
        server_seconds = processor_seconds(server.process) - start
    figures = found.figures()
    server_ms = 1e3 * server_seconds / figures["requests"]
    figures["errors"] += before.errors
    sent = {api: figures.pop("requests") + len(before.latencies)}
    return _row(
        "load", subject, server, api=api, clients=count, **figures, server_ms=server_ms, sent=sent
    )


def _memory(subject: Subject, server: Server, count: int, requests: int) -> Row:
    megabytes, errors = [(0, memory_now(server.process))], 0
    sent = dict.fromkeys(APIS, 0)
    for part in range(_PARTS):
        api = list(APIS)[part % 2]
        wanted = requests * (part + 1) // _PARTS - sum(sent.values())
        with subject.clients(server, api, count) as clients:
            errors += load(clients, requests=wanted).errors
        sent[api] += wanted
        megabytes.append((sum(sent.values()), memory_now(server.process)))
    return _row("memory", subject, server, megabytes=megabytes, errors=errors, sent=sent)


def _row(what: str, subject: Subject, server: Server, **figures: Any) -> Row:
    about = {"model": subject.name, "server": server.kind, "batching": server.batching}
    return {"what": what, **about, **figures}


def _switch(on: bool) -> str:
    return "on" if on else "off"


class _Unwatched:
    """Watches a training without a word."""

    def progressed(self, progress: Any) -> None:
        """Do nothing."""

    def epoch_ended(self, result: Any) -> None:
        """Do nothing."""
