"""The other engine: an ONNX export in onnxruntime, used as a `Servable` is. No TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.errors import SeqtasksError
from seqtasks.runner.api import signature_defs
from seqtasks.runner.check import FILE as ANSWERS
from seqtasks.runner.check import read_answers
from seqtasks.runner.folder import OnnxExport
from seqtasks.serving.models.signature import Signature
from seqtasks.serving.models.stopping import check_stop
from seqtasks.serving.status import Code, StatusError


class OnnxServable:
    """A version of a model, an export by `--format onnx`, loaded and ready to run from any thread.

    Args:
        path: the export's folder.
        name: the model's name, as in the URL.
        version: the version number.

    Attributes:
        signature_defs: what the protocol says of its signatures, in JSON.
        draws: signatures that draw at random, whose requests run alone.

    Raises:
        StatusError: if it can't be loaded; names the file at fault.
    """

    def __init__(self, path: Path, name: str = "", version: int = 0):
        self.path, self.name, self.version = path, name, version
        try:
            self._export = OnnxExport(path)
        except SeqtasksError as error:
            raise StatusError(Code.INVALID_ARGUMENT, f"can't load the ONNX export: {error}") from (
                error
            )
        self.signatures, self.draws = self._export.signatures, self._export.draws
        self.signature_defs: dict[str, Any] = signature_defs(self._export)

    def signature(self, name: str) -> Signature:
        """Find a signature, as `Servable.signature` does."""
        return self._export.signature(name)

    def run(
        self,
        signature: Signature,
        feeds: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run a signature, as `Servable.run` does.

        Raises:
            StatusError: if the feeds don't fit, or the request that it is for was ended.
        """
        check_stop()
        return self._export.run(signature, feeds, outputs)

    def warm_up(self) -> int:
        """Answer the first of its own examples for each signature; return how many.

        Raises:
            StatusError: if the examples are damaged, or a run fails; it must then not be served.
        """
        asked: dict[str, Mapping[str, np.ndarray]] = {}
        try:
            for name, feeds, _ in read_answers(self.path / ANSWERS):
                asked.setdefault(name, feeds)
        except SeqtasksError as error:
            raise StatusError(Code.DATA_LOSS, str(error)) from error
        try:
            for name, feeds in asked.items():
                self.run(self.signature(name), feeds)
        except SeqtasksError as error:
            raise StatusError(Code.INVALID_ARGUMENT, str(error)) from error
        return len(asked)

    def close(self) -> None:
        """Do nothing: what isn't used any more is freed."""
