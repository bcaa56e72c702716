"""A SavedModel run by TensorFlow's C library alone, through ctypes: no TensorFlow for Python.

    python tests/c_api.py LIBRARY_FOLDER VERSION_DIR REQUEST

prints the values of "fetches" as JSON, each flattened. REQUEST is JSON, too: {"feeds": {tensor:
[strings or floats]}, "shape": [...], "fetches": {name: tensor}}.
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np

_FLOAT, _INT32, _STRING, _BOOL = 1, 3, 7, 10
_STRING_BYTES = 24  # sizeof(TF_TString)


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def _library(folder: Path) -> ctypes.CDLL:
    ctypes.CDLL(str(next(folder.glob("libtensorflow_framework.so*"))), ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(next(folder.glob("libtensorflow_cc.so*"))))
    for name in (
        "TF_NewStatus", "TF_NewGraph", "TF_NewSessionOptions", "TF_LoadSessionFromSavedModel",
        "TF_GraphOperationByName", "TF_AllocateTensor", "TF_TensorData", "TF_Message",
        "TF_StringGetDataPointer",
    ):  # fmt: skip
        getattr(library, name).restype = ctypes.c_void_p
    library.TF_TensorByteSize.restype = ctypes.c_size_t
    library.TF_StringGetSize.restype = ctypes.c_size_t
    return library


class Model:
    """A loaded SavedModel."""

    def __init__(self, library_folder: Path, version: Path):
        self.c = _library(library_folder)
        self.status = ctypes.c_void_p(self.c.TF_NewStatus())
        self.graph = ctypes.c_void_p(self.c.TF_NewGraph())
        options = ctypes.c_void_p(self.c.TF_NewSessionOptions())
        tags = (ctypes.c_char_p * 1)(b"serve")
        self.session = ctypes.c_void_p(
            self.c.TF_LoadSessionFromSavedModel(
                options, None, str(version).encode(), tags, 1, self.graph, None, self.status
            )
        )
        self._check()

    def _check(self) -> None:
        if self.c.TF_GetCode(self.status):
            message = self.c.TF_Message(self.status)
            raise RuntimeError(ctypes.string_at(message).decode())

    def _output(self, tensor: str) -> _Output:
        name, _, index = tensor.partition(":")
        operation = self.c.TF_GraphOperationByName(self.graph, name.encode())
        return _Output(operation, int(index or 0))

    def _tensor(self, values: list, shape: list[int]) -> ctypes.c_void_p:
        is_text = values and isinstance(values[0], str)
        sizes = (ctypes.c_int64 * len(shape))(*shape)
        length = len(values) * (_STRING_BYTES if is_text else 4)
        kind = _STRING if is_text else _FLOAT
        tensor = ctypes.c_void_p(
            self.c.TF_AllocateTensor(kind, sizes, len(shape), ctypes.c_size_t(length))
        )
        data = self.c.TF_TensorData(tensor)
        if not is_text:
            ctypes.memmove(data, np.array(values, np.float32).tobytes(), length)
            return tensor
        for number, text in enumerate(values):
            at = ctypes.c_void_p(data + number * _STRING_BYTES)
            raw = text.encode()
            self.c.TF_StringInit(at)
            self.c.TF_StringCopy(at, raw, ctypes.c_size_t(len(raw)))
        return tensor

    def _values(self, tensor: ctypes.c_void_p) -> list:
        data, length = self.c.TF_TensorData(tensor), self.c.TF_TensorByteSize(tensor)
        kind = self.c.TF_TensorType(tensor)
        if kind != _STRING:
            dtype = {_FLOAT: np.float32, _INT32: np.int32, _BOOL: np.bool_}[kind]
            return np.frombuffer(ctypes.string_at(data, length), dtype).tolist()
        texts = []
        for at in range(data, data + length, _STRING_BYTES):
            start = self.c.TF_StringGetDataPointer(ctypes.c_void_p(at))
            size = self.c.TF_StringGetSize(ctypes.c_void_p(at))
            texts.append(ctypes.string_at(start, size).decode())
        return texts

    def run(self, feeds: dict[str, list], shape: list[int], fetches: dict[str, str]) -> dict:
        """Give the values of `fetches`."""
        inputs = (_Output * len(feeds))(*map(self._output, feeds))
        given = (ctypes.c_void_p * len(feeds))(*(self._tensor(v, shape) for v in feeds.values()))
        outputs = (_Output * len(fetches))(*map(self._output, fetches.values()))
        found = (ctypes.c_void_p * len(fetches))()
        self.c.TF_SessionRun(
            self.session, None, inputs, given, len(feeds), outputs, found, len(fetches),
            None, 0, None, self.status,
        )  # fmt: skip
        self._check()
        return {
            name: self._values(ctypes.c_void_p(tensor))
            for name, tensor in zip(fetches, found, strict=True)
        }


if __name__ == "__main__":
    request = json.loads(sys.argv[3])
    print(json.dumps(Model(Path(sys.argv[1]), Path(sys.argv[2])).run(**request)))
    assert not {"tensorflow", "keras"} & set(sys.modules)
