"""The decoder against its equations in NumPy, all steps at once and one by one."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.config import WriterConfig
from seqtasks.layers.scan import SPLIT_FROM
from seqtasks.text.vocabulary import PADDING_ID, START_ID
from seqtasks.topologies.decoder import Decoder, Readout, mixed_with_guesses

V, D, H, M, S, T = 11, 4, 3, 6, 7, 5
LENGTHS = [4, 6, 0]  # of the memory's rows
N = len(LENGTHS)
IDS = np.array([[2, 9, 4, 4, 1], [2, 5, 8, 3, 0], [2, 7, 7, 10, 9]], "int32")
LOOKS = ("none", "additive", "multiplicative")

# Every two values of two arguments come together at least once.
CASES = [
    *(("rnn", 1, "none", True), ("rnn", 2, "additive", False), ("rnn", 1, "multiplicative", False)),
    *(
        ("lstm", 2, "none", False),
        ("lstm", 1, "additive", True),
        ("lstm", 2, "multiplicative", True),
    ),
    *(("gru", 2, "none", True), ("gru", 1, "additive", False), ("gru", 2, "multiplicative", False)),
]
each_case = pytest.mark.parametrize(
    ("cell", "layers", "attention", "tied"),
    CASES,
    ids=[f"{c}-{n}-{look}-{'tied' if tied else 'untied'}" for c, n, look, tied in CASES],
)


def decoder_of(cell="lstm", layers=2, attention="additive", tied=True, seed=1, **options):
    decoder = Decoder(V, cell, layers, H, D, attention, tied, **options)
    decoder.build((None, None, M))
    reference.randomise(decoder, seed)
    return decoder


def beginning(decoder, seed=2, rows=N):
    """States before the first step, and a memory with 50s where it isn't real."""
    draw = np.random.default_rng(seed)
    states = [draw.normal(0, 0.8, (rows, H)) for _ in decoder.state_sizes]
    memory = draw.normal(0, 1, (rows, S, M))
    mask = np.resize(reference.mask_of(LENGTHS, S), (rows, S))
    memory[~mask] = 50.0
    return states, memory, mask


def as_tensors(decoder, states, memory, mask):
    """States, and what the decoder prepared, in its own dtype."""
    states = [tf.constant(state, decoder.compute_dtype) for state in states]
    return states, decoder.prepare(tf.constant(memory, decoder.compute_dtype), mask)


def run(decoder, ids, states, prepared, training=False):
    """All steps at once: scores, states and attention weights."""
    readout, after, weights = decoder(tf.constant(ids), states, prepared, training=training)
    return readout.scores(), after, weights


def run_by_step(decoder, ids, states, prepared):
    """One step after the other: scores, states and attention weights."""
    scores, weights = [], []
    for t in range(ids.shape[1]):
        scores_t, states, weights_t = decoder.step(tf.constant(ids[:, t]), states, prepared)
        scores.append(scores_t)
        weights.append(weights_t)
    return tf.stack(scores, axis=1), states, tf.stack(weights, axis=1)


def looked(attention, query, rows):
    """Weights of a memory's real rows, by the equations in `Attention`."""
    if not len(rows):
        return np.zeros(0)
    W_k = np.asarray(attention.W_k, float)
    if attention.kind == "additive":
        W_q, v = np.asarray(attention.W_q, float), np.asarray(attention.v, float)
        scores = np.array([v @ np.tanh(query @ W_q + row @ W_k) for row in rows])
    else:
        scores = np.array([query @ (row @ W_k) for row in rows])
    return np.exp(scores) / np.exp(scores).sum()


def equations(decoder, cell, ids, states, memory):
    """The docstring's equations, one row and one step at a time."""
    W, b, b_E = (np.asarray(w, float) for w in (decoder.W, decoder.b, decoder.b_E))
    table = np.asarray(decoder.token_vectors.embeddings, float)
    E = table if decoder.tied else np.asarray(decoder.E, float)
    count = reference.STATES[cell]
    scores, weights = np.zeros((*ids.shape, V)), np.zeros((*ids.shape, S))
    after = [np.array(state) for state in states]
    for n, t in np.ndindex(*ids.shape):
        vector = table[ids[n, t]]
        x, context = vector, np.zeros(0)
        for index, layer in enumerate(decoder.layers):
            before = [state[n] for state in after[index * count : (index + 1) * count]]
            weights_of_cell = [np.asarray(w, float) for w in layer.get_weights()]
            read = np.concatenate([x, context])[np.newaxis]
            before = [state[np.newaxis] for state in before]
            now = [state[0] for state in reference.STEP[cell](read, before, *weights_of_cell)]
            # Without training a state with zoneout is the expectation (Krueger et al. 2017).
            kept, now = layer.zoneout, list(now)
            now = [kept * old[0] + (1 - kept) * new for old, new in zip(before, now, strict=True)]
            for k, state in enumerate(now):
                after[index * count + k][n] = state
            x = now[0]
            if index == 0 and decoder.attention:
                real = memory[n, : LENGTHS[n]]
                weights[n, t, : LENGTHS[n]] = alpha = looked(decoder.attention, x, real)
                context = alpha @ real
        readout = np.tanh(np.concatenate([x, context, vector]) @ W + b)
        scores[n, t] = E @ readout + b_E
    return scores, after, weights if decoder.attention else weights[:, :, :0]


# --- The equations, all steps at once and one by one ------------------------------------------


FURTHER = [
    *(("lnlstm", 1, "additive", True, 0.0), ("lngru", 2, "none", True, 0.2)),
    *(("peeplstm", 2, "multiplicative", False, 0.0), ("lstm", 1, "none", True, 0.3)),
]


@pytest.mark.parametrize(
    ("cell", "layers", "attention", "tied", "zoneout"), [*((*one, 0.0) for one in CASES), *FURTHER]
)
def test_all_at_once_and_step_by_step_the_decoder_is_the_equations(
    cell, layers, attention, tied, zoneout
):
    decoder = decoder_of(cell, layers, attention, tied, zoneout=zoneout)
    states, memory, mask = beginning(decoder)
    given = as_tensors(decoder, states, memory, mask)
    expected, after_expected, weights_expected = equations(decoder, cell, IDS, states, memory)
    log_probabilities = []
    for read in (run, run_by_step):
        scores, after, weights = read(decoder, IDS, *given)
        assert np.allclose(scores, expected, rtol=0, atol=2e-5)
        assert reference.largest_difference(after, after_expected) < 1e-5
        assert reference.largest_difference([weights], [weights_expected]) < 1e-5
        log_probabilities.append(decoder.log_probabilities(scores).numpy())
    assert np.isfinite(log_probabilities[0]).sum() == N * T * (V - 2)
    assert np.allclose(*log_probabilities, rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", LOOKS)
def test_reading_on_from_the_states_is_one_long_read(attention):
    decoder = decoder_of("gru", 2, attention)
    states, prepared = as_tensors(decoder, *beginning(decoder))
    scores, after, _ = run(decoder, IDS, states, prepared)
    first, between, _ = run(decoder, IDS[:, :3], states, prepared)
    second, at_end, _ = run(decoder, IDS[:, 3:], between, prepared)
    assert np.allclose(tf.concat([first, second], axis=1), scores, rtol=0, atol=1e-6)
    assert reference.largest_difference(at_end, after) < 1e-6


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_there_is_a_state_of_each_kind_for_each_layer(cell):
    assert decoder_of(cell, 3).state_sizes == [H] * (3 * reference.STATES[cell])


def test_the_weights_have_the_shapes_that_the_equations_need():
    decoder = decoder_of("lstm", 2, "additive", tied=False)
    named = {w.path.split("/", 1)[1]: tuple(w.shape) for w in decoder.weights}
    assert named == {
        "W": (H + M + D, D),
        "b": (D,),
        "E": (V, D),
        "b_E": (V,),
        "token_vectors/embeddings": (V, D),
        "lstm_1/cell/W_x": (D, 4 * H),
        "lstm_1/cell/W_h": (H, 4 * H),
        "lstm_1/cell/b": (4 * H,),
        "lstm_2/cell/W_x": (H + M, 4 * H),
        "lstm_2/cell/W_h": (H, 4 * H),
        "lstm_2/cell/b": (4 * H,),
        "attention/W_k": (M, H),
        "attention/W_q": (H, H),
        "attention/v": (H,),
    }
    assert decoder_of(tied=True).count_params() == decoder.count_params() - V * D


# --- What must not matter ---------------------------------------------------------------------


@pytest.mark.parametrize("attention", LOOKS)
@pytest.mark.parametrize("at", [1, T - 1])
def test_a_later_token_changes_no_earlier_scores(at, attention):
    decoder = decoder_of("lstm", 2, attention)
    given = as_tensors(decoder, *beginning(decoder))
    other = IDS.copy()
    other[:, at] = (other[:, at] + 1) % V
    scores, _, weights = run(decoder, IDS, *given)
    scores_other, _, weights_other = run(decoder, other, *given)
    assert np.array_equal(scores[:, :at], scores_other[:, :at])
    assert np.array_equal(weights[:, :at], weights_other[:, :at])
    assert np.all(np.abs(scores - scores_other)[:, at].max(axis=1) > 1e-3)


@pytest.mark.parametrize("steps", [False, True], ids=["at once", "by step"])
@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_attention_sums_to_1_over_real_rows_and_is_0_on_padding(kind, steps):
    decoder = decoder_of("gru", 2, kind)
    states, prepared = as_tensors(decoder, *beginning(decoder))
    weights = (run_by_step if steps else run)(decoder, IDS, states, prepared)[2].numpy()
    real = reference.mask_of(LENGTHS, S)[:, np.newaxis].repeat(T, axis=1)
    assert weights.shape == (N, T, S)
    assert (weights[~real] == 0).all()
    assert (weights[real] > 0).all()
    sums = np.array(LENGTHS)[:, np.newaxis] > 0
    assert np.allclose(weights.sum(axis=2), sums.repeat(T, axis=1), rtol=0, atol=1e-6)
    assert np.ptp(weights[0], axis=0)[:4].min() > 1e-4  # it looks elsewhere at another step


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_more_padding_in_the_memory_or_behind_the_tokens_changes_nothing(kind):
    decoder = decoder_of("lstm", 2, kind)
    states, memory, mask = beginning(decoder)
    wider = np.pad(memory, ((0, 0), (0, 3), (0, 0)), constant_values=-70.0)
    wider_mask = np.pad(mask, ((0, 0), (0, 3)))
    longer = np.pad(IDS, ((0, 0), (0, 2)))
    scores, _, weights = run(decoder, IDS, *as_tensors(decoder, states, memory, mask))
    wide = run(decoder, longer, *as_tensors(decoder, states, wider, wider_mask))
    assert np.allclose(wide[0][:, :T], scores, rtol=0, atol=1e-6)
    assert np.allclose(wide[2][:, :T, :S], weights, rtol=0, atol=1e-6)
    assert not np.any(wide[2][:, :, S:])


@pytest.mark.filterwarnings("error")  # Keras warns where a layer loses a mask that it was given
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_with_a_mask_the_states_are_those_after_each_row_s_last_real_token(cell):
    decoder = decoder_of(cell)
    lengths = [5, 0, 3]
    states, memory, mask = beginning(decoder)
    given, prepared = as_tensors(decoder, states, memory, mask)
    plain = run(decoder, IDS, given, prepared)[0].numpy()
    real = reference.mask_of(lengths, T)
    readout, after, _ = decoder(tf.constant(IDS), given, prepared, mask=tf.constant(real))
    assert np.allclose(readout.scores()[real], plain[real], rtol=0, atol=1e-6)
    for n, length in enumerate(lengths):
        one = slice(n, n + 1)
        own = as_tensors(decoder, [state[one] for state in states], memory[one], mask[one])
        expected = own[0]
        if length:
            expected = run(decoder, IDS[one, :length], *own)[1]
        assert reference.largest_difference([state[one] for state in after], expected) < 1e-6


@pytest.mark.parametrize("attention", LOOKS)
def test_a_row_alone_gives_what_it_gives_among_many(attention):
    decoder = decoder_of("gru", 2, attention)
    rows = SPLIT_FROM + 1
    states, memory, mask = beginning(decoder, rows=rows)
    ids = np.random.default_rng(3).integers(1, V, (rows, T)).astype("int32")
    scores, after, _ = run(decoder, ids, *as_tensors(decoder, states, memory, mask))
    for n in (0, 10, rows - 1):
        one = slice(n, n + 1)
        length = int(mask[n].sum())
        own = [state[one] for state in states], memory[one, :length], mask[one, :length]
        alone = run(decoder, ids[one], *as_tensors(decoder, *own))
        assert np.allclose(alone[0], scores[one], rtol=0, atol=1e-6)
        assert reference.largest_difference(alone[1], [state[one] for state in after]) < 1e-6


# --- Scores and probabilities -----------------------------------------------------------------


@pytest.mark.parametrize(("rows", "steps"), [(2, 3), (2, 0), (0, 3)])
def test_a_readout_s_scores_are_rows_times_vectors_plus_bias(rows, steps):
    x, E, b = (reference.inputs(a, c, D, 4) for a, c in ((rows, steps), (1, V), (1, V)))
    E, b = E[0], b[0, :, 0]
    scores = Readout(tf.constant(x), tf.constant(E), tf.constant(b)).scores()
    assert scores.shape == (rows, steps, V)
    assert np.allclose(scores, np.einsum("ntd,vd->ntv", x, E) + b, rtol=0, atol=1e-12)


def test_a_readout_at_one_step_of_each_row_is_that_step_s():
    x, E, b = (
        tf.constant(reference.inputs(*shape, 8)) for shape in ((3, 4, D), (1, V, D), (1, 1, V))
    )
    readout = Readout(x, E[0], b[0, 0])
    scores = readout.scores().numpy()
    found = readout.at(tf.constant([2, 0, 3])).scores()
    assert np.allclose(found, scores[[0, 1, 2], [2, 0, 3]], rtol=0, atol=1e-12)


def test_log_probabilities_are_of_all_tokens_but_padding_and_start():
    scores = reference.inputs(2, 3, V, 5)
    scores[:, :, [PADDING_ID, START_ID]] = 9.0  # the best, if they could be written
    found = decoder_of().log_probabilities(tf.constant(scores)).numpy()
    assert found.dtype == "float32"
    allowed = [v for v in range(V) if v not in (PADDING_ID, START_ID)]
    exponents = np.exp(scores[:, :, allowed])
    expected = np.log(exponents / exponents.sum(axis=2, keepdims=True))
    assert np.allclose(found[:, :, allowed], expected, rtol=0, atol=1e-6)
    assert (found[:, :, [PADDING_ID, START_ID]] == -np.inf).all()


# --- Options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dropped", ["dropout", "weight_drop", "output_dropout"])
def test_each_dropout_changes_training_and_nothing_else(dropped):
    decoder, quiet = decoder_of(**{dropped: 0.5}), decoder_of()
    given = as_tensors(quiet, *beginning(quiet))
    plain = run(quiet, IDS, *given)[0]
    assert np.array_equal(run(decoder, IDS, *given)[0], plain)
    assert np.allclose(run_by_step(decoder, IDS, *given)[0], plain, rtol=0, atol=1e-5)
    assert np.array_equal(run(quiet, IDS, *given, training=True)[0], plain)
    first, second = (run(decoder, IDS, *given, training=True)[0] for _ in range(2))
    assert not np.allclose(first, plain, rtol=0, atol=1e-3)
    assert not np.allclose(first, second, rtol=0, atol=1e-3)


@pytest.mark.parametrize("arch", ["rnn", "bilstm", "stacked-bigru"])
def test_a_configuration_s_options_all_arrive(arch):
    config = WriterConfig(
        arch=arch,
        layers=3 if "stacked" in arch else None,
        units=5,
        embedding_units=6,
        tied=arch == "rnn",
        dropout=0.1,
        weight_drop=0.3,
        output_dropout=0.4,
    )
    decoder = Decoder.from_config_section(V, config, "multiplicative")
    kinds = [type(layer).__name__ for layer in decoder.layers]
    assert kinds == {"rnn": ["RNN"], "bilstm": ["LSTM"], "stacked-bigru": ["GRU"] * 3}[arch]
    assert {(one.units, one.dropout, one.weight_drop) for one in decoder.layers} == {(5, 0.1, 0.3)}
    assert (decoder.tokens, decoder.embedding_units, decoder.tied) == (V, 6, arch == "rnn")
    assert (decoder.attention.kind, decoder.output_dropout.rate) == ("multiplicative", 0.4)
    assert Decoder.from_config_section(V, config, "none").attention is None


TOLERANCE = {"float64": 1e-5, "mixed_bfloat16": 0.15, "mixed_float16": 0.02}


@pytest.mark.parametrize(("policy", "attention"), [*zip(TOLERANCE, LOOKS, strict=True)])
def test_other_dtypes_give_nearly_the_same_at_once_and_by_step(policy, attention):
    plain, decoder = (decoder_of("lstm", 2, attention, dtype=d) for d in ("float32", policy))
    drawn = beginning(plain)
    expected = run(plain, IDS, *as_tensors(plain, *drawn))[0]
    given = as_tensors(decoder, *drawn)
    for read in (run, run_by_step):
        scores, after, weights = read(decoder, IDS, *given)
        dtype = tf.as_dtype(decoder.compute_dtype)
        assert {scores.dtype, weights.dtype, *(s.dtype for s in after)} == {dtype}
        assert np.allclose(tf.cast(scores, "float32"), expected, rtol=0, atol=TOLERANCE[policy])


# --- Scheduled sampling -----------------------------------------------------------------------


def guessing(seed=6, rows=3, steps=8):
    """The start and right tokens, padded, and scores that padding and start would win."""
    draw = np.random.default_rng(seed)
    ids = draw.integers(3, V, (rows, steps)).astype("int32")
    ids[:, 0] = START_ID
    ids[0, 5:] = PADDING_ID
    scores = draw.normal(0, 1, (rows, steps, V)).astype("float32")
    scores[:, :, START_ID] = scores[:, :, PADDING_ID] = 5.0
    return ids, scores


def mixed(ids, scores, rate, seed=7):
    generator = keras.random.SeedGenerator(seed)
    return mixed_with_guesses(tf.constant(ids), tf.constant(scores), rate, generator).numpy()


def test_at_rate_0_the_right_tokens_are_read():
    ids, scores = guessing()
    assert np.array_equal(mixed(ids, scores, 0.0), ids)


def test_at_rate_1_each_token_is_what_would_have_been_written_after_those_before_it():
    ids, scores = guessing()
    written = [v for v in range(V) if v not in (PADDING_ID, START_ID)]
    guesses = np.array(written)[scores[:, :, written].argmax(axis=2)]
    expected = ids.copy()
    for n, t in np.ndindex(*ids.shape):
        if t > 0 and ids[n, t] != PADDING_ID:
            expected[n, t] = guesses[n, t - 1]
    found = mixed(ids, scores, 1.0)
    assert np.array_equal(found, expected)
    assert found.dtype == ids.dtype
    assert np.mean(found != ids) > 0.5


def test_the_rate_is_the_share_of_guesses_and_the_seed_says_which():
    ids, scores = guessing(rows=90, steps=60)
    real, guesses = ids[:, 1:] != PADDING_ID, mixed(ids, scores, 1.0)
    differ = (guesses != ids)[:, 1:] & real
    found = mixed(ids, scores, 0.3)
    replaced = (found != ids)[:, 1:]
    assert not np.any(replaced & ~differ)
    assert np.mean(replaced[differ]) == pytest.approx(0.3, abs=0.04)  # 6 standard deviations
    assert np.array_equal(mixed(ids, scores, 0.3), found)
    assert not np.array_equal(mixed(ids, scores, 0.3, seed=8), found)
