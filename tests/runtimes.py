"""The runtimes that README's table "Runs on" names, each asked in the same way."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


class OpenVino:
    """A model in OpenVINO, asked as an `onnxruntime.InferenceSession` is.

    Args:
        model: an ONNX model, or the folder of a SavedModel.
    """

    def __init__(self, model: Any):
        core = pytest.importorskip("openvino").Core()
        found = core.read_model(
            str(model) if isinstance(model, Path) else model.SerializeToString()
        )
        # On some processors its own choice is bfloat16.
        exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        self.compiled = core.compile_model(found, "CPU", exact)

    def get_inputs(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(
                name=one.any_name,
                shape=[
                    None if size.is_dynamic else size.get_length() for size in one.partial_shape
                ],
            )
            for one in self.compiled.inputs
        ]

    def run(self, names: list[str] | None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        found = self.compiled(feeds)
        if names is None:
            return [found[output] for output in self.compiled.outputs]
        return [found[name] for name in names]


def onnxruntime_session(model: Any) -> Any:
    """An ONNX model in onnxruntime."""
    return pytest.importorskip("onnxruntime").InferenceSession(model.SerializeToString())


SESSIONS: dict[str, Callable[[Any], Any]] = {
    "onnxruntime": onnxruntime_session,
    "openvino": OpenVino,
}
