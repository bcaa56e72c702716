"""What the benchmark of serving measures: a model, and a server of it in a new process."""

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.benchmarks.serving_load import HOST, GrpcClient, RestClient
from seqtasks.errors import ConfigError, ServingError
from seqtasks.export.recorded_answers import read_answers
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.models.signature import DEFAULT_SIGNATURE
from seqtasks.serving.warmup import WARMUP_FILE

APIS = {"REST": RestClient, "gRPC": GrpcClient}
_WORDS, _TEXTS = 10, 8  # words of a text, about; how many texts requests alternate between
_LONGEST_START, _LONGEST_END = 120.0, 60.0  # seconds


@dataclass(frozen=True)
class Server:
    """A running server: its kind, its batching, its process and ports."""

    kind: str
    batching: bool
    process: int
    port: int
    grpc_port: int
    start_seconds: float


@contextlib.contextmanager
def started(
    version: Path, kind: str = "embedded", options: Sequence[str] = ("--embedded",),
    batching: bool = False,
) -> Iterator[Server]:  # fmt: skip
    """Serve the model of a version's folder in a new process for the length of the block.

    Raises:
        ServingError: if it ends before it is ready.
    """
    port, grpc_port = _free_ports()
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        base = Path(folder) / "models"
        base.mkdir()
        (base / version.parent.name).symlink_to(version.parent.resolve())
        command = [sys.executable, "-m", "seqtasks", "serve", "--model-base", str(base)]
        command += ["--port", str(port), "--grpc-port", str(grpc_port), *options]
        command += ["--enable-batching"] * batching
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            if not _ready(process):
                log.seek(0)
                said = log.read().decode("utf-8", "replace").strip().splitlines() or ["none"]
                raise ServingError(f"the server didn't start; its last words: {said[-1]:.500}")
            took = time.perf_counter() - start
            yield Server(kind, batching, _worker(process.pid), port, grpc_port, took)
        finally:
            _end(process)


def kinds() -> dict[str, tuple[str, ...]]:
    """Give the installed servers, each with the options that make `seqtasks serve` run it."""
    binary = shutil.which("tensorflow_model_server")
    return {"embedded": ("--embedded",), **({"TF Serving": ("--binary", binary)} if binary else {})}


def processor_seconds(process: int) -> float:
    """Read the processor time that a process has taken in all its threads, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Subject:
    """A model that is measured: called in this process, and asked at a server.

    Args:
        path: the folder of the version.

    Raises:
        ConfigError: if it doesn't take texts alone, or has no warm-up texts.
    """

    def __init__(self, path: Path):
        self.path, self.name = path, path.parent.name
        self._servable = Servable(path)
        self._signature = self._servable.signature("")
        taken = [(spec.dtype, spec.shape) for spec in self._signature.inputs.values()]
        if taken != [(tf.string, (None,))]:
            raise ConfigError(f"{path}: its default signature takes something else than texts")
        (self._input,) = self._signature.inputs
        self.texts = _texts(path, self._input)
        # It warns of gradients, which exports leave out; importing TFDS makes the warnings visible.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self._loaded = tf.saved_model.load(str(path))
        self._eager = self._loaded.signatures[self._signature.name]

    def session(self, number: int) -> dict[str, np.ndarray]:
        """Run the engine on the text of this number."""
        text = self.texts[number % len(self.texts)].encode()
        return self._servable.run(self._signature, {self._input: np.array([text], object)})

    def eager(self, number: int) -> dict[str, np.ndarray]:
        """Run TensorFlow's own signature on the text of this number."""
        text = self.texts[number % len(self.texts)].encode()
        found = self._eager(**{self._input: tf.constant([text])})
        return {name: value.numpy() for name, value in found.items()}

    def words(self) -> tuple[float, float]:
        """Give the mean numbers of words in the texts and in the strings of their answers."""
        answers = [self.session(number).values() for number in range(len(self.texts))]
        strings = [text for arrays in answers for a in arrays if a.dtype == object for text in a]
        found = (sum(len(text.split()) for text in texts) for texts in (self.texts, strings))
        read, written = (count / len(self.texts) for count in found)
        return read, written

    @contextlib.contextmanager
    def clients(self, server: "Server", api: str, count: int) -> Iterator[Any]:
        """Connect this many clients for the length of the block."""
        port = server.port if api == "REST" else server.grpc_port
        made = [APIS[api](port, self.name, self._input, self.texts) for _ in range(count)]
        try:
            yield made
        finally:
            for client in made:
                client.close()


def _texts(path: Path, name: str) -> list[str]:
    """Choose the texts of about ten words among an export's warm-up requests."""
    file, found = path / WARMUP_FILE, []
    if file.is_file():
        for signature, feeds, _ in read_answers(file):
            if signature == DEFAULT_SIGNATURE:
                found += [text.decode("utf-8", "ignore") for text in feeds[name].tolist()]
    if not any(found):
        raise ConfigError(f"{file}: no texts to ask about; `seqtasks export` writes them")
    return sorted(dict.fromkeys(found), key=lambda text: abs(len(text.split()) - _WORDS))[:_TEXTS]


def _ready(process: subprocess.Popen) -> bool:
    """Wait until a server says that it is ready; False if it ends before."""
    overdue = threading.Timer(_LONGEST_START, process.kill)
    overdue.start()
    try:
        return any(line.startswith("Ready.") for line in process.stdout or ())
    finally:
        overdue.cancel()


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(_LONGEST_END)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.communicate()


def _worker(process: int) -> int:
    """Find the process that answers: the one that `seqtasks serve` runs, or else itself."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(children[0]) if children else process


def _free_ports() -> tuple[int, int]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(2)]
        first, second = (each.getsockname()[1] for each in made)
    return first, second
