"""Does an ONNX export answer as its run does? Its answers.json has the run's own answers."""

import base64
import json
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.compare import compare
from seqtasks.errors import RunError
from seqtasks.runner.folder import OnnxExport

FILE = "answers.json"

Answer = tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]  # signature, inputs, outputs


def check(export: OnnxExport, answers: Iterable[Answer]) -> dict[str, Any]:
    """Ask an export what a run was asked, and compare the answers.

    Where Pillow isn't installed picture files aren't asked about; arrays of images are.

    Returns:
        "answers", the number of answers compared, "largest_difference" between numbers, and
        "different", a description of the first wrong answer, or None.
    """
    count, largest = 0, 0.0
    for name, feeds, expected in answers:
        if "image_bytes" in feeds and find_spec("PIL") is None:
            continue
        count += 1
        found = export.run(export.signature(name), feeds)
        for output, right in expected.items():
            difference = compare(found[output], right)
            if isinstance(difference, str):
                different = f"{name}, output {output}: {difference}"
                return {"answers": count, "largest_difference": largest, "different": different}
            largest = max(largest, difference)
    return {"answers": count, "largest_difference": largest, "different": None}


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write answers to a file, in their order."""
    rows = [
        {"signature": name, "inputs": _told(feeds), "outputs": _told(outputs)}
        for name, feeds, outputs in answers
    ]
    path.write_text(json.dumps(rows) + "\n", "utf-8")


def read_answers(path: Path) -> Iterator[Answer]:
    """Read what `write_answers` wrote.

    Raises:
        RunError: where the file is missing or damaged.
    """
    try:
        for row in json.loads(path.read_text("utf-8")):
            yield row["signature"], _arrays(row["inputs"]), _arrays(row["outputs"])
    except OSError as error:
        raise RunError(f"{path}: can't read: {error.strerror}; copy the export anew") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: damaged; copy the export anew") from error


def _told(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        name: {
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "values": [base64.b64encode(text).decode() for text in array.ravel().tolist()]
            if array.dtype == object
            else base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
        }
        for name, array in arrays.items()
    }


def _arrays(told: dict[str, Any]) -> dict[str, np.ndarray]:
    found = {}
    for name, one in told.items():
        if one["dtype"] == "object":
            array = np.empty(len(one["values"]), object)
            array[:] = [base64.b64decode(text) for text in one["values"]]
        else:
            array = np.frombuffer(base64.b64decode(one["values"]), one["dtype"])
        found[name] = array.reshape(one["shape"])
    return found
