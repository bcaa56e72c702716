"""`seqtasks export`: a run becomes a folder that TF Serving reads, strings in and strings out.

saved_models/NAME/VERSION/
  saved_model.pb, variables/, assets/            what TF Serving loads
  assets.extra/tf_serving_warmup_requests        requests that it answers before it serves
  README.md, signatures.json                     what can be asked, for people and programs

README.md and signatures.json are inside the version, where TF Serving ignores files that it doesn't
know. So each version has its own, and one renaming gives all files their number.

A version is written under a name that isn't a number, loaded in a process without Keras, and
compared with the run's own weights on real samples. If the answers agree, it gets its number; if
not, nothing is left of it.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from seqtasks.errors import DataError, ExportError
from seqtasks.export.gates import has_gates
from seqtasks.export.places import check_target, check_version_dir
from seqtasks.export.readme import readme, signatures
from seqtasks.export.recorded_answers import Answer, write_answers
from seqtasks.export.samples import raw_inputs, requests
from seqtasks.runs import Run, disk_errors, write_text
from seqtasks.runs.files import UNFINISHED, move, temporary_name
from seqtasks.runs.locks import Lock
from seqtasks.serving.models.model_config import WARMUP_FILE
from seqtasks.tasks.averages import load_average
from seqtasks.tasks.endpoints import Endpoint
from seqtasks.tasks.gates import gates_endpoint
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.run_data import SAMPLES, samples
from seqtasks.tasks.sources import load_splits

# Operations that stock TF Serving lacks, or that tie an export to the machine that made it.
_FOREIGN = re.compile("Cudnn|Xla|PyFunc|NumpyFunction")


@dataclass(frozen=True)
class Export:
    """An export that agreed with its run and has its number."""

    path: Path
    answers: int  # how many were compared
    largest_difference: float
    signatures: list[str]


def export_run(
    run: Run,
    base: Path,
    version: int | None = None,
    more: Any = None,
    others: Sequence[Run] = (),
    gates: bool = False,
) -> Export:
    """Write the next version of `base` from a run's best weights.

    Args:
        more: examples to compare with beside the run's own samples, as
            `seqtasks.data.splits.Part.asked` gives them.
        others: runs whose mean with this one is answered, which
            `seqtasks.tasks.averages.check_average` has found alike.
        gates: whether it has the signature `gates`, which `seqtasks.export.gates.check_gates` has
            found possible.

    Raises:
        RunError: if the run has no weights, or the disk refuses.
        ExportError: if the version exists, or the export answers otherwise than the run.
    """
    check_target(base, version)
    predictor, endpoints = endpoints_of([run, *others], gates)
    functions = traced(endpoints)
    answers = list(own_answers(endpoints, functions, samples_of(run)))
    with disk_errors(base, "--to"), staging(base) as unfinished:
        _write(predictor, endpoints, functions, unfinished)
        write_answers(unfinished / WARMUP_FILE, answers)
        _check_ops(unfinished)
        report = _compare(unfinished, [*answers, *own_answers(endpoints, functions, more)])
        number = version or _next_version(base)
        text = readme(base.name, number, [run, *others], endpoints)
        write_text(unfinished / "README.md", text)
        text = json.dumps(signatures(endpoints), ensure_ascii=False, indent=1)
        write_text(unfinished / "signatures.json", text + "\n")
        path = base / str(number)
        try:
            move(unfinished, path)
        except OSError as error:
            if not path.exists():  # it is the disk that refuses
                raise
            raise ExportError(f"{path}: another export took this number; try again") from error
    names = [endpoint.name for endpoint in endpoints]
    return Export(path, report["answers"], report["largest_difference"], names)


def check_export(
    run: Run, version_dir: Path, more: Any = None, others: Sequence[Run] = ()
) -> Export:
    """Compare an existing export with a run's best weights.

    Args:
        more, others: as `export_run` has them.

    Raises:
        ExportError: if there is none, or it answers otherwise than the run.
    """
    check_version_dir(version_dir)
    _, endpoints = endpoints_of([run, *others], has_gates(version_dir))
    functions = traced(endpoints)
    _check_ops(version_dir)
    asked = (samples_of(run), more)
    answers = [answer for one in asked for answer in own_answers(endpoints, functions, one)]
    report = _compare(version_dir, answers)
    names = [endpoint.name for endpoint in endpoints]
    return Export(version_dir, report["answers"], report["largest_difference"], names)


def endpoints_of(runs: Sequence[Run], gates: bool = False) -> tuple[Any, list[Endpoint]]:
    """Load the best weights of runs: what predicts by their mean, and its signatures."""
    task = get_task(runs[0].config.task)
    with tf.device("CPU:0"):
        predictor = load_average(runs, [run.config for run in runs])
    more = [gates_endpoint(predictor)] if gates else []
    return predictor, [*task.endpoints(predictor), *more]


def traced(endpoints: list[Endpoint]) -> dict[str, Any]:
    """Trace each endpoint once, for the run's own answers and for what is written."""
    functions = {}
    with tf.device("CPU:0"):
        for endpoint in endpoints:
            specs = endpoint.specs
            function = tf.function(endpoint.answer, input_signature=specs, autograph=False)
            function.get_concrete_function()
            functions[endpoint.name] = function
    return functions


def samples_of(run: Run) -> Any:
    """The examples that a run keeps; one of an earlier version has its data only."""
    found = samples(run)
    if found is not None:
        return found
    try:
        splits = load_splits(run.config)
    except DataError as error:
        raise ExportError(
            f"{run.path}: an export is compared on the run's own data, which can't be read: {error}"
        ) from error
    return (splits.test or splits.validation).asked(SAMPLES)


def own_answers(
    endpoints: list[Endpoint], functions: dict[str, Any], asked: Any
) -> Iterator[Answer]:
    """Compute the run's own answers to real examples, if there are any, and to odd ones."""
    if asked is None:
        return
    raw = raw_inputs(asked)
    for endpoint in endpoints:
        for feeds in requests(endpoint, raw):
            outputs = functions[endpoint.name](*feeds.values())
            yield endpoint.name, feeds, {name: value.numpy() for name, value in outputs.items()}


def _write(
    predictor: Any, endpoints: list[Endpoint], functions: dict[str, Any], folder: Path
) -> None:
    tracked = tf.Module()
    members = getattr(predictor, "members", (predictor,))
    tracked.model_variables = [v.value for member in members for v in member.model.variables]
    parts = (part for member in members for part in vars(member.codec).values())
    tracked.codec = [part for part in parts if isinstance(part, tf.Module)]
    # As concrete functions only: TensorFlow would trace a `tf.function` that it saves once more.
    concrete = {name: function.get_concrete_function() for name, function in functions.items()}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    try:
        tf.saved_model.save(tracked, str(folder), signatures=concrete, options=options)
    except tf.errors.ResourceExhaustedError as error:  # which is the disk here
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.parent)) from error
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for endpoint in endpoints:
        definition = saved.meta_graphs[0].signature_def[endpoint.name]
        definition.method_name = f"tensorflow/serving/{endpoint.method}"
    file.write_bytes(saved.SerializeToString())


def _check_ops(folder: Path) -> None:
    """Refuse operations that a stock TF Serving on any machine couldn't run.

    Raises:
        ExportError: names the operation.
    """
    file = folder / "saved_model.pb"
    try:
        saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except OSError as error:
        raise ExportError(
            f"{file}: can't read: {error.strerror}; change who may read it"
        ) from error
    except DecodeError as error:
        raise ExportError(f"{file}: damaged; export the run anew") from error
    if not saved.meta_graphs:
        raise ExportError(f"{file}: damaged: it holds no graph; export the run anew")
    for meta_graph in saved.meta_graphs:
        graph = meta_graph.graph_def
        functions = graph.library.function
        for node in [*graph.node, *(node for f in functions for node in f.node_def)]:
            if _FOREIGN.search(node.op) or node.attr["_XlaMustCompile"].b or "GPU" in node.device:
                raise ExportError(f"{folder}: the graph has {node.op} on {node.device or 'any'}")


def _compare(folder: Path, answers: list[Answer]) -> dict[str, Any]:
    """Compare what is written with the run's own answers.

    Raises:
        ExportError: if an answer differs, or what is written can't be run.
    """
    with TemporaryDirectory() as temporary:
        samples = Path(temporary) / "samples"
        write_answers(samples, answers)
        report = _check_apart(folder, samples)
    if report["different"]:
        raise ExportError(f"{folder}: answers otherwise than the run: {report['different']}")
    return report


def _check_apart(folder: Path, samples: Path) -> dict[str, Any]:
    """Run `seqtasks.export.check` in a new process, without Keras."""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "seqtasks.export.check", str(folder), str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, env=quiet, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ExportError(f"{folder}: what was written can't be run: {last:.300}")
    return json.loads(done.stdout.splitlines()[-1])


def _next_version(base: Path) -> int:
    numbers = [int(path.name) for path in base.iterdir() if path.name.isdecimal()]
    return max(numbers, default=0) + 1


@contextlib.contextmanager
def staging(base: Path) -> Iterator[Path]:
    """A folder in `base` that TF Serving ignores, removed at the end of the block.

    A lock beside it, since Windows renames no folder with an open file, tells a living export's
    from those that killed ones left; these are removed.
    """
    base.mkdir(parents=True, exist_ok=True)
    for left in base.glob(f"{UNFINISHED}*.lock"):
        with contextlib.suppress(BlockingIOError), Lock(left):
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
    path = temporary_name(base / "version")
    with Lock(path.with_name(f"{path.name}.lock")):
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
