"""What is seen, and what of it reaches the decoder, against the equations in NumPy."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import WriterConfig
from seqtasks.text.vocabulary import PADDING_ID
from seqtasks.topologies.one_to_many import OneToMany

V = 11
SHAPE = (11, 6, 2)  # height, width, channels
IDS = np.array([[2, 9, 4, 10], [2, 5, 0, 0], [2, 8, 8, 0]], "int32")
N = len(IDS)
NONE_DROPPED = {"dropout": 0.0, "weight_drop": 0.0, "output_dropout": 0.0}
ONE_WAY = ("rnn", "lstm", "stacked-lstm", "stacked-gru")

each_arch = pytest.mark.parametrize("arch", ONE_WAY)


def network(arch, shape=SHAPE, sampling=0.0, **options):
    config = WriterConfig(arch=arch, units=12, embedding_units=4, **{**NONE_DROPPED, **options})
    model = OneToMany(shape, V, config, sampling)
    reference.randomise(model, 1)
    # Kernels smaller the more they sum, or what is seen would be too large for the bridge's tanh;
    # biases above 0, or relu would see nothing at all.
    seeing = model.eye.get_weights()
    smaller = [np.sqrt(w.size / w.shape[-1]) / 2.5 for w in seeing]
    model.eye.set_weights(
        [w / by if w.ndim > 1 else np.abs(w) for w, by in zip(seeing, smaller, strict=True)]
    )
    return model


def example(shape=SHAPE, target=0):
    """The inputs, with more padding behind the target if asked."""
    draw = np.random.default_rng(2)
    # What differs from image to image is light as well as noise, which convolutions average out.
    images = draw.normal(0, 1, (N, *shape)) + draw.normal(0, 1, (N, 1, 1, shape[2]))
    ids = np.pad(IDS, ((0, 0), (0, target)))
    return {"images": tf.constant(images, tf.float32), "target_ids": tf.constant(ids)}


def scores_of(model, inputs, training=False):
    return model(inputs, training=training).scores().numpy()


def convolved(x, kernel, bias):
    """relu of what a 3 x 3 window around each pixel says, 0 beyond the edges."""
    height, width = x.shape[1:3]
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = sum(x[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in np.ndindex(3, 3))
    return np.maximum(total + bias, 0)


def halved(x):
    """The largest of each 2 x 2 pixels; at an odd edge of those that are left."""
    N, height, width, channels = x.shape
    odd = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
    x = np.pad(x, odd, constant_values=-np.inf)
    x = x.reshape(N, (height + 1) // 2, 2, (width + 1) // 2, 2, channels)
    return x.max(axis=(2, 4))


def seen(model, images, convolutions):
    """What the eye makes of images: convolutions, all but one before the last halved after it."""
    x, weights = np.asarray(images, float), model.eye.get_weights()
    assert len(weights) == 2 * convolutions + 2
    for index in range(convolutions):
        x = convolved(x, *weights[2 * index : 2 * index + 2])
        if index != convolutions - 2:
            x = halved(x)
    return np.maximum(x.reshape(N, -1) @ weights[-2] + weights[-1], 0)


@pytest.mark.parametrize(
    ("shape", "convolutions"), [((8, 3, 1), 2), ((11, 6, 2), 3), ((5, 18, 1), 4)]
)
def test_the_eye_halves_an_image_until_it_is_small(shape, convolutions):
    model = network("gru", shape)
    images = example(shape)["images"]
    expected = seen(model, images, convolutions)
    assert np.sum(expected > 0.1) > 2 * N
    assert np.allclose(model.eye(images), expected, rtol=0, atol=1e-5)


@each_arch
def test_the_decoder_starts_from_what_is_seen(arch):
    model = network(arch)
    inputs = example()
    features = seen(model, inputs["images"], 3)
    states = [np.tanh(features @ kernel + bias) for kernel, bias in weights_of(model.bridges)]
    prepared, first = model.encode(inputs)
    assert prepared is None
    assert len(first) == len(model.decoder.state_sizes)
    assert reference.largest_difference(first, states) < 1e-5
    assert all(np.ptp(state, axis=0).max() > 0.05 for state in states)
    readout, _, _ = model.decoder(tf.constant(IDS), [tf.constant(s, tf.float32) for s in states])
    assert np.allclose(scores_of(model, inputs), readout.scores(), rtol=0, atol=2e-5)


def weights_of(layers):
    return [layer.get_weights() for layer in layers]


def test_step_by_step_from_what_was_seen_gives_the_scores_of_teacher_forcing():
    model = network("stacked-lstm")
    prepared, states = model.encode(example())
    scores = scores_of(model, example())
    for t in range(IDS.shape[1]):
        found, states, weights = model.decoder.step(tf.constant(IDS[:, t]), states, prepared)
        both = [model.decoder.log_probabilities(one) for one in (found, scores[:, t])]
        assert np.allclose(*both, rtol=0, atol=2e-5)
        assert weights.shape == (N, 0)


def test_padding_behind_a_target_and_its_neighbours_change_nothing():
    model = network("stacked-lstm")
    scores = scores_of(model, example())
    longer = scores_of(model, example(target=3))
    assert np.allclose(longer[:, : IDS.shape[1]], scores, rtol=0, atol=1e-6)
    for n in range(N):
        alone = {name: value[n : n + 1] for name, value in example().items()}
        assert np.allclose(scores_of(model, alone), scores[n : n + 1], rtol=0, atol=1e-5)


def test_a_later_target_token_changes_no_earlier_scores():
    model = network("stacked-gru")
    scores = scores_of(model, example())
    for t in range(1, IDS.shape[1]):
        ids = IDS.copy()
        ids[:, t] = 7
        other = scores_of(model, {**example(), "target_ids": tf.constant(ids)})
        assert np.array_equal(other[:, :t], scores[:, :t])
        assert np.all(np.abs(other - scores)[:, t].max(axis=1) > 1e-3)


@pytest.mark.parametrize("dropped", NONE_DROPPED)
def test_each_dropout_alone_changes_training_and_nothing_else(dropped):
    model, quiet = network("gru", **{dropped: 0.5}), network("gru")
    plain = scores_of(quiet, example())
    assert np.array_equal(scores_of(model, example()), plain)
    assert np.array_equal(scores_of(quiet, example(), training=True), plain)
    trained = scores_of(model, example(), training=True)
    assert not np.allclose(trained, plain, rtol=0, atol=1e-3)


def test_the_eye_drops_out_too():
    model = network("gru", dropout=0.5)
    (_, trained), (_, quiet) = (model.encode(example(), training=t) for t in (True, False))
    assert not np.allclose(trained[0], quiet[0], rtol=0, atol=1e-3)


def test_scheduled_sampling_at_rate_1_reads_the_model_s_own_guesses():
    model = network("lstm", sampling=1.0)
    scores = scores_of(model, example())
    guesses = model.decoder.log_probabilities(scores).numpy().argmax(axis=2)
    ids = IDS.copy()
    ids[:, 1:] = np.where(ids[:, 1:] != PADDING_ID, guesses[:, :-1], 0)
    assert np.mean(ids != IDS) > 0.3
    read = scores_of(model, {**example(), "target_ids": tf.constant(ids)})
    assert np.allclose(scores_of(model, example(), training=True), read, rtol=0, atol=1e-6)
    assert not np.allclose(read, scores, rtol=0, atol=1e-3)


def test_scheduled_sampling_at_rate_0_is_teacher_forcing():
    for sampling in (0.0, 1e-12):
        model = network("lstm", sampling=sampling)
        scores = scores_of(model, example())
        assert np.allclose(scores_of(model, example(), training=True), scores, rtol=0, atol=1e-6)


def test_dropout_is_at_work_with_scheduled_sampling():
    model = network("lstm", sampling=1e-12, output_dropout=0.5)
    trained = scores_of(model, example(), training=True)
    assert not np.allclose(trained, scores_of(model, example()), rtol=0, atol=1e-3)


def test_scheduled_sampling_is_one_and_the_same_from_one_seed():
    def drawn(seed):
        keras.utils.set_random_seed(seed)
        model = network("lstm", sampling=0.5)
        return np.stack([scores_of(model, example(), training=True) for _ in range(3)])

    first = drawn(3)
    assert np.array_equal(drawn(3), first)
    assert not np.allclose(drawn(4), first, rtol=0, atol=1e-3)
    assert np.ptp(first, axis=0).max() > 1e-3
