"""The signature `gates` of an export: how far a network's gates are open, token by token."""

from typing import Any

import tensorflow as tf

from seqtasks.tasks.endpoints import TEXT, Endpoint
from seqtasks.topologies.gates import open_gates


def gates_endpoint(predictor: Any) -> Endpoint:
    """Make it of one network that reads texts with a recurrent stack.

    Args:
        predictor: of one run that `seqtasks.export.gates.check_gates` lets pass.
    """
    model, encoder = predictor.model, predictor.codec.encoder
    tagger = not hasattr(predictor.codec, "head")  # whose encoder reads tokens

    def gates(text):
        tokens = encoder.split(text)[:, : encoder.max_length]
        inputs = encoder(tokens if tagger else text)
        names, opened = open_gates(model, inputs)
        N, T = tf.unstack(tf.shape(inputs["ids"])[:2])
        return {
            "tokens": tokens.to_tensor(shape=tf.stack([N, T])),
            "gates": tf.tile(tf.constant([names]), tf.stack([N, 1])),
            "open": opened,
        }

    outputs = {
        "tokens": "[N, T] of the texts, empty where there is none",
        "gates": "[N, K] each gate of each layer by its name, such as lstm_1/f, the same in each "
        "row; a layer that reads backwards has a name that ends in _backward",
        "open": "[N, K, T] how far each gate is open at each token, from 0 to 1, the mean of all "
        "units; 0 after the last token",
    }
    about = "How far the gates are open while texts are read (pages 000 and 003)."
    return Endpoint("gates", about, [TEXT], outputs, gates)
