"""A SavedModel of the layers in the runtimes of README's table "Runs on", and what they refuse."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from runtimes import OpenVino

from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.recurrent import GRU, LSTM, RNN
from seqtasks.layers.stacked import Stacked

V, D, H = 9, 3, 4
IDS = np.array(
    [[3, 1, 4, 0, 0, 0], [0, 0, 0, 0, 0, 0], [6, 7, 5, 3, 2, 8], [1, 0, 0, 0, 0, 0]], np.int32
)


def layers():
    """One of each kind, by a name."""
    return {
        "rnn": RNN(H),
        "lstm": LSTM(H),
        "gru": GRU(H),
        "bilstm": Bidirectional(LSTM(H)),
        "bigru": Bidirectional(GRU(H, return_sequences=True)),
        "stacked": Stacked(
            [Bidirectional(RNN(H, return_sequences=True)), GRU(H, return_sequences=True), LSTM(H)]
        ),
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a network of all kinds, and the network."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    vectors = keras.layers.Embedding(V, D, mask_zero=True)(ids)
    network = keras.Model(ids, {name: layer(vectors) for name, layer in layers().items()})
    for number, variable in enumerate(network.trainable_variables):
        draw = np.random.default_rng(number)
        variable.assign(draw.normal(0, 0.5, variable.shape))
    folder = tmp_path_factory.mktemp("saved") / "layers"
    module = tf.Module()
    module.variables_of_all = [variable.value for variable in network.variables]
    specs = [tf.TensorSpec([None, None], tf.int32, name="ids")]
    answer = tf.function(lambda ids: network(ids), input_signature=specs, autograph=False)
    tf.saved_model.save(
        module,
        str(folder),
        signatures=answer.get_concrete_function(),
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    return folder, network


@pytest.mark.slow
def test_openvino_reads_every_kind_of_layer_and_rows_of_any_length(saved):
    folder, network = saved
    session = OpenVino(folder)
    for rows in (slice(None), slice(2, 3), slice(1)):
        right = network(IDS[rows])
        found = session.run([*right], {"ids": IDS[rows]})
        for name, one in zip(right, found, strict=True):
            np.testing.assert_allclose(one, right[name], atol=1e-6, err_msg=name)
        assert all(np.ptp(one) > 0.05 for one in found)


@pytest.mark.slow
def test_litert_lacks_the_lists_of_tensors_that_a_loop_over_time_needs(saved):
    """Its converter takes them as TensorFlow's own operations, which its package hasn't."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved[0]))
    kinds = tf.lite.OpsSet
    converter.target_spec.supported_ops = [kinds.TFLITE_BUILTINS, kinds.SELECT_TF_OPS]
    content = converter.convert()
    assert b"FlexTensorListPushBack" in content
    with pytest.raises(RuntimeError, match=r"Select TensorFlow op.*FlexEmptyTensorList"):
        litert.Interpreter(model_content=content).allocate_tensors()
