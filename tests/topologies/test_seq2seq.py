"""Encoder, bridge and what reaches the decoder, against the equations in NumPy."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import TranslatorConfig
from seqtasks.text.vocabulary import PADDING_ID, START_ID
from seqtasks.topologies.seq2seq import Seq2Seq

SOURCE_V, C, V = 13, 9, 11
SIZES = {"units": 3, "embedding_units": 4, "character_units": 4}
NONE_DROPPED = {"token_dropout": 0.0, "dropout": 0.0, "weight_drop": 0.0, "output_dropout": 0.0}
SOURCE = np.array([[3, 1, 12, 4, 2], [7, 7, 0, 0, 0], [0, 0, 0, 0, 0], [5, 1, 9, 0, 0]], "int32")
LENGTHS = [5, 2, 0, 3]
TARGET = np.array([[2, 9, 4, 10], [2, 5, 0, 0], [2, 8, 8, 0], [2, 4, 1, 3]], "int32")
CHARACTERS = np.random.default_rng(0).integers(1, C, (4, 5, 3)) * (SOURCE != 0)[:, :, np.newaxis]
CHARACTERS[0, :2, 1:] = 0
LOOKS = ("additive", "multiplicative", "none")

# Each cell in one and both directions, with one layer and several; both directions with either.
SIX_ARCHS = ("rnn", "stacked-birnn", "bilstm", "stacked-lstm", "bigru", "stacked-gru")
each_arch = pytest.mark.parametrize("arch", SIX_ARCHS)
each_attention = pytest.mark.parametrize("attention", LOOKS)


def network(arch, attention="additive", with_characters=False, sampling=0.0, **options):
    config = TranslatorConfig(
        arch=arch, attention=attention, **{**SIZES, **NONE_DROPPED, **options}
    )
    model = Seq2Seq(SOURCE_V, C if with_characters else 0, V, config, sampling)
    reference.randomise(model, 1)
    return model


def example(with_characters=False, time=0, word=0, target=0):
    """The inputs, with more padding if asked."""
    inputs = {
        "ids": tf.constant(np.pad(SOURCE, ((0, 0), (0, time)))),
        "target_ids": tf.constant(np.pad(TARGET, ((0, 0), (0, target)))),
    }
    if with_characters:
        wide = np.pad(CHARACTERS, ((0, 0), (0, time), (0, word)))
        inputs["characters"] = tf.constant(wide, tf.int32)
    return inputs


def scores_of(model, inputs, training=False):
    return model(inputs, training=training).scores().numpy()


def encoded(arch, model, x):
    """What the encoder's last layer says (N, S, M), and the bridge's states: Seq2Seq's words."""
    cell, both = arch[-4:] if arch.endswith("lstm") else arch[-3:], "bi" in arch
    kinds, encoder = reference.STATES[cell], model.encoder
    states = []
    for layer in encoder.layers if "stacked" in arch else [encoder]:
        weights = layer.get_weights()
        H = weights[1].shape[0]
        zeros = [np.zeros((len(x), H))] * kinds
        if both:
            forward, backward, last = reference.run_both(cell, x, weights, zeros * 2, LENGTHS)
            x = np.concatenate([forward, backward], axis=2)
            last = [np.concatenate([last[k], last[kinds + k]], axis=1) for k in range(kinds)]
        else:
            x, last = reference.run(cell, x, weights, zeros, LENGTHS)
        for kind, state in zip("hc", last, strict=False):
            kernel, bias = model.bridges[len(states)].get_weights()
            bridged = state @ kernel + bias
            states.append(np.tanh(bridged) if kind == "h" else bridged)
    return x, states


@each_arch
def test_the_decoder_starts_from_the_bridge_and_looks_at_the_encoder(arch):
    layers = 3 if arch.startswith("stacked") else None
    attention = LOOKS[SIX_ARCHS.index(arch) % 3]
    with_characters = "bi" in arch
    model = network(arch, attention, with_characters, layers=layers)
    inputs = example(with_characters)
    x = model.text({name: inputs[name] for name in inputs if name != "target_ids"})
    memory, states = encoded(arch, model, x.numpy().astype(float))

    prepared, first = model.encode(inputs)
    assert len(first) == len(model.decoder.state_sizes)
    assert reference.largest_difference(first, states) < 1e-5
    if attention == "none":
        assert prepared is None
    else:
        assert np.allclose(prepared[0], memory, rtol=0, atol=1e-5)
        assert np.array_equal(prepared[2], reference.mask_of(LENGTHS, SOURCE.shape[1]))
        prepared = model.decoder.prepare(tf.constant(memory, tf.float32), prepared[2])

    states = [tf.constant(state, tf.float32) for state in states]
    readout, _, _ = model.decoder(tf.constant(TARGET), states, prepared)
    assert np.allclose(scores_of(model, inputs), readout.scores(), rtol=0, atol=5e-5)


@pytest.mark.parametrize("arch", ["bigru", "stacked-lstm"])
def test_without_attention_every_source_token_still_reaches_the_first_step(arch):
    ids = np.repeat(SOURCE[:1], LENGTHS[0] + 1, axis=0)
    for s in range(LENGTHS[0]):
        ids[s, s] = 8
    targets = np.full((len(ids), 1), START_ID, "int32")
    inputs = {"ids": tf.constant(ids), "target_ids": tf.constant(targets)}
    scores = scores_of(network(arch, "none"), inputs)[:, 0]
    assert np.all(np.abs(scores[:-1] - scores[-1]).max(axis=1) > 1e-4)


@pytest.mark.parametrize(
    ("arch", "attention"), [("bilstm", "additive"), ("rnn", "multiplicative"), ("bigru", "none")]
)
def test_step_by_step_from_what_was_encoded_gives_teacher_forcing_s_scores(arch, attention):
    model = network(arch, attention)
    prepared, states = model.encode(example())
    scores = scores_of(model, example())
    for t in range(TARGET.shape[1]):
        found, states, _ = model.decoder.step(tf.constant(TARGET[:, t]), states, prepared)
        both = [model.decoder.log_probabilities(one) for one in (found, scores[:, t])]
        assert np.allclose(*both, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("attention", "unit"), [(LOOKS[0], "bilstm"), (LOOKS[1], "sum"), (LOOKS[2], "ids alone")]
)
def test_wider_padding_changes_nothing(attention, unit):
    with_characters = unit != "ids alone"
    options = {"character_encoder": unit} if with_characters else {}
    model = network("stacked-bilstm", attention, with_characters, **options)
    steps = TARGET.shape[1]
    narrow = scores_of(model, example(with_characters))
    wide = scores_of(model, example(with_characters, time=3, word=2, target=2))
    assert np.isfinite(narrow).all()
    assert np.allclose(wide[:, :steps], narrow, rtol=0, atol=1e-6)
    alone = {name: value[3:, : LENGTHS[3]] for name, value in example(with_characters).items()}
    alone["target_ids"] = tf.constant(TARGET[3:])
    assert np.allclose(scores_of(model, alone), narrow[3:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_attention_sums_to_1_over_the_source_s_real_tokens_and_is_0_on_padding(kind):
    model = network("bigru", kind)
    prepared, states = model.encode(example(time=2))
    at_once = model.decoder(tf.constant(TARGET), states, prepared)[2].numpy()
    one_step = model.decoder.step(tf.constant(TARGET[:, 0]), states, prepared)[2].numpy()
    real = reference.mask_of(LENGTHS, SOURCE.shape[1] + 2)
    for weights in (*at_once.transpose(1, 0, 2), one_step):
        assert weights.shape == real.shape
        assert (weights[~real] == 0).all()
        assert (weights[real] > 0).all()
        assert np.allclose(weights.sum(axis=1), np.array(LENGTHS) > 0, rtol=0, atol=1e-6)


@each_attention
def test_a_later_target_token_changes_no_earlier_scores(attention):
    model = network("stacked-bilstm", attention)
    scores = scores_of(model, example())
    for t in (1, TARGET.shape[1] - 1):
        ids = TARGET.copy()
        ids[:, t] = 7
        other = scores_of(model, {**example(), "target_ids": tf.constant(ids)})
        assert np.array_equal(other[:, :t], scores[:, :t])
        assert np.all(np.abs(other - scores)[:, t].max(axis=1) > 1e-3)


@pytest.mark.parametrize("dropped", NONE_DROPPED)
def test_each_dropout_alone_changes_training_and_nothing_else(dropped):
    model, quiet = network("bigru", **{dropped: 0.5}), network("bigru")
    plain = scores_of(quiet, example())
    assert np.array_equal(scores_of(model, example()), plain)
    assert np.array_equal(scores_of(quiet, example(), training=True), plain)
    trained = scores_of(model, example(), training=True)
    assert not np.allclose(trained, plain, rtol=0, atol=1e-3)


def test_the_encoder_drops_out_too():
    model = network("bigru", "none", dropout=0.5)
    _, states = model.encode(example(), training=True)
    _, quiet = model.encode(example())
    assert not np.allclose(states[0], quiet[0], rtol=0, atol=1e-3)


def guesses_of(model, inputs):
    """What the decoder reads where it reads its own guesses: after the right tokens before them."""
    log_probabilities = model.decoder.log_probabilities(scores_of(model, inputs)).numpy()
    ids = np.array(inputs["target_ids"])
    ids[:, 1:] = np.where(ids[:, 1:] != PADDING_ID, log_probabilities.argmax(axis=2)[:, :-1], 0)
    return ids.astype("int32")


@pytest.mark.parametrize("attention", ["additive", "none"])
def test_scheduled_sampling_at_rate_1_reads_the_model_s_own_guesses(attention):
    model = network("gru", attention, sampling=1.0)
    ids = guesses_of(model, example())
    assert (ids[:, 0] == START_ID).all()
    assert np.mean(ids != TARGET) > 0.3
    trained = scores_of(model, example(), training=True)
    read = scores_of(model, {**example(), "target_ids": tf.constant(ids)})
    assert np.allclose(trained, read, rtol=0, atol=1e-6)
    assert not np.allclose(trained, scores_of(model, example()), rtol=0, atol=1e-3)


def test_scheduled_sampling_at_rate_0_is_teacher_forcing():
    for sampling in (0.0, 1e-12):
        model = network("gru", sampling=sampling)
        scores = scores_of(model, example())
        assert np.allclose(scores_of(model, example(), training=True), scores, rtol=0, atol=1e-6)


def test_dropout_is_at_work_with_scheduled_sampling():
    model = network("gru", sampling=1e-12, output_dropout=0.5)
    trained = scores_of(model, example(), training=True)
    assert not np.allclose(trained, scores_of(model, example()), rtol=0, atol=1e-3)


def test_scheduled_sampling_is_one_and_the_same_from_one_seed():
    def drawn(seed):
        keras.utils.set_random_seed(seed)
        model = network("gru", sampling=0.5)
        return np.stack([scores_of(model, example(), training=True) for _ in range(3)])

    first = drawn(3)
    assert np.array_equal(drawn(3), first)
    assert not np.allclose(drawn(4), first, rtol=0, atol=1e-3)
    assert np.ptp(first, axis=0).max() > 1e-3
