"""Products in bfloat16: the equations with the factors of each product rounded, and no more."""

from functools import partial

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRU, LSTM, RNN, Bidirectional, LSTMCell
from seqtasks.layers import scan
from seqtasks.layers.bidirectional import directions
from seqtasks.layers.variants import LayerNormGRU, LayerNormLSTM, PeepholeLSTM
from seqtasks.training.precision import multiplies_bfloat16

N, T, D, H = 5, 6, 3, 4
# Without such instructions TensorFlow may also round the sums inside a product.
EXACT = multiplies_bfloat16() is True
LIMIT = 2**-16 if EXACT else 2**-5
LENGTHS = np.array([6, 2, 5, 1, 6])
LAYERS = {
    "rnn": RNN,
    "lstm": LSTM,
    "gru": GRU,
    "gru, units dropped": partial(GRU, recurrent_dropout=1e-9),
    "peepholes": PeepholeLSTM,
    "layer norm lstm": LayerNormLSTM,
    "layer norm gru": LayerNormGRU,
}


def made(kind, products=None, seed=3):
    layer = LAYERS[kind](H, return_sequences=True, return_state=True)
    layer.build((None, None, D))
    reference.randomise(layer, seed)
    layer.products = products
    return layer


def inputs(seed=5):
    return tf.constant(reference.inputs(N, T, D, seed), tf.float32)


def outputs_and_gradients(layer, run, x):
    """h of all real steps and the last states, and gradients of a sum in which each one counts."""
    weights = [w.value for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = run(x)
        total = tf.add_n([tf.reduce_sum(tf.sin(3.0 * output)) for output in outputs])
    return [*outputs, *map(tf.convert_to_tensor, tape.gradient(total, [x, *weights]))]


def loop(layer, x):
    return layer(x, mask=reference.mask_of(LENGTHS, T), training=True)


def step_by_step(layer, x):
    """Each step by itself, a row that has ended keeps its states: what is differentiated."""
    states = [tf.zeros((N, width)) for width in layer.cell.state_size]
    h = []
    for t in range(T):
        _, after = layer.cell(x[:, t], states)
        real = (t < LENGTHS)[:, np.newaxis]
        states = [tf.where(real, a, s) for a, s in zip(after, states, strict=True)]
        h.append(tf.where(real, states[0], 0.0))
    return [tf.stack(h, axis=1), *states]


def rounded(x):
    """To the nearest number of 8 binary digits, as a float32."""
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)


def product_of_rounded(a, W):
    """a W of rounded factors, forward and back; a value that a step reads on is rounded, too."""

    @tf.custom_gradient
    def of(a, W):
        def gradient(d):
            back = tf.linalg.matvec(rounded(W)[tf.newaxis], rounded(d))
            return rounded(back), tf.einsum("nd,ng->dg", rounded(a), rounded(d))

        return rounded(tf.einsum("nd,dg->ng", rounded(a), rounded(W))), gradient

    return of(a, W)


def without_sums(*results):
    """All but the gradients of W_x and W_h."""
    places = [[t.shape for t in tensors].index((N, T, D)) + 1 for tensors in results]  # behind x's
    return [
        [*tensors[:at], *tensors[at + 2 :]] for tensors, at in zip(results, places, strict=True)
    ]


def difference(ours, theirs):
    """The largest over all tensors of their mean difference, to the mean size of the tensor."""
    pairs = [(np.asarray(o), np.asarray(t)) for o, t in zip(ours, theirs, strict=True)]
    return max(np.abs(o - t).mean() / np.abs(t).mean() for o, t in pairs)


@pytest.fixture
def expected(monkeypatch):
    """What a kind of layer returns step by step where each product is of rounded factors."""

    def found(kind):
        layer = made(kind)
        with monkeypatch.context() as patched:
            patched.setattr(tf, "matmul", product_of_rounded)
            return outputs_and_gradients(layer, partial(step_by_step, layer), inputs())

    return found


def ours(kind, products: str | None = "bfloat16"):
    layer = made(kind, products)
    return outputs_and_gradients(layer, partial(loop, layer), inputs())


@pytest.mark.parametrize("kind", LAYERS)
def test_the_factors_of_each_product_are_rounded_and_nothing_else(kind, expected):
    theirs = expected(kind)
    found = ours(kind)
    assert all(gradient.dtype == tf.float32 for gradient in found)
    assert difference(*without_sums(found, theirs)) < LIMIT
    assert difference(found, theirs) < 2**-8  # the sum over a chunk's steps is rounded once more
    if EXACT:
        assert difference(*without_sums(ours(kind, None), theirs)) > 10 * LIMIT


def unrounded(rows):
    """Only some of the matrices are rounded, and with them the other factor."""

    def of(weights, dtype):
        low = [W.shape.rank == 2 and W.shape[0] != rows for W in weights]
        return tuple(
            tf.cast(W, dtype) if is_low else W for W, is_low in zip(weights, low, strict=True)
        )

    return scan, "_rounded", of


def c_rounded(a_x, states, weights, step=LSTMCell.step):
    (h_t, c_t), saved = step(a_x, states, weights)
    return (h_t, rounded(c_t)), saved


def f_rounded(a_x, states, weights, step=LSTMCell.step):
    states, (f, *others) = step(a_x, states, weights)
    return states, (rounded(f), *others)


def back_as_it_is(*arguments, back=LSTMCell.step_back):
    *others, (W_h_T,) = arguments
    return back(*others, (tf.cast(W_h_T, tf.float32),))


MUTANTS = {
    "x and W_x aren't rounded": unrounded(D),
    "h and W_h aren't rounded": unrounded(H),
    "c is": (LSTMCell, "step", staticmethod(c_rounded)),
    "a gate is": (LSTMCell, "step", staticmethod(f_rounded)),
    "nothing is on the way back": (LSTMCell, "step_back", staticmethod(back_as_it_is)),
}


@pytest.mark.skipif(not EXACT, reason="the processor rounds sums as well")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found_out(name, expected, monkeypatch):
    theirs = expected("lstm")
    monkeypatch.setattr(*MUTANTS[name])
    assert difference(*without_sums(ours("lstm"), theirs)) > 10 * LIMIT


@pytest.mark.parametrize("how", ["both directions", "little memory", "halves of the batch"])
def test_however_it_runs_it_is_rounded(how):
    """Each way against itself in float32: near, and not the same."""
    rows = 16 if how == "halves of the batch" else N
    x = tf.constant(reference.inputs(rows, T, D, 5), tf.float32)
    found = {}
    for products in (None, "bfloat16"):
        layer = GRU(H, return_sequences=True)
        if how == "both directions":
            layer = Bidirectional(layer)
        layer.build((None, None, D))
        reference.randomise(layer, 3)
        for each in directions(layer):
            each.products, each.saves_memory = products, how == "little memory"
        run = lambda x, layer=layer: [layer(x, training=True)]  # noqa: E731
        found[products] = outputs_and_gradients(layer, run, x)
    assert 2**-11 < difference(found["bfloat16"], found[None]) < 0.1
    pairs = zip(found["bfloat16"], found[None], strict=True)
    assert all(np.abs(low - high).max() > 0 for low, high in pairs)


def test_only_training_rounds():
    x, layer = inputs(), made("lstm", "bfloat16")
    plain = made("lstm")
    for ours, theirs in zip(layer(x), plain(x), strict=True):
        assert np.array_equal(ours, theirs)
    assert not np.array_equal(layer(x, training=True)[0], plain(x)[0])


def test_rows_that_come_again_are_rounded_too():
    which = tf.constant(np.random.default_rng(2).integers(0, N, (3, T)))
    rows = tf.constant(reference.inputs(N, 1, D, 5)[:, 0], tf.float32)
    layer = made("lstm", "bfloat16")
    over = outputs_and_gradients(layer, lambda x: layer.over_rows(x, which, training=True), rows)
    plain = outputs_and_gradients(layer, lambda x: layer(tf.gather(x, which), training=True), rows)
    assert difference(over, plain) < 2**-7
    assert np.array_equal(over[0], plain[0])


def test_the_sum_over_chunks_is_of_float32(monkeypatch):
    # Each step adds 1 to the gradient of W_x; but a sum in bfloat16 stops growing after 256.
    monkeypatch.setattr(scan, "CHUNK_ROWS", 1)
    steps = 320
    layer = RNN(1, return_sequences=True)
    layer.build((None, None, 1))
    layer.cell.W_x.assign([[0.0]])
    layer.cell.W_h.assign([[0.0]])
    layer.products = "bfloat16"

    @tf.function(autograph=False)
    def gradient():
        with tf.GradientTape() as tape:
            outputs = layer(tf.ones((1, steps, 1)), training=True)
        return tape.gradient(outputs, layer.cell.W_x.value)

    assert np.array_equal(gradient(), [[float(steps)]])
