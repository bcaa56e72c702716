"""Tables of every cell, layer and network, and what each of them must do as a part of Keras.

Whatever is public and a layer is in a table, or `test_every_public_layer_is_in_the_table` and
`test_every_layer_and_topology_of_the_package_is_in_a_table` fail.
"""

import inspect
import pkgutil
from functools import cache
from importlib import import_module

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from graphs import as_traced

import seqtasks
from seqtasks import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    GRUCell,
    LayerNormGRU,
    LayerNormLSTM,
    LSTMCell,
    PeepholeLSTM,
    RNNCell,
    Stacked,
)
from seqtasks.config import ClassifierConfig, TaggerConfig, TranslatorConfig, WriterConfig
from seqtasks.layers.attention import Attention, AttentionPooling
from seqtasks.layers.convolution import WindowReader
from seqtasks.layers.crf import CRF
from seqtasks.layers.linear_ngrams import LinearNGrams
from seqtasks.layers.ngrams import NGramReader
from seqtasks.layers.pooling import MaskedPooling
from seqtasks.layers.scan import SPLIT_FROM
from seqtasks.layers.vectors import PartedVectors
from seqtasks.tasks.losses import token_cross_entropy
from seqtasks.topologies.decoder import Decoder
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_many import many_to_many
from seqtasks.topologies.many_to_one import many_to_one
from seqtasks.topologies.next_step import NextStep
from seqtasks.topologies.one_to_many import OneToMany
from seqtasks.topologies.seq2seq import Seq2Seq
from seqtasks.topologies.text_input import TextEmbedding
from seqtasks.training.step import TrainingStep

KINDS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
FURTHER_KINDS = {"lnlstm": LayerNormLSTM, "lngru": LayerNormGRU, "peeplstm": PeepholeLSTM}
CELLS = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
T, D, H = 5, 4, 6
LENGTHS = [5, 0, 2]
WORDS = 30


def one_layer(kind, **options):
    return (KINDS | FURTHER_KINDS)[kind](H, return_sequences=True, **options)


def backwards(kind, **options):
    return one_layer(kind, go_backwards=True, **options)


def both_directions(kind, **options):
    return Bidirectional(one_layer(kind, **options))


def stack_of_three(kind, **options):
    return Stacked([one_layer(kind, **options) for _ in range(3)], residual=True)


def stack_of_both_directions(kind, **options):
    return Stacked([both_directions(kind, **options) for _ in range(2)])


def cell_in_keras_rnn(kind, **options):
    cell = CELLS[kind](H, dtype=options.get("dtype"))
    return keras.layers.RNN(cell, return_sequences=True, zero_output_for_mask=True, **options)


LAYERS = (one_layer, backwards, both_directions, stack_of_three, stack_of_both_directions)
FORWARD = (one_layer, stack_of_three, cell_in_keras_rnn)


def lines(structures):
    return {f"{kind}, {make.__name__}": (kind, make) for make in structures for kind in KINDS}


def papers(*structures):
    """The cells of papers in these structures, each in one: the structures are tested with all."""
    each = zip(FURTHER_KINDS, structures, strict=True)
    return {f"{kind}, {make.__name__}": (kind, make) for kind, make in each}


FURTHER = papers(both_directions, stack_of_three, backwards)
TABLE = lines((*LAYERS, cell_in_keras_rnn)) | FURTHER
# Each structure once, with alternating kinds: for tests that make a graph each, which is slow.
ALTERNATING = ("gru", "rnn", "lstm", "rnn", "gru", "lstm")
EACH_STRUCTURE = {
    f"{kind}, {make.__name__}": (kind, make)
    for kind, make in zip(ALTERNATING, (*LAYERS, cell_in_keras_rnn), strict=True)
}
SOME = EACH_STRUCTURE | lines([cell_in_keras_rnn]) | FURTHER


def each(table):
    return pytest.mark.parametrize(("kind", "make"), table.values(), ids=table)


def classes_in(layer):
    """The classes of a layer and of all that it is made of."""
    inner = [getattr(layer, name, None) for name in ("cell", "layer", "backward_layer")]
    inner += getattr(layer, "layers", [])
    return {type(layer)}.union(*(classes_in(part) for part in inner if part is not None))


def missing_from_table(public):
    """The names of the Keras layers in `public` that no line of the table is made of."""
    covered = set().union(*(classes_in(make(kind)) for kind, make in TABLE.values()))
    return {
        name
        for name, value in public.items()
        if isinstance(value, type) and issubclass(value, keras.Layer) and value not in covered
    }


def test_every_public_layer_is_in_the_table():
    public = {name: getattr(seqtasks, name) for name in seqtasks.__all__}
    assert {"RNNCell", "LSTM", "Bidirectional", "Stacked"} <= set(public)
    assert missing_from_table(public) == set()


def test_a_layer_that_is_not_in_the_table_is_noticed():
    public = {"GRU": GRU, "Dense": keras.layers.Dense, "__version__": "1", "lines": lines}
    assert missing_from_table(public) == {"Dense"}


# --- In Keras models, with the mask of an Embedding -------------------------------------------


def words(lengths, T=T):
    """Random words, 0 where a row has ended."""
    drawn = np.random.default_rng([len(lengths), T]).integers(1, WORDS, (len(lengths), T))
    return tf.constant(drawn * reference.mask_of(lengths, T), tf.int32)


def embedding():
    return keras.layers.Embedding(WORDS, D, mask_zero=True)


def functional_model(kind, make):
    """A functional model around one line of the table, with random weights."""
    given = keras.Input((None,), dtype="int32")
    model = keras.Model(given, make(kind)(embedding()(given)))
    reference.randomise(model, 1)
    return model


@pytest.fixture(scope="module", params=SOME)
def model(request):
    """Such a model for each structure, and for each cell inside `keras.layers.RNN`."""
    return functional_model(*TABLE[request.param])


def test_a_saved_model_loads_and_gives_the_same_outputs(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = words(LENGTHS)
    assert classes_in(loaded.layers[-1]) == classes_in(model.layers[-1])
    assert np.array_equal(loaded(x), model(x))


def test_a_configuration_makes_the_same_layer_again(model):
    layer = model.layers[-1]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    by_hand = type(layer).from_config(layer.get_config())
    assert by_hand.get_config() == layer.get_config()
    x = tf.constant(reference.inputs(3, T, D, 2), tf.float32)
    for made in (again, by_hand):
        if not made.built:
            made.build((None, None, D))
        made.set_weights(layer.get_weights())
        assert np.array_equal(made(x), layer(x))


def test_padding_is_zero_in_the_outputs_and_the_mask_goes_on(model):
    outputs = model(words(LENGTHS))
    real = reference.mask_of(LENGTHS, T)
    assert not np.any(outputs.numpy()[~real])
    assert np.all(outputs.numpy()[real] != 0)
    mask = model.layers[-1].compute_mask(None, tf.constant(real))
    assert np.array_equal(mask, real)


def test_a_sequential_model_gives_what_the_functional_one_gives(model):
    layer = model.layers[-1]
    again = type(layer).from_config(layer.get_config())
    sequential = keras.Sequential([keras.Input((None,), dtype="int32"), embedding(), again])
    sequential.set_weights(model.get_weights())
    x = words(LENGTHS)
    assert np.array_equal(sequential(x), model(x))


@each(EACH_STRUCTURE)
def test_one_graph_of_unknown_shape_gives_what_eager_calls_give(kind, make):
    model = functional_model(kind, make)
    graph = tf.function(model, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    many = [*range(T + 2), *range(T + 2), *range(T + 2)]
    assert len(many) >= SPLIT_FROM
    for x in (words(LENGTHS), words([1], 1), words([], 3), words(many, T + 2)):
        assert np.allclose(graph(x), model(x), rtol=0, atol=1e-5)


def test_the_shape_of_the_outputs_is_known_before_any_input_is_seen(model):
    outputs = model(words(LENGTHS))
    assert model.output_shape == (None, None, outputs.shape[2])


@pytest.fixture
def graphs_as_traced():
    """Not rewritten, for one step; that what is rewritten computes the same is tested above."""
    with as_traced():
        yield


@each(EACH_STRUCTURE)
@pytest.mark.usefixtures("graphs_as_traced")
def test_one_step_of_fit_moves_every_weight(kind, make):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([embedding(), make(kind), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    x = words(LENGTHS)
    model(x)
    reference.randomise(model, 4)
    before = model.get_weights()
    model.fit(x, np.ones((len(LENGTHS), T, 1)), batch_size=len(LENGTHS), verbose=0)
    moved = [np.mean(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    seen = len(np.setdiff1d(x, [0]))
    assert moved[0] == pytest.approx(seen / WORDS)  # the embeddings of the words in x
    assert moved[1:] == [1.0] * (len(moved) - 1)


# --- Numbers of other kinds -------------------------------------------------------------------

TOLERANCE = {"float32": 0.0, "float64": 1e-5, "mixed_bfloat16": 0.06, "mixed_float16": 0.006}


@each(SOME | lines([one_layer]))
def test_every_dtype_policy_gives_its_dtype_and_nearly_the_same_outputs_and_gradients(kind, make):
    x = reference.inputs(3, T, D, 5)
    mask = tf.constant(reference.mask_of(LENGTHS, T))
    expected = []
    for policy, tolerance in TOLERANCE.items():
        layer = make(kind, dtype=policy)
        layer.build((None, None, D))
        reference.randomise(layer, 6)
        with tf.GradientTape() as tape:
            outputs = layer(tf.constant(x), mask=mask)
            loss = tf.reduce_sum(tf.cast(outputs, "float64") ** 2)
        gradients = tape.gradient(loss, layer.trainable_weights)
        dtypes = keras.DTypePolicy(policy)
        assert outputs.dtype == dtypes.compute_dtype
        assert {w.dtype for w in layer.weights} == {dtypes.variable_dtype}
        assert {g.dtype for g in gradients} == {tf.as_dtype(dtypes.variable_dtype)}
        results = [tf.cast(outputs, "float64"), *gradients]
        expected = expected or results
        for ours, theirs in zip(results, expected, strict=True):
            scale = max(1.0, np.abs(theirs).max())
            assert reference.largest_difference([ours], [theirs]) <= tolerance * scale


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_16_bit_policy_keeps_the_state_in_float32_from_step_to_step(kind, policy):
    # At 64 the neighbours of a float16 number are 1/32 and 1/16 away, those of a bfloat16 number
    # 1/4 and 1/2: each of these steps would be lost, but 128 of them must make a difference.
    steps, gate = 128, {"lstm": 1 / 64, "gru": 1 / 8192}[kind]
    layer = KINDS[kind](1, dtype=policy, return_state=True)
    layer.build((None, None, 1))
    logit = np.log(gate / (1 - gate))
    b = {
        "lstm": [50.0, 50.0, logit, 0.0],  # f = 1, g = 1, i = gate: c grows by gate
        "gru": [logit, 0.0, -50.0],  # z = gate, h~ = -1
    }[kind]
    layer.cell.set_weights([np.zeros((1, len(b))), np.zeros((1, len(b))), np.array(b)])
    start = [tf.constant([[64.0]])] * reference.STATES[kind]
    *_, last = layer(tf.zeros((1, steps, 1)), initial_state=start)
    expected = {"lstm": 64 + steps * gate, "gru": 65 * (1 - gate) ** steps - 1}[kind]
    assert float(last[0, 0]) == pytest.approx(expected, abs=0.3)
    assert abs(expected - 64) > 0.9


# --- States ---------------------------------------------------------------------------------


def states_of(kind, make, rows):
    """Random initial states for a line of the table, and how many it has."""
    parts = {both_directions: 2, stack_of_three: 3, stack_of_both_directions: 4}
    count = parts.get(make, 1) * reference.STATES[kind]
    draw = np.random.default_rng([rows, count])
    return [tf.constant(draw.normal(size=(rows, H)), tf.float32) for _ in range(count)]


@each(TABLE)
def test_states_are_returned_after_the_outputs_one_for_one_with_the_initial_ones(kind, make):
    layer = make(kind, return_state=True)
    x, states = tf.constant(reference.inputs(3, T, D, 7), tf.float32), states_of(kind, make, 3)
    layer.build((None, None, D))
    reference.randomise(layer, 8)
    with tf.GradientTape() as tape:
        tape.watch(states)
        outputs, *last = layer(x, initial_state=states)
    assert all(np.all(d != 0) for d in tape.gradient(outputs, states))
    assert outputs.shape == (3, T, H * (2 if "both" in make.__name__ else 1))
    assert [tuple(s.shape) for s in last] == [(3, H)] * len(states)
    nothing_real = tf.zeros((3, T), tf.bool)
    _, *kept = layer(x, initial_state=states, mask=nothing_real)
    assert reference.largest_difference(kept, states) == 0


@each(lines(FORWARD) | papers(one_layer, one_layer, stack_of_three))
def test_two_halves_with_the_state_carried_over_give_what_the_whole_gives(kind, make):
    layer = make(kind, return_state=True)
    x, states = tf.constant(reference.inputs(3, 7, D, 9), tf.float32), states_of(kind, make, 3)
    layer.build((None, None, D))
    reference.randomise(layer, 10)
    whole, *last = layer(x, initial_state=states)
    first, *carried = layer(x[:, :3], initial_state=states)
    second, *last_of_second = layer(x[:, 3:], initial_state=carried)
    halves = [tf.concat([first, second], axis=1), *last_of_second]
    assert reference.largest_difference(halves, [whole, *last]) < 1e-6


@each(lines((one_layer, both_directions, stack_of_both_directions)) | FURTHER)
def test_a_model_with_initial_states_as_inputs_saves_and_loads(kind, make, tmp_path):
    states = states_of(kind, make, 3)
    given = [keras.Input((H,)) for _ in states]
    x = keras.Input((None, D))
    outputs = make(kind, return_state=True)(x, initial_state=given)
    model = keras.Model([x, *given], outputs)
    reference.randomise(model, 11)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    arguments = [tf.constant(reference.inputs(3, T, D, 12), tf.float32), *states]
    assert reference.largest_difference(loaded(arguments), model(arguments)) == 0


# --- Padding --------------------------------------------------------------------------------


def outputs_and_gradients(layer, x, mask, d_outputs, d_states):
    """Outputs at real steps, last states, and the gradients of all weights of a random loss."""
    with tf.GradientTape() as tape:
        outputs, *last = layer(tf.constant(x), mask=mask)
        width = outputs.shape[2]
        loss = tf.reduce_sum(outputs * d_outputs[:, :, :width])
        loss += sum(tf.reduce_sum(s * d) for s, d in zip(last, d_states, strict=False))
    real = np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask)
    return outputs.numpy()[real], last, tape.gradient(loss, layer.trainable_weights)


@each(lines(LAYERS) | FURTHER)
def test_padding_changes_neither_outputs_nor_gradients(kind, make):
    lengths, wide = np.array([5, 2, 0, 3]), 9
    rows = len(lengths)
    layer = make(kind, return_state=True, dtype="float64")
    layer.build((None, None, D))
    reference.randomise(layer, 13)
    x = reference.inputs(rows, wide, D, 14)
    d_outputs = reference.inputs(rows, wide, 2 * H, 15)
    d_states = reference.inputs(12, rows, H, 16)  # (states, rows, H)
    x[~reference.mask_of(lengths, wide)] = 50.0

    def run(steps, repeat=1):
        mask = tf.constant(np.tile(reference.mask_of(lengths, steps), (repeat, 1)))
        x_many, d_many = (np.tile(a[:, :steps], (repeat, 1, 1)) for a in (x, d_outputs))
        return outputs_and_gradients(layer, x_many, mask, d_many, np.tile(d_states, (1, repeat, 1)))

    h, last, d_weights = run(max(lengths))
    assert all(np.any(d) for d in d_weights)

    repeat = SPLIT_FROM // rows + 1
    h_there, last_there, d_there = run(wide, repeat)
    there = [h_there[: len(h)], *(state[:rows] for state in last_there)]
    assert reference.largest_difference(there, [h, *last]) < 1e-12
    assert reference.largest_difference([d / repeat for d in d_there], d_weights) < 1e-10

    alone = [
        outputs_and_gradients(
            layer,
            x[n : n + 1, :length],
            None,
            d_outputs[n : n + 1, :length],
            d_states[:, n : n + 1],
        )
        for n, length in enumerate(lengths)
    ]
    h_alone = np.concatenate([h_row for h_row, _, _ in alone])
    last_alone = [
        np.concatenate(s) for s in zip(*(last_row for _, last_row, _ in alone), strict=True)
    ]
    d_alone = [sum(d) for d in zip(*(d_row for _, _, d_row in alone), strict=True)]
    assert reference.largest_difference([h_alone, *last_alone], [h, *last]) < 1e-12
    assert reference.largest_difference(d_alone, d_weights) < 1e-10


@each(lines(LAYERS) | FURTHER)
def test_no_rows_and_no_steps_work_forward_and_backward(kind, make):
    layer = make(kind, dtype="float64")
    layer.build((None, None, D))
    for rows, steps in ((0, 3), (2, 0)):
        x = tf.zeros((rows, steps, D), "float64")
        for mask in (None, tf.zeros((rows, steps), tf.bool)):
            with tf.GradientTape() as tape:
                outputs = layer(x, mask=mask)
            assert outputs.shape[:2] == (rows, steps)
            assert not any(np.any(d) for d in tape.gradient(outputs, layer.trainable_weights))


# --- XLA ------------------------------------------------------------------------------------


@each({name: line for name, line in TABLE.items() if line[0] in ("lstm", "lnlstm")})
def test_a_layer_works_under_xla_or_keeps_keras_from_using_it(kind, make, monkeypatch):
    layer = make(kind)
    model = keras.Sequential([keras.Input((None, D)), layer])
    reference.randomise(model, 17)
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [gpu])
    model.compile(loss="mse", jit_compile="auto")  # on a GPU that is: wherever XLA works
    monkeypatch.undo()
    if not model.jit_compile:
        return
    x = tf.constant(reference.inputs(3, T, D, 18), tf.float32)
    mask = tf.constant(reference.mask_of(LENGTHS, T))

    def run(x):
        with tf.GradientTape() as tape:
            outputs = layer(x, mask=mask)
            loss = tf.reduce_sum(outputs**2)
        return [outputs, *tape.gradient(loss, layer.trainable_weights)]

    compiled = tf.function(run, jit_compile=True)(x)
    assert reference.largest_difference(compiled, run(x)) < 1e-4


# --- Parts of networks ------------------------------------------------------------------------

V, C, M = 11, 9, 7
MASK = tf.constant(reference.mask_of([3, 0], T))


def looked_at(attention):
    query, memory = reference.inputs(2, 3, H, 20), reference.inputs(2, T, M, 21)
    query, memory = tf.constant(query, tf.float32), tf.constant(memory, tf.float32)
    return attention(query, memory, attention.keys(memory), MASK)


def pooled(layer):
    return [layer(tf.constant(reference.inputs(2, T, H, 22), tf.float32), mask=MASK)]


def chained(crf):
    emissions = tf.constant(reference.inputs(2, T, H, 22), tf.float32)
    return [crf.log_partition(emissions, MASK), crf.marginals(emissions, MASK)]


def decoded(decoder):
    states = reference.inputs(len(decoder.state_sizes), 2, H, 23)
    states = [tf.constant(state, tf.float32) for state in states]
    memory = tf.constant(reference.inputs(2, T, M, 24), tf.float32)
    ids = tf.constant([[2, 9, 4], [2, 5, 0]])
    readout, after, weights = decoder(ids, states, decoder.prepare(memory, MASK))
    return [readout.scores(), *after, weights]


def spelled(ids):
    """A character for each token, and padding for padding."""
    return tf.where(ids != 0, 1 + ids % (C - 1), 0)


def embedded(layer):
    ids = tf.constant([[3, 10, 4], [1, 0, 0]])
    return [layer({"ids": ids, "characters": spelled(ids)[:, :, tf.newaxis]})]


def classified(layer):
    ids = tf.constant([[3, 10, 4], [1, 0, 0]])
    outputs = tf.constant(reference.inputs(2, 1, layer.classes, 24)[:, 0], tf.float32)
    return [layer({"outputs": outputs, "ids": ids, "characters": spelled(ids)[..., tf.newaxis]})]


# Each part, the shape it is built from and what it is called with.
PARTS = {
    "additive attention": (Attention("additive", D), [(None, None, H), (None, None, M)], looked_at),
    "multiplicative attention": (
        Attention("multiplicative"),
        [(None, None, H), (None, None, M)],
        looked_at,
    ),
    "attention pooling": (AttentionPooling(), (None, None, H), pooled),
    "mean pooling": (MaskedPooling("mean"), (None, None, H), pooled),
    "max pooling": (MaskedPooling("max"), (None, None, H), pooled),
    "CRF": (CRF(), (None, None, H), chained),
    "decoder": (Decoder(V, "lstm", 2, H, D, dropout=0.1), None, decoded),
    "decoder of a paper's cell": (Decoder(V, "lnlstm", 1, H, D, zoneout=0.2), None, decoded),
    "decoder with attention": (
        Decoder(V, "gru", 2, H, D, "additive", tied=False, weight_drop=0.2, output_dropout=0.3),
        (None, None, M),
        decoded,
    ),
    "text": (TextEmbedding(V, D, C, 6, "sum", token_dropout=0.1), (), embedded),
    "text by characters": (TextEmbedding(V, D, C, 6), (), embedded),
    "text by windows": (TextEmbedding(V, D, C, 5, "cnn", late=2, fixed=3), (), embedded),
    "text by pieces": (TextEmbedding(V, D, C, 5, "ngrams", 30), (), embedded),
    "linear n-grams": (LinearNGrams(3, 30, 3), (), classified),
    "pieces": (NGramReader(6, 30), (), lambda part: [part(tf.constant([[[3, 1], [2, 0]]]))]),
    "windows": (WindowReader(6), (None, None, H), pooled),
    "parted vectors": (PartedVectors(V - 5, 2, 3, D), (), lambda part: [part(tf.range(V))]),
}


@pytest.mark.parametrize(("layer", "shape", "call"), PARTS.values(), ids=PARTS)
def test_a_part_s_configuration_makes_the_same_part_again(layer, shape, call):
    layer.build(shape)
    reference.randomise(layer, 25)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    by_hand = type(layer).from_config(layer.get_config())
    for made in (again, by_hand):
        assert made.get_config() == layer.get_config()
        if not made.built:
            made.build(shape)
        made.set_weights(layer.get_weights())
        assert reference.largest_difference(call(made), call(layer)) == 0


# --- Whole networks ---------------------------------------------------------------------------


def config(kind, arch, **options):
    sizes = {"units": H, "embedding_units": D}
    if "character_units" in kind.model_fields:
        sizes["character_units"] = 4
    return kind(arch=arch, **sizes, dropout=0.1, output_dropout=0.1, **options)


def classifier():
    return many_to_one(
        V, C, 3, config(ClassifierConfig, "bigru", pooling="attention", beside="ngrams")
    )


def tagger():
    return many_to_many(V, C, 3, config(TaggerConfig, "bilstm", character_encoder="sum"))


def of_documents():
    return Hierarchical(
        V,
        C,
        3,
        config(ClassifierConfig, "stacked-gru", pooling="attention", character_encoder="sum"),
    )


def additive_translator():
    return Seq2Seq(
        V,
        C,
        V + 2,
        config(TranslatorConfig, "bilstm", attention="additive", character_encoder="sum"),
    )


def multiplicative_translator():
    sampling = 0.5
    return Seq2Seq(
        V, 0, V + 2, config(TranslatorConfig, "stacked-gru", attention="multiplicative"), sampling
    )


def translator_by_last_states():
    return Seq2Seq(
        V, 0, V + 2, config(TranslatorConfig, "stacked-birnn", attention="none", tied=False)
    )


def language_model():
    return NextStep(V, config(WriterConfig, "stacked-lstm"))


def captioner():
    return OneToMany((9, 5, 1), V, config(WriterConfig, "gru"))


NETWORKS = (
    classifier,
    tagger,
    of_documents,
    additive_translator,
    multiplicative_translator,
    translator_by_last_states,
    language_model,
    captioner,
)
MADE_BY = {classifier: many_to_one, tagger: many_to_many}  # where no class has the network's name
each_network = pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)


def network_inputs(make, rows=3, steps=T):
    """Random inputs for a network, rows of all lengths from none to `steps`, and what to answer."""
    draw = np.random.default_rng([rows, steps])
    lengths = np.resize([steps, 0, 2], rows)

    def ids(size, steps):
        drawn = draw.integers(4, size, (rows, steps)) * reference.mask_of(lengths, steps)
        return tf.constant(drawn, tf.int32)

    if make is captioner:
        images = tf.constant(draw.normal(size=(rows, 9, 5, 1)), tf.float32)
        return {"images": images, "target_ids": ids(V, 3)}, ids(V, 3)
    if make is language_model:
        begins = tf.constant(np.arange(rows) != 1)
        return {"ids": ids(V, steps), "begins": begins}, ids(V, steps)
    if make is of_documents:
        # Of each document one sentence again and again, and as many of it as it has words.
        real = reference.mask_of(lengths, 3)[:, :, np.newaxis]
        repeated = tf.repeat(ids(V, steps)[:, np.newaxis], 3, axis=1) * real
        characters = spelled(repeated)[..., np.newaxis]
        return {"ids": repeated, "characters": characters}, tf.range(rows) % 3
    inputs = {"ids": ids(V, steps)}
    if make in (classifier, tagger, additive_translator):
        inputs["characters"] = tf.stack([spelled(inputs["ids"]), ids(C, steps)], axis=2)
    if make is classifier:
        return inputs, tf.range(rows) % 3
    if make is tagger:
        return inputs, inputs["ids"] % 3
    return {**inputs, "target_ids": ids(V + 2, 4)}, ids(V + 2, 4)


def numbers(outputs):
    """Logits, or the scores of a readout."""
    return outputs.scores() if hasattr(outputs, "scores") else outputs


def randomised(make):
    """A network with random weights."""
    network = make()
    reference.randomise(network, 26)
    if make is captioner:  # smaller, since many are summed, or the bridge's tanh lets nothing back
        network.eye.set_weights([w * 0.12 for w in network.eye.get_weights()])
    return network


network_of = cache(randomised)  # for tests that change nothing


def loss_of(make):
    """The loss of a network's task."""
    if make in (classifier, tagger, of_documents):
        return tf.nn.sparse_softmax_cross_entropy_with_logits
    return token_cross_entropy()


def public_parts(package):
    """The layers, and functions that make models, that a package's modules define."""
    found = {}
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        for name, value in vars(import_module(module.name)).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.name:
                continue
            if inspect.isclass(value):
                wanted = issubclass(value, keras.Layer)
            else:
                wanted = callable(value) and inspect.signature(value).return_annotation is (
                    keras.Model
                )
            if wanted:
                found[name] = value
    return found


def test_every_layer_and_topology_of_the_package_is_in_a_table():
    covered = {type(layer) for make in NETWORKS for layer in network_of(make)._flatten_layers()}
    covered |= {type(layer) for layer, _, _ in PARTS.values()} | set(MADE_BY.values())
    covered |= set().union(*(classes_in(make(kind)) for kind, make in TABLE.values()))
    public = public_parts("seqtasks.layers") | public_parts("seqtasks.topologies")
    assert {"Attention", "Decoder", "Seq2Seq", "many_to_many", "Recurrent"} <= set(public)
    bases = {base for one in covered if inspect.isclass(one) for base in one.__mro__}
    assert {name for name, value in public.items() if value not in covered | bases} == set()


@each_network
def test_saved_weights_load_into_a_network_that_was_just_built(make, tmp_path):
    network, fresh = network_of(make), make()
    network.save_weights(tmp_path / "best.weights.h5")
    inputs, _ = network_inputs(make)
    expected = numbers(network(inputs)).numpy()
    assert not np.allclose(numbers(fresh(inputs)), expected, rtol=0, atol=1e-3)
    fresh.load_weights(tmp_path / "best.weights.h5")
    assert np.array_equal(numbers(fresh(inputs)), expected)


@each_network
def test_one_graph_of_unknown_sizes_gives_what_a_network_gives_eagerly(make):
    network = network_of(make)
    inputs, _ = network_inputs(make)
    unknown = {k: tf.TensorSpec([None] * x.shape.rank, x.dtype) for k, x in inputs.items()}
    graph = tf.function(
        lambda inputs: numbers(network(inputs, training=False)),
        input_signature=[unknown],
        autograph=False,
    )
    for rows, steps in ((3, T), (0, 2), (SPLIT_FROM + 1, T + 2)):
        if make is captioner and not rows:
            continue  # TensorFlow's convolutions of no image at all fail on CPUs
        inputs, _ = network_inputs(make, rows, steps)
        assert np.allclose(graph(inputs), numbers(network(inputs)), rtol=0, atol=2e-5)


@pytest.fixture
def functions_run_eagerly():
    """Without a graph, whose making would be nearly all of the time; tests/training has graphs."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@each_network
@pytest.mark.usefixtures("functions_run_eagerly")
def test_one_training_step_moves_every_weight_of_a_network(make):
    keras.utils.set_random_seed(27)
    network = randomised(make)
    inputs, answers = network_inputs(make, rows=6)
    if make is language_model:
        network.carry(6)
    before = [weight.numpy() for weight in network.trainable_variables]
    TrainingStep(network, loss_of(make), learning_rate=0.1, clip_norm=1.0)(inputs, answers)
    for weight, old in zip(network.trainable_variables, before, strict=True):
        assert np.isfinite(weight.numpy()).all(), weight.path
        moved = weight.numpy() != old
        # Of a table the rows that were read; of a kernel above relu what wasn't 0.
        some = "vectors" in weight.path or make is captioner
        assert moved.any() if some else moved.mean() > 0.9, weight.path


@pytest.fixture
def made_under():
    """Makes a network while a dtype policy holds for all that is made."""
    before = keras.config.dtype_policy()

    def made(policy, make):
        keras.config.set_dtype_policy(policy)
        network = randomised(make)
        keras.config.set_dtype_policy(before)
        return network

    yield made
    keras.config.set_dtype_policy(before)


NETWORK_TOLERANCE = {"float64": 1e-4, "mixed_bfloat16": 0.3}
BY_TURNS = [(make, [*NETWORK_TOLERANCE][index % 2]) for index, make in enumerate(NETWORKS)]


@pytest.mark.parametrize(("make", "policy"), BY_TURNS)
def test_a_network_of_another_dtype_policy_gives_nearly_the_same(make, policy, made_under):
    inputs, _ = network_inputs(make)
    expected = numbers(network_of(make)(inputs))
    found = numbers(made_under(policy, make)(inputs))
    assert found.dtype == keras.DTypePolicy(policy).compute_dtype
    scale = max(1.0, np.abs(expected).max())
    limit = NETWORK_TOLERANCE[policy] * scale
    assert reference.largest_difference([tf.cast(found, "float64")], [expected]) < limit


@each_network
def test_a_network_keeps_keras_from_using_xla(make, monkeypatch):
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [gpu])
    network = network_of(make)
    network.compile(loss="mse", jit_compile="auto")
    assert network.jit_compile is False
