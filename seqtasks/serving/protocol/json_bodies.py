"""The JSON bodies of the protocol: requests read, answers written."""

import enum
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtasks.serving.limits import Limits
from seqtasks.serving.models.signature import Signature
from seqtasks.serving.protocol import json_pieces
from seqtasks.serving.protocol.json_tensors import Infinite, from_tensor, is_b64, shown, to_tensor
from seqtasks.serving.status import invalid, too_large

if TYPE_CHECKING:
    from seqtasks.serving.protocol.inference import Classes


class Format(enum.Enum):
    """How a predict request lists its values; its answer does the same."""

    ROWS = "instances"
    COLUMNS = "inputs"


def parse(body: bytes) -> dict[str, Any]:
    """Read a request's body.

    Raises:
        StatusError: INVALID_ARGUMENT if it isn't JSON, or not an object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty.")
    try:
        document = json_pieces.decode(_decoder, body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: Invalid UTF-8 at offset: {error.start}") from error
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except RecursionError as error:
        raise invalid("JSON Parse error: The document is nested too deeply.") from error
    except ValueError as error:  # Python limits the digits of a number
        raise invalid("JSON Parse error: Number too big.") from error
    if type(document) is not dict:
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Give the name of the signature that a request asks for, "" if it names none.

    Raises:
        StatusError: INVALID_ARGUMENT if it isn't a string.
    """
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise invalid("'signature_name' key must be a string value.")
    return name


def decode_predict(
    document: Mapping[str, Any], signature: Signature, limits: Limits
) -> tuple[dict[str, np.ndarray], Format]:
    """Read the tensors of a predict request, by the names of the signature's inputs.

    Raises:
        StatusError: if they are missing, malformed, or over a limit.
    """
    rows, columns = "instances" in document, "inputs" in document
    if rows and columns:
        raise invalid("Not expecting to find both 'instances' and 'inputs' keys")
    if not rows and not columns:
        raise invalid("Missing 'inputs' or 'instances' key")
    if not signature.inputs:
        raise invalid(f"Signature {signature.name!r} has no inputs")
    if rows:
        return _decode_rows(document["instances"], signature, limits), Format.ROWS
    return _decode_columns(document["inputs"], signature, limits), Format.COLUMNS


def _decode_rows(instances: Any, signature: Signature, limits: Limits) -> dict[str, np.ndarray]:
    if type(instances) is not list or not instances:
        raise invalid("Expecting 'instances' value to be a non-empty list")
    if limits.rows is not None and len(instances) > limits.rows:
        raise too_large(
            f"{len(instances)} instances are more than the {limits.rows} that this server takes"
        )
    names = signature.inputs.keys()
    if type(instances[0]) is not dict or is_b64(instances[0]):
        if len(names) > 1:
            raise invalid(
                "instances is a plain list, but expecting list of objects "
                "as multiple input tensors required as per tensorinfo_map"
            )
        (name,) = names
        return {name: to_tensor(instances, signature.inputs[name], limits)}
    for index, row in enumerate(instances):
        if type(row) is not dict or row.keys() != names:
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. "
                f"JSON object: {shown(row)} keys must be equal to: {','.join(names)}"
            )
    return {
        name: to_tensor([row[name] for row in instances], spec, limits)
        for name, spec in signature.inputs.items()
    }


def _decode_columns(inputs: Any, signature: Signature, limits: Limits) -> dict[str, np.ndarray]:
    if type(inputs) is not dict or is_b64(inputs):
        if len(signature.inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object "
                "as multiple input tensors required as per tensorinfo_map"
            )
        (name,) = signature.inputs
        return {name: to_tensor(inputs, signature.inputs[name], limits)}
    for name in signature.inputs:
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: to_tensor(inputs[name], spec, limits) for name, spec in signature.inputs.items()}


def encode_predict(outputs: Mapping[str, np.ndarray], form: Format) -> bytes:
    """Write the answer to a predict request in the form of the request.

    Raises:
        StatusError: INVALID_ARGUMENT if outputs can't be listed as rows.
    """
    return dumps(predict_document(outputs, form))


def predict_document(outputs: Mapping[str, np.ndarray], form: Format) -> dict[str, Any]:
    """Give the answer to a predict request, in its form, as the object that JSON is made of.

    Raises:
        StatusError: INVALID_ARGUMENT if outputs can't be listed as rows.
    """
    if form is Format.ROWS:
        _check_rows(outputs)
    values = {name: from_tensor(array, name.endswith("_bytes")) for name, array in outputs.items()}
    if form is Format.COLUMNS:
        return {"outputs": next(iter(values.values())) if len(values) == 1 else values}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    rows = zip(*values.values(), strict=True)
    return {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    size = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information")
        if len(array) < 1:
            raise invalid(f"Tensor name: {name} has invalid batch size: {len(array)}")
        if size is not None and len(array) != size:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)


def encode_classify(results: "Sequence[Classes]") -> bytes:
    """Write the answer to a classify request: [[["label", score], ...], ...]."""
    rows = []
    for classes in results:
        scores = from_tensor(np.array([score for _, score in classes], np.float32))
        labels = [label.decode("utf-8", "replace") for label, _ in classes]
        rows.append([list(pair) for pair in zip(labels, scores, strict=True)])
    return dumps({"results": rows})


def encode_regress(values: np.ndarray) -> bytes:
    """Write the answer to a regress request: [value, ...]."""
    return dumps({"results": from_tensor(values)})


def encode_error(message: str) -> bytes:
    """Write the body of every error.

    >>> encode_error('Missing "x"')
    b'{"error": "Missing \\\\"x\\\\""}'
    """
    return dumps({"error": message})


def dumps(value: Any) -> bytes:
    """Write JSON as UTF-8, with an escape for half a surrogate pair, which UTF-8 can't encode."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


_decoder = json.JSONDecoder(parse_constant=Infinite)
