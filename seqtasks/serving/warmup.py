"""Warm-up: requests stored with a model, which it answers before it takes any from clients."""

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from seqtasks.serving.messages.classes import Message, PredictionLog
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.models.model_config import WARMUP_FILE
from seqtasks.serving.protocol import inference
from seqtasks.serving.protocol.grpc_tensors import to_array
from seqtasks.serving.status import Code, StatusError, first_line, from_tensorflow, invalid

MAX_RECORDS = 1000


def replay(servable: Servable) -> int:
    """Answer the warm-up requests of a model, if it has any, and return how many.

    The file is a TFRecord of PredictionLog messages, as TF Serving reads it.

    Raises:
        StatusError: if the file is damaged or too long, or a request fails; the model must then not
            be served.
    """
    path = servable.path / WARMUP_FILE
    if not path.is_file():
        return 0
    number = 0
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), 1):
            if number > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS})")
            _answer(servable, PredictionLog.FromString(record))
    except tf.errors.OpError as error:
        cause = from_tensorflow(error.error_code, error.message)
        raise _failed(path, number + 1, cause.code, cause.message) from error
    except StatusError as error:
        raise _failed(path, number, error.code, error.message) from error
    except (DecodeError, TypeError, ValueError) as error:  # no PredictionLog, or a bad tensor in it
        raise _failed(path, number, Code.DATA_LOSS, str(error)) from error
    return number


def _answer(servable: Servable, log: Message) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        feeds = {name: to_array(tensor) for name, tensor in request.inputs.items()}
        outputs = list(request.output_filter) or None
        signature = servable.signature(request.model_spec.signature_name)
        servable.run(signature, feeds, outputs)
    elif kind == "classify_log":
        request = log.classify_log.request
        examples = inference.serialize(request.input)
        inference.classify(servable, request.model_spec.signature_name, examples)
    elif kind == "regress_log":
        request = log.regress_log.request
        examples = inference.serialize(request.input)
        inference.regress(servable, request.model_spec.signature_name, examples)
    elif kind == "multi_inference_log":
        request = log.multi_inference_log.request
        examples = inference.serialize(request.input)
        for task in request.tasks:
            method = inference.find_method(task.method_name)
            method(servable, task.model_spec.signature_name, examples)
    elif kind == "session_run_log":
        request = log.session_run_log.request
        feeds = {feed.name: to_array(feed.tensor) for feed in request.feed}
        servable.run_tensors(feeds, list(request.fetch))
    else:
        raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")


def _failed(path: Path, number: int, code: Code, message: str) -> StatusError:
    return StatusError(code, f"{path}: warm-up record {number} failed: {first_line(message)}")
