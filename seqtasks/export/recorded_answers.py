"""Requests with a run's own answers, to compare an export with and to warm a server up.

They are PredictionLog messages, request and response, in a TFRecord file, as TF Serving reads it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqtasks.serving.messages.classes import PredictionLog
from seqtasks.serving.protocol.grpc_tensors import to_array, to_proto

Answer = tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]  # signature, inputs, outputs


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write answers to a file, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, feeds, outputs in answers:
            log = PredictionLog()
            request, response = log.predict_log.request, log.predict_log.response
            request.model_spec.signature_name = signature
            for message, arrays in ((request.inputs, feeds), (response.outputs, outputs)):
                for name, array in arrays.items():
                    message[name].CopyFrom(to_proto(array))
            writer.write(log.SerializeToString())


def read_answers(path: Path) -> Iterator[Answer]:
    """Read what `write_answers` wrote."""
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = PredictionLog.FromString(record).predict_log
        feeds = {name: to_array(value) for name, value in log.request.inputs.items()}
        outputs = {name: to_array(value) for name, value in log.response.outputs.items()}
        yield log.request.model_spec.signature_name, feeds, outputs
