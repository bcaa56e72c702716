"""The layers in somebody else's Keras program: shapes, arguments, wrappers, states, derivatives."""

import inspect
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional, Stacked

N, T, D, H = 4, 6, 3, 5
OURS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
KERAS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}

each_kind = pytest.mark.parametrize("kind", OURS)


def x(seed=1, rows=N, steps=T):
    return reference.inputs(rows, steps, D, seed)


def float64(kind, **options):
    return OURS[kind](H, dtype="float64", **options)


def built(layer, rows=None):
    layer.build((rows, None, D))
    layer.built = True
    reference.randomise(layer, 2)
    return layer


# --- Shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("return_state", [False, True], ids=["outputs", "states too"])
@pytest.mark.parametrize("return_sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda layer: layer,
        Bidirectional,
        lambda layer: Bidirectional(layer, merge_mode=None),
        lambda layer: Bidirectional(layer, merge_mode="mul"),
        lambda layer: Stacked(
            [Bidirectional(GRU(2, return_sequences=True, **states_of(layer))), layer]
        ),
    ],
    ids=["alone", "both", "both apart", "both multiplied", "stacked"],
)
def test_shapes_are_known_without_running(wrap, return_sequences, return_state):
    layer = wrap(LSTM(H, return_sequences=return_sequences, return_state=return_state))
    outputs = layer(x())
    shapes = layer.compute_output_shape((N, T, D))
    symbolic = layer(keras.Input((T, D), batch_size=N))
    if isinstance(outputs, tuple):
        assert shapes == tuple(tuple(output.shape) for output in outputs)
        assert [tuple(output.shape) for output in symbolic] == list(shapes)
    else:
        assert shapes == tuple(outputs.shape) == tuple(symbolic.shape)


def states_of(layer):
    return {"return_state": layer.return_state}


@pytest.mark.parametrize(
    "make", [LSTM, lambda H: Bidirectional(GRU(H)), lambda H: Stacked([RNN(H)])]
)
def test_inputs_of_another_rank_or_width_are_refused_in_keras_words(make):
    layer = make(H)
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layer(np.zeros((2, D), "float32"))
    layer(np.zeros((2, T, D), "float32"))
    with pytest.raises(ValueError, match=f"expected axis -1 of input shape to have value {D}"):
        layer(np.zeros((2, T, D + 1), "float32"))
    with pytest.raises(ValueError, match="needs the number of input features"):
        make(H)(keras.Input((None, None)))


# --- Keras' wrappers ------------------------------------------------------------------------

MASKS = {
    "no mask": None,
    "right": reference.mask_of([6, 0, 2, 5], T),
    "left": reference.mask_of([6, 0, 2, 5], T)[:, ::-1],
    "holes": np.random.default_rng(5).random((N, T)) < 0.5,
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "ave", "mul", None])
def test_keras_bidirectional_around_ours_is_ours_and_keras_own(merge_mode, mask):
    mask = None if mask is None else tf.constant(mask)
    theirs_around_ours = keras.layers.Bidirectional(
        LSTM(H, return_sequences=True), merge_mode=merge_mode
    )
    ours = built(Bidirectional(LSTM(H, return_sequences=True), merge_mode))
    theirs = keras.layers.Bidirectional(
        keras.layers.LSTM(H, return_sequences=True), merge_mode=merge_mode
    )
    for layer in (theirs_around_ours, theirs):
        layer.build((None, None, D))
    from seqtasks.layers.keras_weights import to_weights

    pairs = {"forward_layer": ours.layer, "backward_layer": ours.backward_layer}
    for name, half in pairs.items():
        getattr(theirs_around_ours, name).cell.set_weights(half.cell.get_weights())
        getattr(theirs, name).cell.set_weights(to_weights(half))
    outputs = [
        tf.nest.flatten(layer(tf.constant(x(), tf.float32), mask=mask))
        for layer in (ours, theirs_around_ours, theirs)
    ]
    assert reference.largest_difference(outputs[0], outputs[1]) < 1e-6
    assert reference.largest_difference(outputs[0], outputs[2]) < 1e-6


@pytest.mark.parametrize(
    ("merge_mode", "merge"), [("ave", np.mean), ("mul", np.prod), ("sum", np.sum)]
)
def test_both_directions_are_merged_step_by_step(merge_mode, merge):
    layer = built(Bidirectional(float64("gru", return_sequences=True), merge_mode))
    weights = [w for half in (layer.layer, layer.backward_layer) for w in half.cell.get_weights()]
    forward, backward, _ = reference.run_both("gru", x(), weights, [np.zeros((N, H))] * 2)
    assert reference.largest_difference([layer(x())], [merge([forward, backward], axis=0)]) < 1e-12


def test_time_distributed_around_ours_runs_it_for_each_part():
    layer = built(float64("gru"))
    parts = np.stack([x(seed) for seed in range(3)], axis=1)  # (N, 3, T, D)
    outputs = keras.layers.TimeDistributed(layer, dtype="float64")(parts)
    alone = [layer(parts[:, k]) for k in range(3)]
    assert reference.largest_difference([outputs], [np.stack(alone, axis=1)]) < 1e-12


def test_ours_around_keras_layers_are_refused_with_the_way_round():
    with pytest.raises(TypeError, match=r"from_keras.*keras.layers.Bidirectional"):
        Bidirectional(keras.layers.LSTM(H))


# --- Arguments ------------------------------------------------------------------------------


@each_kind
def test_every_named_argument_of_keras_is_known_at_its_default(kind):
    parameters = inspect.signature(KERAS[kind].__init__).parameters.values()
    named = {p.name: p.default for p in parameters if p.default is not p.empty}
    if kind == "gru":
        assert named.pop("reset_after") is True  # Keras' default is another equation
    assert len(named) > 15
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything, plain = OURS[kind](H, **named, name="l"), OURS[kind](H, name="l")
    assert everything.get_config() == plain.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(H, "relu"), "the pages' LSTM has activation='tanh'. Received: 'relu'"),
        (lambda: RNN(H, activation=None), "activation='tanh'. Received: None"),
        (lambda: GRU(H, recurrent_activation=tf.nn.relu), "='sigmoid'. Received: 'relu'"),
        (lambda: GRU(H, reset_after=True), "before the recurrent product: reset_after=False"),
        (
            lambda: LSTM(H, recurrent_dropout=1.0),
            "recurrent_dropout must be at least 0 and below 1",
        ),
        (lambda: LSTM(H, kernel_initializer="glorot"), "glorot"),
        (lambda: LSTM(H, reset_after=False), "reset_after"),
        (lambda: Bidirectional(LSTM(H), "max"), "merge_mode must be one of"),
    ],
)
def test_what_the_equations_do_not_allow_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_functions_of_the_pages_are_taken_as_well_as_their_names():
    LSTM(H, tf.tanh, keras.activations.sigmoid)
    GRU(H, activation=tf.nn.tanh, recurrent_activation="sigmoid")


@pytest.mark.parametrize("option", ["unroll", "use_cudnn"])
def test_how_keras_would_run_its_loop_is_ignored_with_a_notice(option):
    with pytest.warns(UserWarning, match=f"LSTM ignores {option}=True"):
        LSTM(H, **{option: True})


@each_kind
def test_initializers_begin_each_block_apart_and_hold_after_loading(kind):
    layer = OURS[kind](
        H,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=3),
        recurrent_initializer="zeros",
        bias_initializer=keras.initializers.Constant(0.25),
    )
    layer.build((None, None, 40))
    again = OURS[kind].from_config(layer.get_config())
    again.build((None, None, 40))
    W_x, W_h, b = layer.cell.get_weights()
    assert all(map(np.array_equal, layer.cell.get_weights(), again.cell.get_weights()))
    assert 0.4 < W_x.std() < 0.6
    assert not W_h.any()
    blocks = np.split(W_x, layer.cell.blocks, axis=1)
    assert all(not np.allclose(blocks[0], block) for block in blocks[1:])
    assert set(b[H:] if kind == "lstm" else b) == {0.25}
    assert kind != "lstm" or set(b[:H]) == {1.0}  # unit_forget_bias


def test_a_function_begins_the_whole_array_and_the_forget_bias_can_be_left_out():
    given = np.arange(3 * 4 * H, dtype="float32").reshape(3, 4 * H)
    layer = LSTM(
        H, kernel_initializer=lambda shape, dtype: tf.constant(given), unit_forget_bias=False
    )
    layer.build((None, None, 3))
    W_x, _, b = layer.cell.get_weights()
    assert np.array_equal(W_x, given)
    assert not b.any()


def test_without_a_bias_it_is_zero_and_stays_so():
    layer = LSTM(H, use_bias=False)
    model = keras.Sequential([keras.Input((T, D)), layer])
    model.trainable = False
    model.trainable = True
    model.compile(keras.optimizers.SGD(0.5), "mse")
    before = layer.cell.get_weights()
    model.fit(x(), np.ones((N, H)), epochs=2, verbose=0)
    after = layer.cell.get_weights()
    assert not np.array_equal(before[0], after[0])
    assert not after[2].any()
    assert len(LSTM(H, use_bias=False).get_config()) == len(LSTM(H).get_config()) + 1


def test_regularizers_and_constraints_hold_the_weights():
    layer = GRU(
        H,
        kernel_regularizer=keras.regularizers.L2(0.1),
        recurrent_regularizer="l1",
        recurrent_constraint=keras.constraints.MaxNorm(0.1),
    )
    model = keras.Sequential([keras.Input((T, D)), layer])
    W_x, W_h, _ = layer.cell.get_weights()
    expected = [0.1 * np.sum(W_x**2), 0.01 * np.sum(np.abs(W_h))]
    assert np.allclose(sorted(map(float, layer.losses)), sorted(expected), rtol=1e-5)
    model.compile("sgd", "mse")
    model.fit(x(), np.ones((N, H)), verbose=0)
    assert np.linalg.norm(layer.cell.get_weights()[1], axis=0).max() < 0.1001


@each_kind
def test_recurrent_dropout_is_a_matrix_of_its_own_for_each_row(kind):
    """(m ⊙ h) W_h is h W_h with m's rows of W_h: each row of the batch runs by itself."""
    layer = built(float64(kind, recurrent_dropout=0.4, return_sequences=True, seed=7))
    weights = layer.cell.get_weights()
    generator = keras.random.SeedGenerator(7)
    m = keras.random.dropout(tf.ones((N, H), "float64"), 0.4, seed=generator).numpy()
    assert 0 < np.mean(m == 0) < 1
    zeros = [np.zeros((1, H))] * reference.STATES[kind]

    def outputs(W_x, W_h, b):
        rows = [
            reference.run(kind, x()[n : n + 1], [W_x, m[n][:, None] * W_h, b], zeros)[0]
            for n in range(N)
        ]
        return np.concatenate(rows)

    d_outputs = reference.inputs(N, T, H, 8)
    with tf.GradientTape() as tape:
        ours = layer(x(), training=True)
        loss = tf.reduce_sum(ours * d_outputs)
    gradients = tape.gradient(loss, layer.trainable_weights)
    assert reference.largest_difference([ours], [outputs(*weights)]) < 1e-12
    expected = reference.derivative(lambda *w: np.sum(outputs(*w) * d_outputs), weights)
    assert reference.largest_difference(gradients, expected) < 1e-11
    assert (
        reference.largest_difference(
            [layer(x())],
            [reference.run(kind, x(), weights, [np.zeros((N, H))] * reference.STATES[kind])[0]],
        )
        < 1e-12
    )


# --- States between batches -----------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: LSTM(H, return_sequences=True, dtype="float64", **o),
        lambda **o: Stacked(
            [GRU(H, return_sequences=True, dtype="float64", **o) for _ in range(2)]
        ),
    ],
    ids=["LSTM", "Stacked"],
)
def test_stateful_goes_on_where_the_last_batch_ended(make):
    layer = built(make(stateful=True), rows=N)
    plain = built(make())
    assert layer.stateful
    whole = plain(x())
    for _ in range(2):
        pieces = [layer(x()[:, :2]), tf.function(layer)(x()[:, 2:])]
        assert reference.largest_difference([tf.concat(pieces, axis=1)], [whole]) < 1e-12
        layer.reset_state()
    assert len(layer.weights) == len(plain.weights)


def test_stateful_in_both_directions_begins_from_what_it_left():
    layer = built(Bidirectional(LSTM(H, stateful=True, return_state=True)), rows=N)
    first = layer(tf.constant(x(), tf.float32))
    second = layer(tf.constant(x(2), tf.float32))
    layer.reset_state()
    expected = layer(tf.constant(x(2), tf.float32), initial_state=list(first[1:]))
    assert reference.largest_difference(second, expected) < 1e-6


def test_stateful_needs_one_number_of_rows():
    with pytest.raises(ValueError, match="needs the number of rows"):
        LSTM(H, stateful=True)(keras.Input((T, D)))
    layer = LSTM(H, stateful=True)
    layer(x())
    with pytest.raises(ValueError, match=r"needs 4 rows in every batch. Received: 3"):
        layer(x(rows=3))


# --- Weights of another order ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_arrays_whose_order_is_unknown_are_not_set_in_silence(kind):
    ours, theirs = (
        built(OURS[kind](H)),
        KERAS[kind](H, **({"reset_after": False} if kind == "gru" else {})),
    )
    theirs.build((None, None, D))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours.set_weights(ours.get_weights())
        model = keras.Sequential([keras.Input((None, D)), ours])
        model.set_weights(model.get_weights())
        with pytest.raises(UserWarning, match="from_keras"):
            ours.set_weights(theirs.get_weights())


# --- Derivatives ----------------------------------------------------------------------------


def test_vectorised_jacobians_and_hessians_are_the_loops_ones():
    layer, inputs = built(float64("lstm")), tf.constant(x(rows=2, steps=3))

    def derivatives(vectorised):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                h = layer(inputs)
                loss = tf.reduce_sum(h**2)
            gradient = inner.gradient(loss, inputs)
        jacobian = tape.batch_jacobian(h, inputs, experimental_use_pfor=vectorised)
        return jacobian, tape.jacobian(gradient, inputs, experimental_use_pfor=vectorised)

    vectorised = derivatives(True)
    assert reference.largest_difference(vectorised, derivatives(False)) < 1e-12
    rows = [np.zeros((2, H))] * 2
    for j in range(H):
        (row,) = reference.derivative(
            lambda x, j=j: np.sum(
                reference.run("lstm", x, layer.cell.get_weights(), rows)[1][0][:, j]
            ),
            [inputs.numpy()],
        )
        assert np.allclose(vectorised[0][:, j], row, atol=1e-12)


def test_forward_mode_is_refused_in_words():
    layer, inputs = built(float64("gru")), tf.constant(x())
    with (
        pytest.raises(NotImplementedError, match=r"no forward-mode derivative.*GradientTape"),
        tf.autodiff.ForwardAccumulator(inputs, tf.ones_like(inputs)),
    ):
        layer(inputs)


# --- Another backend ------------------------------------------------------------------------


def test_another_backend_gets_one_sentence():
    code = (
        "import keras; keras.backend.backend = lambda: 'jax'  # as if JAX were here\n"
        "try:\n from seqtasks import LSTM\nexcept ImportError as error:\n print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("seqtasks' layers run on Keras' TensorFlow backend. Received: ")
    assert "KERAS_BACKEND=jax" in done.stdout
    assert len(done.stdout.splitlines()) == 1
