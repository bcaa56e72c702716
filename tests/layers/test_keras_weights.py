"""Keras' own recurrent layers as a second reference: the same outputs from the same weights."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional, Stacked
from seqtasks.layers.keras_weights import from_keras, to_keras, to_weights

N, T, D, H = 3, 6, 4, 5
LENGTHS = [6, 0, 2]
KERAS = {
    "rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": lambda *args, **options: keras.layers.GRU(*args, **{"reset_after": False, **options}),
}
OURS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
OPTIONS = {
    "last output": {},
    "sequences and states": {"return_sequences": True, "return_state": True},
    "backwards": {"return_sequences": True, "go_backwards": True},
    "no bias": {"return_sequences": True, "use_bias": False},
}

each_kind = pytest.mark.parametrize("kind", KERAS)
each_options = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
each_merge = pytest.mark.parametrize(
    ("kind", "merge_mode"), [("rnn", "sum"), ("lstm", "concat"), ("gru", "sum")]
)


def x(dtype="float32"):
    return tf.constant(reference.inputs(N, T, D, 1), dtype)


def with_random_weights(layer, seed=2):
    layer.build((None, None, D))
    reference.randomise(layer, seed)
    return layer


def same_outputs(ours, theirs, tolerance=1e-6, **given):
    outputs = [tf.nest.flatten(layer(x(), **given)) for layer in (ours, theirs)]
    return reference.largest_difference(*outputs) < tolerance


def same_weights(one, other):
    return all(
        np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True)
    )


@each_options
@each_kind
def test_our_layer_made_from_keras_gives_the_same_outputs(kind, options):
    theirs = with_random_weights(KERAS[kind](H, **options))
    ours = from_keras(theirs)
    assert type(ours) is OURS[kind]
    assert same_outputs(ours, theirs)
    states = [tf.constant(s, tf.float32) for s in reference.states(kind, N, H, 3)]
    assert same_outputs(ours, theirs, initial_state=states)


@each_kind
def test_under_a_mask_our_layer_made_from_keras_gives_the_same_outputs(kind):
    options = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}
    theirs = with_random_weights(KERAS[kind](H, **options))
    mask = tf.constant(reference.mask_of(LENGTHS, T))
    assert same_outputs(from_keras(theirs), theirs, mask=mask)


@pytest.mark.parametrize("options", list(OPTIONS.values())[:3], ids=list(OPTIONS)[:3])
@each_kind
def test_keras_layer_made_from_ours_gives_the_same_outputs(kind, options):
    ours = with_random_weights(OURS[kind](H, **options))
    theirs = to_keras(ours)
    assert isinstance(theirs, keras.layers.Layer)
    assert same_outputs(ours, theirs)


@each_merge
def test_both_directions_made_from_keras_give_the_same_outputs(kind, merge_mode):
    for options in ({"return_sequences": True, "return_state": True}, {"use_bias": False}):
        layer = KERAS[kind](H, **options)
        theirs = with_random_weights(keras.layers.Bidirectional(layer, merge_mode=merge_mode))
        ours = from_keras(theirs)
        assert type(ours) is Bidirectional
        assert same_outputs(ours, theirs)
        assert same_outputs(ours, theirs, mask=tf.constant(reference.mask_of(LENGTHS, T)))


@each_merge
def test_both_directions_made_from_ours_give_the_same_outputs(kind, merge_mode):
    options = {"return_sequences": True, "return_state": True}
    ours = with_random_weights(Bidirectional(OURS[kind](H, **options), merge_mode))
    assert same_outputs(ours, to_keras(ours))


def test_both_directions_made_from_keras_can_be_saved_and_loaded(tmp_path):
    theirs = with_random_weights(keras.layers.Bidirectional(KERAS["gru"](H)))
    model = keras.Sequential([keras.Input((None, D)), from_keras(theirs)])
    model.save(tmp_path / "model.keras")
    assert same_outputs(keras.models.load_model(tmp_path / "model.keras"), theirs)


@each_kind
def test_weights_come_back_to_the_last_bit(kind):
    theirs = with_random_weights(KERAS[kind](H))
    assert same_weights(to_keras(from_keras(theirs)), theirs)
    ours = with_random_weights(OURS[kind](H))
    assert same_weights(from_keras(to_keras(ours)), ours)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(to_weights(from_keras(theirs)), theirs.get_weights(), strict=True)
    )
    both = with_random_weights(Bidirectional(OURS[kind](H)))
    assert same_weights(from_keras(to_keras(both)), both)


@each_kind
def test_options_are_kept_there_and_back(kind):
    options = {
        "units": H,
        "return_sequences": True,
        "return_state": True,
        "go_backwards": True,
        "dropout": 0.25,
        "seed": 3,
        "name": "kept",
        "dtype": "mixed_bfloat16",
    }
    for layer in (from_keras(KERAS[kind](**options)), to_keras(OURS[kind](**options))):
        # Keras' SimpleRNN leaves its seed out of its configuration.
        config = {"seed": getattr(layer.cell, "seed", None), **layer.get_config()}
        assert {key: config[key] for key in options if key != "dtype"} == {
            key: value for key, value in options.items() if key != "dtype"
        }
        assert layer.dtype_policy.name == "mixed_bfloat16"
        assert not layer.built


@each_kind
def test_in_float64_the_same_outputs_are_given_to_twelve_digits(kind):
    theirs = with_random_weights(KERAS[kind](H, return_sequences=True, dtype="float64"))
    ours = from_keras(theirs)
    back = to_keras(ours)
    expected = theirs(x("float64"))
    for layer in (ours, back):
        assert layer(x("float64")).dtype == "float64"
        assert reference.largest_difference([layer(x("float64"))], [expected]) < 1e-12


def test_both_directions_keep_float64():
    ours = with_random_weights(Bidirectional(GRU(H, dtype="float64")))
    theirs = to_keras(ours)
    expected = ours(x("float64"))
    assert theirs(x("float64")).dtype == "float64"
    assert reference.largest_difference([theirs(x("float64"))], [expected]) < 1e-12
    again = from_keras(theirs)(x("float64"))
    assert reference.largest_difference([again], [expected]) < 1e-12


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (keras.layers.GRU(H), "reset_after=False.*Received: .* with reset_after=True"),
        (keras.layers.SimpleRNN(H, activation="relu"), "activation='tanh'.*activation='relu'"),
        (keras.layers.LSTM(H, activation="sigmoid"), "activation='tanh'.*activation='sigmoid'"),
        (
            keras.layers.LSTM(H, recurrent_activation="hard_sigmoid"),
            "recurrent_activation='sigmoid'.*recurrent_activation='hard_sigmoid'",
        ),
        (keras.layers.Bidirectional(keras.layers.GRU(H)), "reset_after=False"),
        (keras.layers.Dense(H), "SimpleRNN, LSTM, GRU or Bidirectional. Received: Dense"),
        (keras.layers.RNN(keras.layers.LSTMCell(H)), "Received: RNN"),
        (LSTM(H), "Received: LSTM"),
    ],
    ids=lambda value: value.name if isinstance(value, keras.Layer) else "",
)
def test_what_the_pages_do_not_compute_is_not_taken_from_keras(layer, message):
    with pytest.raises(ValueError, match=message):
        from_keras(layer)


def a_whole_model():
    """Both directions, a layer with states, one inside another model and one for each part."""
    L = keras.layers
    ids = keras.Input((6,), dtype="int32")
    vectors = L.Embedding(20, D, name="vectors")(ids)
    both = L.Bidirectional(
        L.LSTM(4, return_sequences=True, kernel_regularizer="l2"), merge_mode="ave"
    )(vectors)
    sequence, h, _ = L.LSTM(H, return_sequences=True, return_state=True, use_bias=False)(both)
    inside = keras.Sequential([keras.Input((6, D)), L.GRU(3, reset_after=False)], name="inside")
    parts = L.TimeDistributed(L.SimpleRNN(2))(L.Reshape((2, 3, D))(vectors))
    joined = L.Concatenate()([L.Flatten()(sequence), h, inside(vectors), L.Flatten()(parts)])
    return keras.Model(ids, L.Dense(2, name="dense")(joined))


def test_whole_models_are_taken_over_and_given_back():
    theirs = a_whole_model()
    reference.randomise(theirs, 3)
    ids = np.random.default_rng(4).integers(0, 20, (5, 6))
    ours = from_keras(theirs)
    kinds = [type(layer) for layer in ours.layers]
    assert [kinds.count(kind) for kind in (Bidirectional, LSTM)] == [1, 1]
    assert isinstance(ours.get_layer("inside").layers[0], GRU)
    back = to_keras(ours)
    expected = theirs(ids)
    assert reference.largest_difference([ours(ids), back(ids)], [expected, expected]) < 1e-6
    assert np.allclose(ours.losses, theirs.losses, rtol=1e-6)
    ours.compile("adam", "mse")
    ours.fit(ids, np.zeros((5, 2)), verbose=0)
    assert reference.largest_difference([theirs(ids)], [expected]) == 0  # it has its own weights


def test_a_model_written_as_a_class_is_refused():
    class Written(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="Written is a model written as a class"):
        from_keras(Written())


def test_a_stateful_layer_of_keras_is_taken_with_its_number_of_rows():
    theirs = keras.layers.GRU(H, stateful=True, reset_after=False, return_sequences=True)
    theirs(x())
    theirs.reset_state()
    ours = from_keras(theirs)
    for _ in range(2):
        assert same_outputs(ours, theirs)


@pytest.mark.parametrize(
    "layer",
    [GRU(H, weight_drop=0.5, name="drops"), Bidirectional(LSTM(H, weight_drop=0.5, name="drops"))],
    ids=["GRU", "Bidirectional"],
)
def test_weight_drop_is_not_given_to_keras(layer):
    with pytest.raises(ValueError, match=r"no weight_drop\. Received: drops with it"):
        to_keras(layer)


@pytest.mark.parametrize(
    "layer", [Stacked([GRU(H)]), keras.layers.Dense(H)], ids=["Stacked", "Dense"]
)
def test_what_is_no_layer_of_ours_or_has_no_counterpart_is_not_given_to_keras(layer):
    with pytest.raises(ValueError, match=f"Received: {type(layer).__name__}"):
        to_keras(layer)
