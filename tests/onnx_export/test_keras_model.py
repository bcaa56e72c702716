"""A Keras model of our layers gives as ONNX what it gives in Keras, under masks of any shape."""

import keras
import numpy as np
import pytest
import tensorflow as tf

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from seqtasks.errors import ExportError  # noqa: E402
from seqtasks.layers.attention import AttentionPooling  # noqa: E402
from seqtasks.layers.bidirectional import Bidirectional  # noqa: E402
from seqtasks.layers.pooling import MaskedPooling  # noqa: E402
from seqtasks.layers.recurrent import GRU, LSTM, RNN  # noqa: E402
from seqtasks.layers.stacked import Stacked  # noqa: E402
from seqtasks.layers.variants import LayerNormGRU, PeepholeLSTM  # noqa: E402
from seqtasks.onnx_export import keras_layers  # noqa: E402
from seqtasks.onnx_export.keras_model import to_onnx  # noqa: E402

D, V = 3, 9
L = keras.layers
# Padding on the right, on the left, in between, everywhere, nowhere.
IDS = np.array(
    [[3, 1, 4, 0, 0], [0, 0, 0, 5, 2], [6, 0, 5, 3, 0], [0, 0, 0, 0, 0], [1, 2, 3, 8, 7]], np.int32
)


def randomise(model):
    draw = np.random.default_rng(7)
    for variable in model.trainable_variables:
        variable.assign(draw.normal(0, 0.5, variable.shape))


def inputs_of(model):
    draw = np.random.default_rng(3)
    found = []
    for tensor in model.inputs:
        if len(tensor.shape) == 2:
            found.append(IDS.astype(keras.backend.standardize_dtype(tensor.dtype)))
        else:
            x = draw.normal(size=(*IDS.shape, tensor.shape[2])).astype(np.float32)
            found.append(np.where(IDS[:, :, np.newaxis] == 0, np.float32(0), x))
    return found


def both(model):
    """What a model gives in Keras, and as ONNX in onnxruntime."""
    randomise(model)
    given = inputs_of(model)
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    named = dict(zip([one.name for one in session.get_inputs()], given, strict=True))
    right = model(named if len(given) > 1 else given[0])
    return session.run(None, named), keras.tree.flatten(right)


def check(model, some=0.05):
    found, right = both(model)
    assert len(found) == len(right)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-5)
        assert np.ptp(one[np.isfinite(one)]) > some


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU, PeepholeLSTM])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True}], ids=str)
@pytest.mark.parametrize("wrap", ["forward", "backward", "both"])
def test_a_layer_under_any_mask(kind, masked, options, wrap):
    layer = kind(4, go_backwards=wrap == "backward", **options)
    layer = Bidirectional(layer) if wrap == "both" else layer
    first = [L.Embedding(V, D, mask_zero=masked)]
    check(keras.Sequential([keras.Input((None,), dtype="int32"), *first, layer]))


@pytest.mark.parametrize("mode", ["sum", "ave", "mul", None])
@pytest.mark.parametrize("sequences", [True, False])
def test_both_directions_are_merged_and_states_come_too(mode, sequences):
    x = keras.Input((None, D), name="x")
    layer = Bidirectional(LSTM(4, return_sequences=sequences, return_state=True), merge_mode=mode)
    check(keras.Model(x, layer(L.Masking(0.0)(x))))


@pytest.mark.filterwarnings("ignore:Layer .global_max_pooling1d")
def test_layers_on_top_of_each_other():
    layers = [Bidirectional(GRU(3, return_sequences=True)), RNN(5, return_sequences=True)]
    x = keras.Input((None,), name="ids", dtype="int64")
    h = L.Embedding(V, D, mask_zero=True)(x)
    h = Stacked([*layers, LSTM(5, return_sequences=True)], residual=True)(L.Dropout(0.5)(h))
    scores = L.Dense(2, activation="softmax", name="tags")(h)
    pooled = [L.GlobalMaxPooling1D()(h), MaskedPooling("mean")(h), AttentionPooling()(h)]
    answer = L.Dense(1, activation="sigmoid", use_bias=False, name="answer")(
        L.Concatenate()([*pooled, GRU(2, use_bias=False)(L.Activation("tanh")(h))])
    )
    model = keras.Model(x, [scores, answer])
    check(model)
    graph = to_onnx(model).graph
    assert [one.name for one in (*graph.input, *graph.output)] == ["ids", "tags", "answer"]


def test_a_mask_of_ones_own():
    x, real = keras.Input((None, D), name="x"), keras.Input((None,), name="real", dtype="bool")
    check(keras.Model({"x": x, "real": real}, GRU(4)(L.Dense(3)(x), mask=real)))


def test_a_sequential_model_that_grew():
    model = keras.Sequential()
    model.add(keras.Input((5, D)))
    model.add(L.SpatialDropout1D(0.1))
    model.add(LSTM(4, return_sequences=True, recurrent_dropout=0.2))
    model.add(L.GlobalAveragePooling1D())
    model.add(L.Dense(2, activation="relu"))
    check(model)


def test_a_mean_over_real_steps():
    model = keras.Sequential(
        [
            keras.Input((None,)),
            L.Embedding(V, D, mask_zero=True),
            GRU(4, return_sequences=True),
            L.GlobalAveragePooling1D(),
        ]
    )
    check(model)


class Own(keras.Model):
    def call(self, x):
        return x


def shared():
    layer, x = L.Dense(D), keras.Input((None, D))
    return keras.Model(x, layer(layer(x)))


def one(layer, shape=(None, D), dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), layer])


def with_states():
    x, h = keras.Input((None, D)), keras.Input((4,))
    return keras.Model([x, h], GRU(4, name="mine")(x, initial_state=h))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Own(), "Own: expected a keras.Sequential with a keras.Input"),
        (lambda: keras.Sequential([L.Dense(2)]), "Sequential: expected"),
        (lambda: one(L.Conv1D(2, 2, name="conv")), r"the layer conv \(Conv1D\): only these kinds"),
        (lambda: one(L.LSTM(2, name="theirs")), r"the layer theirs \(LSTM\): only these kinds"),
        (lambda: one(L.Dense(2, "gelu", name="d")), r"the layer d \(Dense\): the activation gelu"),
        (lambda: one(L.Dense(2, dtype="float64", name="d")), "computes in float64"),
        (lambda: one(L.Activation("relu"), dtype="float16"), "expected float32 or int32"),
        (lambda: shared(), "is at 2 places; give each a layer of its own"),
        (lambda: with_states(), r"the layer mine \(GRU\): reads more than its inputs"),
        (
            lambda: keras.Sequential([keras.Input(batch_shape=(2, 3, D)), RNN(2, stateful=True)]),
            "stateful",
        ),
        (lambda: one(Bidirectional(LayerNormGRU(2), name="n")), "of LayerNormGRU, which ONNX has"),
        (
            lambda: one(Bidirectional(RNN(2, zoneout=0.5), name="z")),
            r"\(Bidirectional\): zoneout 0.5",
        ),
    ],
)
def test_anything_else_is_refused_by_its_name(make, told):
    with pytest.raises(ExportError, match=told) as error:
        to_onnx(make())
    assert "\n" not in str(error.value)


def test_an_operation_that_is_no_layer_is_refused():
    x = keras.Input((None, D))
    with pytest.raises(ExportError, match=r"\(Multiply\): an operation that can't be written"):
        to_onnx(keras.Model(x, GRU(2)(x * 2.0)))


def test_joining_under_a_mask_is_refused():
    x = keras.Input((None,), dtype="int32")
    h = L.Embedding(V, D, mask_zero=True)(x)
    with pytest.raises(ExportError, match="joins inputs with a mask"):
        to_onnx(keras.Model(x, L.Add(name="sum")([h, h])))


@pytest.mark.parametrize("name", ["to_front", "to_places", "reversed"])
def test_mutants_that_move_nothing_are_noticed(name, monkeypatch):
    monkeypatch.setattr(keras_layers._Steps, name, lambda self, x: x)
    layer = GRU(4, return_sequences=True, go_backwards=True)
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), L.Embedding(V, D, mask_zero=True), layer]
    )
    found, right = both(model)
    assert np.abs(found[0] - tf.convert_to_tensor(right[0]).numpy()).max() > 1e-2
