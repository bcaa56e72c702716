"""An ONNX graph in onnxruntime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.errors import RunError
from seqtasks.serving.models.stopping import check_stop

_INSTALL = "pip install onnxruntime"


class Network:
    """A graph, loaded and ready to run. May be called from many threads.

    Args:
        path: of the file.
        opset: the version of ONNX's operations that it is written with.

    Raises:
        RunError: where the file can't be loaded, or onnxruntime isn't installed.
    """

    def __init__(self, path: Path, opset: int):
        try:
            import onnxruntime
        except ImportError as error:
            raise RunError(f"{path}: needs onnxruntime, which isn't there: {_INSTALL}") from error
        options = onnxruntime.SessionOptions()
        # One text takes less than a thread takes to wake up; waiting threads would only burn time.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own kinds differ from version to version
            if not path.is_file():
                raise RunError(f"{path}: missing; copy the export anew") from error
            text = " ".join(str(error).split())
            if "opset" in text or "IR version" in text:
                raise RunError(
                    f"{path}: onnxruntime {onnxruntime.__version__} is too old for opset {opset}: "
                    f"{_INSTALL} --upgrade"
                ) from error
            raise RunError(
                f"{path}: damaged, or no ONNX file; copy the export anew: {text:.200}"
            ) from error
        self._path = path
        self.inputs = {one.name: one.shape for one in self._session.get_inputs()}

    def run(self, feeds: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        """Run the graph; onnxruntime ends the process on a batch of no row, so there is one.

        Raises:
            StatusError: if the request that it is for was ended; what writes runs a graph often.
            RunError: where it is another graph than the export's.
        """
        check_stop()
        try:
            found: Any = self._session.run(list(outputs), dict(feeds))
        except Exception as error:  # onnxruntime's own kinds differ from version to version
            text = " ".join(str(error).split())
            raise RunError(f"{self._path}: can't be run; copy the export anew: {text:.200}") from (
                error
            )
        return found
