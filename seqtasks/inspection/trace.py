"""One text through a finished run: gates, states, answers on the way, and what each token did."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.data.image_files import read_image
from seqtasks.errors import DataError
from seqtasks.inspection.recording import Recorded, looking_back, recording
from seqtasks.inspection.trace_data import LayerTrace, Trace
from seqtasks.layers.bidirectional import directions
from seqtasks.tasks.captioning import as_trained
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_one import linear_of, stack_within
from seqtasks.topologies.next_step import NextStep
from seqtasks.topologies.one_to_many import OneToMany
from seqtasks.topologies.recurrent_stack import layers_of
from seqtasks.topologies.seq2seq import Seq2Seq

TOKENS = 200  # that are shown of a longer text
START = "⟨start⟩"  # what a decoder reads first
_AT_ONCE = 64  # beginnings of a text that are answered at once
_PAGES = ("rnn", "lstm", "gru")  # whose steps `seqtasks.inspection.steps` can write down
_NOTHING = "the text has no token to read; give one with a word in it"


def trace(predictor: Any, task: str, text: str, most: int = TOKENS) -> Trace:
    """Follow one text through a model.

    Args:
        predictor: of a finished run, as `seqtasks.tasks.finished_run.load_predictor` gives it.
        task: its task's name.
        text: or an image's file, for captioning.
        most: how many tokens are shown; a longer text is read as if it ended there.

    Raises:
        DataError: a text without a token.
    """
    model = predictor.model
    if isinstance(model, Seq2Seq):
        return _translation(predictor, task, text, most)
    if isinstance(model, OneToMany):
        return _caption(predictor, task, text)
    if isinstance(model, NextStep):
        return _next_step(predictor, task, text, most)
    return _reader(predictor, task, text, most)


def stacks_of(model: Any) -> dict[str, list[Any]]:
    """The recurrent layers of a model that read tokens or write them, by what they belong to.

    The name is empty where a model has one stack or, with a network of another's making, none. The
    reader of a word's characters isn't among them.
    """
    if isinstance(model, Hierarchical):
        return {
            "words": layers_of(model.words.stack),
            "sentences": layers_of(model.sentences.stack),
        }
    if isinstance(model, Seq2Seq):
        return {"encoder": layers_of(model.encoder), "decoder": model.decoder.layers}
    if isinstance(model, OneToMany | NextStep):
        return {"": model.decoder.layers}
    stack = stack_within(model)
    return {"": layers_of(stack) if stack else []}


def _reader(predictor: Any, task: str, text: str, most: int) -> Trace:
    """Of what reads a text and classifies it, or each of its tokens."""
    model, codec = predictor.model, predictor.codec
    tagger, levels = not hasattr(codec, "head"), isinstance(model, Hierarchical)
    given = tf.constant([text])
    read = codec.encoder.split(given)
    sentences: list[list[str]] = []
    if levels:
        sentences = _first([_texts(row) for row in read.to_list()[0]], most)
        tokens = [token for sentence in sentences for token in sentence]
    else:
        tokens = _texts(read.to_list()[0])
    if tagger:
        total, most = len(tokens), min(most, codec.encoder.max_length)
    else:
        total = int(codec.encoder.measure(given)[0][0])
    tokens = tokens[:most]
    if not tokens:
        raise DataError(_NOTHING)
    inputs = codec.encoder(read if tagger else given)
    if not levels:
        inputs = {name: ids[:, : len(tokens)] for name, ids in inputs.items()}
    inputs = _beginnings(inputs, [len(tokens)])

    stacks = stacks_of(model)
    with tf.GradientTape() as tape, recording(_all(stacks), tape) as recorder:
        outputs = model(inputs, training=False)
        last = outputs[0, len(tokens) - 1] if tagger else outputs[0]
        number = not tagger and codec.head.kind == "number"
        y = last[0] if number else tf.reduce_max(last)
    gradients = _gradients(tape, y, _read_by(recorder.runs))
    reads = {"": tokens, "words": tokens}
    reads["sentences"] = [f"{n + 1}: {' '.join(s[:3])}" for n, s in enumerate(sentences)]
    attention: dict[str, np.ndarray] = {}
    if levels and model.has_attention:
        of_sentences, of_words = (weights.numpy()[0] for weights in model.attention(inputs))
        attention["sentences"] = of_sentences[: len(sentences)]
        each = [of_words[s, : len(words)] for s, words in enumerate(sentences)]
        attention["words"] = np.concatenate(each)
    running, certainty = _on_the_way(predictor, inputs, len(tokens), tagger)
    answer = running[-1]
    if tagger:
        best = predictor.paths(outputs, tf.constant([len(tokens)])).tags[0].numpy()[: len(tokens)]
        pairs = zip(tokens, best, strict=True)
        answer = " ".join(f"{token}/{codec.tags[n]}" for token, n in pairs)
    return Trace(
        text, task, tokens, answer, running, certainty,
        _of_vectors(next(iter(stacks.values()))[0], recorder.runs, gradients),
        _layer_traces(stacks, recorder.runs, gradients, reads),
        attention=attention, sentences=[len(s) for s in sentences],
        notes=[*_cut(len(tokens), total), *_beside(model)],
    )  # fmt: skip


def _beside(model: Any) -> list[str]:
    if not linear_of(model):
        return []
    return [
        "answers are those of the network and of the linear model beside it (model.beside) "
        "together; gates, states and gradients are the network's alone"
    ]


def _on_the_way(
    predictor: Any, inputs: dict[str, tf.Tensor], count: int, tagger: bool
) -> tuple[list[str], np.ndarray]:
    """What is answered where the text ends after each token, and how sure that is."""
    said, sure = [], []
    for start in range(0, count, _AT_ONCE):
        ends = list(range(start + 1, min(start + _AT_ONCE, count) + 1))
        some = _beginnings(inputs, ends)
        if tagger:
            lengths = tf.constant(ends)
            found = predictor.paths(predictor.model(some, training=False), lengths)
            last = tf.gather(found.tags, lengths - 1, batch_dims=1)
            rows = tf.gather(found.probabilities, lengths - 1, batch_dims=1)
            said += [predictor.codec.tags[n] for n in last.numpy()]
            sure += tf.gather(rows, last, batch_dims=1).numpy().tolist()
            continue
        for row in predictor.classify(some).numpy():
            found = predictor.codec.head.predict("", row, predictor.threshold, None)
            if hasattr(found, "value"):
                said.append(f"{found.value:.4g}")
                sure.append(found.value)
            else:
                said.append(found.label if hasattr(found, "label") else "|".join(found.labels))
                sure.append(float(row.max()))
    return said, np.array(sure)


def _translation(predictor: Any, task: str, text: str, most: int) -> Trace:
    model, codec = predictor.model, predictor.codec
    total = int(codec.source.measure(tf.constant([text]))[0][0])
    tokens = _texts(codec.source.split(tf.constant([text])).to_list()[0])[:most]
    if not tokens:
        raise DataError(_NOTHING)
    whole = text if len(tokens) == total else codec.source.join(tokens)
    every = -(-len(tokens) // _AT_ONCE)  # not all beginnings of a long text are translated
    ends = list(range(every, len(tokens), every))
    *firsts, found = predictor.predict([*(codec.source.join(tokens[:end]) for end in ends), whole])
    running = [""] * len(tokens)
    for end, first in zip(ends, firsts, strict=True):
        running[end - 1] = first.translation
    running[-1] = found.translation
    written = found.target_tokens
    inputs = codec.source(tf.constant([whole]))
    ids = codec.target.vocabulary.ids(tf.constant(written, tf.string))[tf.newaxis]
    stacks, decoder = stacks_of(model), model.decoder
    with tf.GradientTape() as tape, recording(_all(stacks), tape) as recorder:
        prepared, states = model.encode(inputs)
        read = tf.pad(ids, [[0, 0], [1, 0]], constant_values=START_ID)
        readout, _, weights = decoder(read, states, prepared)
        y = _log_probability(decoder, readout, ids)
    gradients = _gradients(tape, y, _read_by(recorder.runs))
    attention = {}
    if weights.shape[-1]:
        attention["written"] = weights.numpy()[0, : len(written)]
    reads = {"encoder": tokens, "decoder": [START, *written]}
    notes = _cut(len(tokens), total)
    if every > 1:
        notes.append(
            f"running answers are after every {every} tokens: each is a translation of its own"
        )
    return Trace(
        text, task, tokens, found.translation, running, np.full(len(tokens), np.nan),
        _of_vectors(stacks["encoder"][0], recorder.runs, gradients),
        _layer_traces(stacks, recorder.runs, gradients, reads),
        written=written, attention=attention, notes=notes,
    )  # fmt: skip


def _caption(predictor: Any, task: str, file: str) -> Trace:
    codec = predictor.codec
    image = as_trained(read_image(file), codec.image_shape)
    (found,) = predictor.predict([file])
    ids = codec.captions.ids(tf.constant([found.caption])).to_tensor()
    written = _texts(codec.captions.tokens(ids)[0].numpy())
    _, states = predictor.model.encode({"images": image[np.newaxis]})

    def output(readout: Any) -> tf.Tensor:
        return _log_probability(predictor.model.decoder, readout, ids)

    traced = _decoder(predictor.model, codec.captions, task, file, ids, states, output)
    return replace(traced, answer=found.caption, written=written)


def _next_step(predictor: Any, task: str, text: str, most: int) -> Trace:
    codec, decoder = predictor.codec.text, predictor.model.decoder
    ids = codec.ids(tf.constant([text])).to_tensor()
    if not ids.shape[1]:
        raise DataError(_NOTHING)
    notes = _cut(min(most, ids.shape[1]), ids.shape[1])
    ids = ids[:, :most]

    def output(readout: Any) -> tf.Tensor:
        return tf.reduce_max(decoder.log_probabilities(readout.scores()[0, -1]))

    states = predictor.model.zero_states(1)
    return replace(_decoder(predictor.model, codec, task, text, ids, states, output), notes=notes)


def _decoder(
    model: Any, codec: Any, task: str, text: str, ids: tf.Tensor, states: Any,
    output: Callable[[Any], tf.Tensor],
) -> Trace:  # fmt: skip
    """Of a decoder that reads tokens and says the next one; what it has read is always a start."""
    decoder, stacks, vectors = model.decoder, stacks_of(model), []
    tokens = [START, *_texts(codec.tokens(ids)[0].numpy())]
    with tf.GradientTape() as tape, recording(_all(stacks), tape) as recorder:

        def watch(read: tf.Tensor) -> None:
            tape.watch(read)
            vectors.append(read)

        decoder.token_vectors.observer = watch
        try:
            read = tf.pad(ids, [[0, 0], [1, 0]], constant_values=START_ID)
            readout, _, _ = decoder(read, states)
        finally:
            decoder.token_vectors.observer = None
        y = output(readout)
    of_vectors, *gradients = _gradients(tape, y, [vectors[0], *_read_by(recorder.runs)])
    chances = tf.exp(decoder.log_probabilities(readout.scores()[0]))
    running = _texts(codec.tokens(tf.argmax(chances, axis=-1)).numpy())
    layers = _layer_traces(stacks, recorder.runs, gradients, {"": tokens})
    return Trace(
        text, task, tokens, running[-1], running, tf.reduce_max(chances, axis=-1).numpy(),
        tf.norm(of_vectors[0], axis=-1).numpy(), layers,
    )  # fmt: skip


def _log_probability(decoder: Any, readout: Any, ids: tf.Tensor) -> tf.Tensor:
    """Of all tokens of one text, (1, T), and the end."""
    following = tf.pad(ids, [[0, 0], [0, 1]], constant_values=END_ID)
    chances = decoder.log_probabilities(readout.scores())
    # What was copied from the source has no token of its own, and the unknown one's score.
    return tf.reduce_sum(tf.gather(chances, following, batch_dims=2))


def _beginnings(inputs: dict[str, tf.Tensor], ends: list[int]) -> dict[str, tf.Tensor]:
    """One text's ids, (1, ...), cut off after each number of tokens: (ends, ...)."""
    ids = inputs["ids"]
    real = tf.cast(ids != PADDING_ID, tf.int32)
    places = tf.reshape(tf.cumsum(tf.reshape(real, [-1])), tf.shape(ids)[1:])
    limits = tf.reshape(tf.constant(ends), [-1] + [1] * (len(ids.shape) - 1))
    kept = places <= limits
    return {
        name: tf.where(
            kept if values.shape.rank == ids.shape.rank else tf.expand_dims(kept, -1), values, 0
        )
        for name, values in inputs.items()
    }


def _gradients(tape: tf.GradientTape, y: tf.Tensor, read: list[tf.Tensor]) -> Any:
    return tape.gradient(y, read, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _read_by(runs: list[Recorded]) -> list[tf.Tensor]:
    """What each layer read."""
    return [run.x for run in runs]


def _of_vectors(layer: Any, runs: list[Recorded], gradients: list[tf.Tensor]) -> np.ndarray:
    """|∂y/∂x_t| of the vectors that the lowest layer reads, by both directions together."""
    own = directions(layer)
    parts = [
        run.in_time(gradient.numpy().swapaxes(0, 1))
        for run, gradient in zip(runs, gradients, strict=True)
        if any(run.layer is each for each in own)
    ]
    return np.linalg.norm(sum(parts), axis=1)


def _layer_traces(
    stacks: dict[str, list[Any]],
    runs: list[Recorded],
    gradients: list[tf.Tensor],
    reads: dict[str, list[str]],
) -> list[LayerTrace]:
    found = []
    for name, layers in stacks.items():
        own = [each for layer in layers for each in directions(layer)]
        for run, gradient in zip(runs, gradients, strict=True):
            if not any(run.layer is each for each in own):
                continue
            arrays = run.arrays()
            arrays["x"] = run.in_time(run.x.numpy().swapaxes(0, 1))
            by_step = tf.norm(gradient, axis=-1).numpy()
            arrays["d_answer"] = run.in_time(by_step.swapaxes(0, 1))
            arrays |= looking_back(run)
            kind = type(run.layer.cell).__name__.removesuffix("Cell").lower()
            of_pages = kind in _PAGES and not run.layer.zoneout
            found.append(
                LayerTrace(
                    f"{name}/{run.layer.name}" if name else run.layer.name,
                    kind if of_pages else "",
                    run.layer.go_backwards,
                    reads[name],
                    arrays,
                    run,
                )
            )
    return found


def _all(stacks: dict[str, list[Any]]) -> list[Any]:
    return [layer for layers in stacks.values() for layer in layers]


def _first(sentences: list[list[str]], most: int) -> list[list[str]]:
    """The first tokens of sentences.

    >>> _first([["a", "b"], ["c", "d"]], 3)
    [['a', 'b'], ['c']]
    """
    kept = []
    for sentence in sentences:
        if most > 0 and sentence:
            kept.append(sentence[:most])
        most -= len(sentence)
    return kept


def _cut(shown: int, total: int) -> list[str]:
    if shown == total:
        return []
    return [
        f"the text has {total:,} tokens; shown are the first {shown:,}, as if it ended there: the "
        "others are beyond what is read, or than --tokens says"
    ]


def _texts(tokens: Any) -> list[str]:
    return [token.decode() for token in tokens]
