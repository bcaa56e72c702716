"""A network that begins from another run: what it keeps, what is new, and what it answers."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import load_config
from seqtasks.data.images import CaptionedImages
from seqtasks.data.pairs import TextPairs
from seqtasks.data.plain import PlainText
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.tagged import TaggedSentences
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.recurrent import Recurrent
from seqtasks.layers.stacked import Stacked
from seqtasks.runs import Run
from seqtasks.tasks.lines import batch_of
from seqtasks.tasks.registry import get_task
from seqtasks.text.line_text import LineText
from seqtasks.text.target_text import with_start
from seqtasks.text.vocabulary import UNKNOWN_ID
from seqtasks.topologies.decoder import Readout
from seqtasks.training.taken_over import Source, take_over, widened_from

RECURRENT = (Recurrent, Bidirectional, Stacked)
NEW = "quagga"  # no data have it, nor ẞ


def changed(part):
    """Other data of the same kind, with words, characters and labels of their own."""
    if isinstance(part, LabelledTexts):
        labels = [("a new one", label)[n % 3 > 0] for n, label in enumerate(part.labels)]
        if part.kind == "number":
            labels = [str(100 + n % 9) for n in range(len(part))]
        return replace(part, texts=[f"{NEW} {text} ẞ" for text in part.texts], labels=labels)
    if isinstance(part, TaggedSentences):
        tokens = [[NEW, *words] for words in part.tokens]
        return replace(part, tokens=tokens, tags=[["B-NEW", *tags] for tags in part.tags])
    if isinstance(part, TextPairs):
        targets = [f"{NEW}, {target}" for target in part.targets]
        return replace(part, texts=[f"{text} {NEW}" for text in part.texts], targets=targets)
    if isinstance(part, CaptionedImages):
        return replace(part, captions=[f"ẞ {caption}" for caption in part.captions])
    assert isinstance(part, PlainText)
    return replace(part, text=part.text.replace("dog", f"{NEW} ẞ"))


def source(made):
    reference.randomise(made.model, 11)
    return Source(Run(Path("runs") / "before"), made.config, made.codec, made.model)


def begun(made, splits=None, config=None):
    """A network for other data that begins from another, and what was taken over."""
    config = config or made.config
    splits = splits or replace(made.splits, train=changed(made.splits.train))
    task, before = get_task(config.task), source(made)
    codec = widened_from(before, task.make_codec(config, splits))
    keras.utils.set_random_seed(99)
    model = task.build(config, codec)
    return codec, model, take_over(before, model, config)


def answers(codec, model, part):
    """What a network makes of nine examples: scores, as log-probabilities where it writes."""
    found = model(inputs_of(codec, part), training=False)
    if isinstance(found, Readout):
        return tf.nn.log_softmax(tf.cast(found.scores(), tf.float64)).numpy()
    return found.numpy()


def inputs_of(codec, part):
    """What a network reads of nine examples."""
    if isinstance(part, LabelledTexts):
        return codec.encoder(tf.constant(part.texts[:9]))
    if isinstance(part, TaggedSentences):
        return codec.encoder(tf.ragged.constant(part.tokens[:9]))
    if isinstance(part, TextPairs):
        ids = codec.target.ids(tf.constant(part.targets[:9]))
        return {**codec.source(tf.constant(part.texts[:9])), "target_ids": with_start(ids)}
    if isinstance(part, CaptionedImages):
        ids = codec.captions.ids(tf.constant(part.captions[:9]))
        return {"images": part.images[:9], "target_ids": with_start(ids)}
    ids = codec.text.ids(tf.constant(part.text.splitlines()[:9]))
    both = isinstance(codec.text, LineText)
    return {**batch_of(ids, both)[0], "begins": tf.fill([9], True)}


SAME_TASK = {
    "letters": ("sentiment", {}),
    "words, letters, features": (
        "sentiment",
        {
            **{"text.unit": "word+char", "text.features": ["suffix"], "model.feature_units": 3},
            **{"model.character_units": 4, "model.pooling": "attention"},
        },
    ),
    "a hierarchy": ("documents", {"model.topology": "hierarchical"}),
    "tags": ("tagging", {}),
    "pairs": (
        "translation",
        {"model.arch": "stacked-bigru", "model.tied": False, "text.target_unit": "char"},
    ),
    "captions": ("captioning", {}),
    "lines both ways": ("language_model", {"data.lines": True, "model.arch": "bigru"}),
}


@pytest.mark.parametrize("name", SAME_TASK)
def test_before_its_first_step_it_answers_as_the_other_run(make, name):
    task, options = SAME_TASK[name]
    made = make(task, {"text.unknown_weight": 0.0, **options})
    codec, model, taken = begun(made)
    assert taken.anew == []
    before = answers(made.codec, made.model, made.splits.train)
    after = answers(codec, model, made.splits.train)
    size = before.shape[-1]
    assert after.shape[-1] > size
    known = np.arange(size) != UNKNOWN_ID if task in _WRITES else np.full(size, True)
    assert np.ptp(before[..., known]) > 0.1
    np.testing.assert_allclose(after[..., :size][..., known], before[..., known], atol=2e-5)


_WRITES = ("translation", "captioning", "language_model")


@pytest.mark.parametrize("name", ["letters", "tags"])
def test_a_new_word_is_read_as_an_unknown_one_until_it_is_trained(make, name):
    task, options = SAME_TASK[name]
    made = make(task, {"text.unknown_weight": 0.0, **options})
    other = replace(made.splits, train=changed(made.splits.train))
    codec, model, _ = begun(made, other)
    words = {*codec.encoder.vocabularies["ids"].tokens}
    assert words > {*made.codec.encoder.vocabularies["ids"].tokens}

    def read(encoder, network):
        texts = other.train.tokens[:9] if task == "tagging" else other.train.texts[:9]
        ragged = tf.ragged.constant(texts) if task == "tagging" else tf.constant(texts)
        inputs = encoder(ragged)
        return inputs, network(inputs).numpy()

    old, expected = read(made.codec.encoder, made.model)
    new, found = read(codec.encoder, model)
    assert (old["ids"].numpy() == UNKNOWN_ID).any()
    assert (new["ids"].numpy() != old["ids"].numpy()).any()
    np.testing.assert_allclose(found[..., : expected.shape[-1]], expected, atol=2e-5)


def test_the_new_tokens_share_the_chance_of_the_unknown_one(make):
    made = make("language_model", {"text.unit": "char", "text.unknown_weight": 0.0})
    codec, model, _ = begun(made)
    before = answers(made.codec, made.model, made.splits.train)
    after = answers(codec, model, made.splits.train)
    size = before.shape[-1]
    shared = np.concatenate([after[..., [UNKNOWN_ID]], after[..., size:]], axis=-1)
    np.testing.assert_allclose(np.exp(shared).sum(-1), np.exp(before[..., UNKNOWN_ID]), rtol=1e-4)


def test_numbers_keep_their_mean_and_sets_keep_their_labels(make, tmp_path):
    rows = "".join(f"word{n % 5} film\t{n % 7}\n" for n in range(30))
    (tmp_path / "numbers.tsv").write_text(rows, "utf-8")
    data = {"data.source": str(tmp_path / "numbers.tsv"), "data.labels": "number"}
    made = make("sentiment", {**data, "text.unit": "word", "data.test_fraction": 0.0})
    codec, _, _ = begun(made)
    assert codec.head == made.codec.head
    lists = "".join(f"word{n % 5} film\t{('b', 'c', 'b;c')[n % 3]}\n" for n in range(30))
    (tmp_path / "sets.tsv").write_text(lists, "utf-8")
    data = {"data.source": str(tmp_path / "sets.tsv"), "data.labels": "set"}
    made = make("sentiment", {**data, "text.unit": "word", "data.test_fraction": 0.0})
    codec, _, taken = begun(made)
    assert codec.head.labels == ["b", "c", "a new one"]
    assert "classes (1 of 3 new)" in taken.kept


# --- From a language model ----------------------------------------------------------------------

FROM_LINES = {
    "both": ("bilstm", "char", "sentiment", {"model.arch": "bilstm", "text.unit": "char"}),
    "forward only": ("gru", "word", "sentiment", {"model.arch": "bigru", "text.unit": "word"}),
    "two layers": ("stacked-bigru", "word", "sentiment", {"text.unit": "word"}),
    "a hierarchy": (
        *("bigru", "word", "documents"),
        {"text.unit": "word", "model.topology": "hierarchical"},
    ),
    "tags": ("bigru", "word", "tagging", {"text.unit": "word+char"}),
    "an encoder": ("bigru", "word", "translation", {"model.arch": "bigru"}),
}
TEXTS = ["Saw it", "no, the dog", "좋다!"]


@pytest.mark.parametrize("name", FROM_LINES)
def test_a_reader_begins_with_the_states_of_a_language_model(make, name):
    arch, unit, task, options = FROM_LINES[name]
    lines = {"data.lines": True, "model.arch": arch, "text.unit": unit}
    made = make("language_model", lines)
    arch = options.get("model.arch", arch)
    other = make(task, {**options, "model.arch": arch})
    codec, model, taken = begun(made, other.splits, other.config)
    assert taken.kept[0].startswith("vectors of tokens")
    texts = tf.constant(TEXTS)
    ids = made.codec.text.ids(texts)
    reader = codec.source if task == "translation" else codec.encoder
    given = texts if task != "tagging" else tf.ragged.constant(
        [[w.decode() for w in words] for words in made.codec.text.split(texts).to_list()]
    )  # fmt: skip
    inner = getattr(reader, "encoder", reader)
    inputs = inner(given)
    np.testing.assert_array_equal(inputs["ids"], ids.to_tensor())
    expected = [
        states_of(decoder, ids, backward)
        for decoder, backward in ((made.model.decoder, False), (made.model.backward, True))
        if decoder is not None
    ]
    found = outputs_of(model, inputs, task)
    for half, states in enumerate(expected):
        width = states.shape[-1]
        own = found[..., half * width : (half + 1) * width]
        for row, length in enumerate(ids.row_lengths().numpy()):
            np.testing.assert_allclose(own[row, :length], states[row, :length], atol=2e-5)
    assert ("layer 1 backward" in taken.anew) == (made.model.backward is None and "bi" in arch)


def states_of(decoder, ids, backward):
    """The highest layer's outputs of a language model, without its start, in the text's order."""
    dense, lengths = ids.to_tensor(), ids.row_lengths()
    x = tf.gather(decoder.token_vectors.embeddings, dense)
    if backward:
        x = tf.reverse_sequence(x, lengths, seq_axis=1)
    for layer in decoder.layers:
        x, *_ = layer(x)
    return (tf.reverse_sequence(x, lengths, seq_axis=1) if backward else x).numpy()


def outputs_of(model, inputs, task):
    """The outputs of all steps of a reader's recurrent layers, (N, T, 2H)."""
    mask = inputs["ids"] != 0
    text = model.text if hasattr(model, "text") else model.get_layer("text")
    x = text(inputs)
    stack = (
        model.encoder
        if task == "translation"
        else model.words.stack
        if task == "documents"
        else next(layer for layer in model.layers if isinstance(layer, RECURRENT))
    )
    found = stack(x, mask=mask)
    return (found[0] if isinstance(found, list | tuple) else found).numpy()


def test_subwords_are_those_of_the_language_model(make):
    pytest.importorskip("tokenizers")
    made = make("language_model", {"data.lines": True, "text.unit": "subword"})
    other = make("sentiment", {"text.unit": "subword", "model.arch": "lstm"})
    codec, _, taken = begun(made, other.splits, other.config)
    texts = tf.constant([*TEXTS, "quagga"])
    np.testing.assert_array_equal(
        codec.encoder(texts)["ids"], made.codec.text.ids(texts).to_tensor()
    )
    assert any("subwords are kept" in note for note in taken.notes)


def test_lines_of_a_configuration_are_read_in_small_letters(make):
    made = make("language_model", {"data.lines": True, "text.unit": "word"})
    assert "saw" in made.codec.text.vocabulary.tokens
    assert "Saw" not in made.codec.text.vocabulary.tokens
    assert load_config(options={"task": "language_model"}).data.lines is False
