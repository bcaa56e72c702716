"""Translations per second by beam width, and the latency of one exported layer."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtasks.benchmarks.corpora import TRANSLATION, corpus
from seqtasks.benchmarks.measuring import alternate, machine, markdown
from seqtasks.data.pairs import TextPairs
from seqtasks.errors import ConfigError
from seqtasks.layers.recurrent import GRU, LSTM, RNN
from seqtasks.runs import Run
from seqtasks.serving.models.engine import Servable
from seqtasks.tasks import translation
from seqtasks.tasks.finished_run import load_predictor
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.sources import load_splits, read_part
from seqtasks.text.vocabulary import END_ID

BEAMS = (1, 2, 4, 5, 8)
CELLS = ("lstm", "gru")
# Joey NMT 2 with the same network on Tatoeba's English-French test sentences; recorded on two
# cores, not measured here.
JOEY_SECONDS, JOEY_SENTENCES, JOEY_BEAM = 13, 2_000, 5
_CALLS = 20  # of an export in each measurement: one takes about a millisecond


def measure(
    run: Run | None = None,
    data: str | None = None,
    sentences: int = 2_000,
    beams: tuple[int, ...] = BEAMS,
    cells: tuple[str, ...] = CELLS,
    rounds: int = 3,
    network: dict[str, Any] = TRANSLATION,
) -> list[dict[str, Any]]:
    """Measure how fast sentences are translated, and the latency of exported layers.

    Args:
        run: a run of the task translation; None for an untrained network of `network` and
            synthetic sentences, with answers as long as the sentences (`AsLongAsTheSource`).
        data: a file of pairs, whose sources are translated; None for the run's test data.
        sentences: the most sentences to translate.
        beams: the beam widths.
        cells: the cells whose exported layers are timed; empty for none.
        rounds: how often everything is run, alternating; medians are returned.
        network: the configuration of the untrained network.

    Returns:
        A row for each width of the beam ("part" is "beam") and for each cell ("latency").

    Raises:
        ConfigError: where the run is of another task.
        DataError, RunError: where data or run can't be used.
    """
    rows = []
    if beams:
        predictor, part = _of_run(run, data) if run else _untrained(network, data, sentences)
        part = part.select(range(min(sentences, len(part))))
        rows += _beams(predictor, part, beams, rounds)
    rows += [exported_latency(cell, max(rounds, 3)) for cell in cells]
    return [{**row, "machine": machine()} for row in rows]


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as Markdown tables."""
    made = [rows[0]["machine"]]
    if beams := [row for row in rows if row["part"] == "beam"]:
        heads = ["beam", "seconds", "sentences/s", "tokens/s", "tokens"]
        lines = [
            [
                str(row["beam"]),
                f"{row['seconds']:.2f}",
                f"{row['sentences'] / row['seconds']:,.0f}",
                f"{row['tokens'] / row['seconds']:,.0f}",
                f"{row['tokens']:,}",
            ]
            for row in beams
        ]
        made.append(
            f"{beams[0]['sentences']:,} sentences of {beams[0]['data']}\n\n{markdown(heads, lines)}"
            f"\n\nJoey NMT takes {JOEY_SECONDS} s for {JOEY_SENTENCES:,} test sentences of Tatoeba "
            f"by a beam of {JOEY_BEAM} (recorded on two cores, not here)."
        )
    if latencies := [row for row in rows if row["part"] == "latency"]:
        heads = ["exported layer", "N,T,D,H", "seqtasks, ms", "keras, ms", "ratio"]
        lines = []
        for row in latencies:
            ours, theirs = row["milliseconds"]["seqtasks"], row["milliseconds"]["keras"]
            shape = ",".join(map(str, row["shape"]))
            figures = [f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}"]
            lines.append([row["cell"], shape, *figures])
        made.append(markdown(heads, lines))
    return "\n\n".join(made)


class AsLongAsTheSource(translation.Predictor):
    """Cuts each answer off at the length of its text, so that an untrained network gives real ones.

    The network must never write the end of a text itself.
    """

    def translate(self, text, beam, n_best):
        """Translate texts (N,) to (N, n_best), with what the search found."""
        given = self.decoding
        lengths = tf.cast(self.codec.source.split(text).row_lengths(), tf.int32)
        # A tensor while the graph is made; `decoding` otherwise holds numbers.
        self.decoding = given.model_copy(update={"max_length": lengths})
        try:
            return super().translate(text, beam, n_best)
        finally:
            self.decoding = given


def _untrained(
    network: dict[str, Any], data: str | None, sentences: int
) -> tuple[translation.Predictor, TextPairs]:
    texts = corpus(network, data, sentences)
    model = get_task(texts.config.task).build(texts.config, texts.codec)
    bias = model.decoder.b_E
    never = np.where(np.arange(len(texts.codec.target)) == END_ID, -1e9, 0.0)
    bias.assign(never.astype(np.float32))
    return AsLongAsTheSource(model, texts.codec, texts.config.decoding), texts.part


def _of_run(run: Run, data: str | None) -> tuple[translation.Predictor, TextPairs]:
    config = run.config
    if config.task != "translation":
        raise ConfigError(
            f"{run.path}: a run of the task {config.task}; expected one of translation"
        )
    predictor = load_predictor(run, config)
    if data is not None:
        return predictor, read_part(config, data)
    splits = load_splits(config)
    return predictor, splits.test or splits.validation


def _beams(
    predictor: translation.Predictor, part: TextPairs, beams: tuple[int, ...], rounds: int
) -> list[dict[str, Any]]:
    data = translation.examples(predictor.codec, part)
    seconds: dict[int, list[float]] = {beam: [] for beam in beams}
    tokens = {beam: _tokens(predictor, part, beam) for beam in beams}  # this traces the graphs, too
    for _ in range(rounds):
        for beam in beams:
            start = time.perf_counter()
            predictor.texts(data, beam)
            seconds[beam].append(time.perf_counter() - start)
    return [
        {
            "part": "beam",
            "data": part.source,
            "beam": beam,
            "sentences": len(part),
            "tokens": tokens[beam],
            "seconds": statistics.median(seconds[beam]),
        }
        for beam in beams
    ]


def _tokens(predictor: translation.Predictor, part: TextPairs, beam: int) -> int:
    """Count the tokens of all translations, without their ends."""
    given = predictor.decoding
    predictor.decoding = given.model_copy(update={"beam": beam, "n_best": 1})
    try:
        return sum(len(found.target_tokens) for found in predictor.predict(part.texts))
    finally:
        predictor.decoding = given


def exported_latency(
    cell: str, rounds: int = 15, shape: tuple[int, int, int, int] = (1, 50, 128, 256)
) -> dict[str, Any]:
    """Time a layer on one example in an exported model, run as a server runs it.

    Ours and Keras' (the GRU with `reset_after=False`, as on page 000) are exported by the same
    `keras.export.ExportArchive`, for any N and T, and alternate.

    Args:
        cell: "rnn", "lstm" or "gru".
        rounds: how often both are measured; medians are returned.
        shape: N, T, D, H.

    Returns:
        A row: milliseconds of a call to each.
    """
    N, T, D, H = shape
    layers: dict[str, keras.Layer] = {
        "seqtasks": {"rnn": RNN, "lstm": LSTM, "gru": GRU}[cell](H),
        "keras": {
            "rnn": keras.layers.SimpleRNN,
            "lstm": keras.layers.LSTM,
            "gru": lambda units: keras.layers.GRU(units, reset_after=False),
        }[cell](H),
    }
    x = np.random.default_rng(1).normal(size=(N, T, D)).astype(np.float32)
    servables: list[Servable] = []
    try:
        with TemporaryDirectory() as folder:
            for who, layer in layers.items():
                servables.append(_exported(layer, D, Path(folder) / who))
            calls = dict(zip(layers, (_calls(servable, x) for servable in servables), strict=True))
            times = alternate(calls, rounds)
    finally:
        for servable in servables:
            servable.close()
    return {
        "part": "latency",
        "cell": cell,
        "shape": list(shape),
        "milliseconds": {who: milliseconds / _CALLS for who, milliseconds in times.items()},
    }


def _exported(layer: keras.Layer, D: int, path: Path) -> Servable:
    inputs = keras.Input((None, D))
    model = keras.Model(inputs, layer(inputs))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda x: {"outputs": model(x, training=False)},
        [tf.TensorSpec((None, None, D), name="x")],
    )
    archive.write_out(str(path), verbose=False)
    return Servable(path)


def _calls(servable: Servable, x: np.ndarray) -> Callable[[], None]:
    signature = servable.signature("")
    name = next(iter(signature.inputs))

    def call() -> None:
        for _ in range(_CALLS):
            servable.run(signature, {name: x})

    return call
