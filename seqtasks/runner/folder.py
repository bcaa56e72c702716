"""A folder with an ONNX export: checked, loaded, and run by the names of its signatures."""

import json
from collections.abc import Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np

from seqtasks.errors import RunError
from seqtasks.runner.network import Network
from seqtasks.runner.tensors import bounded, dtype_of
from seqtasks.serving.models.signature import (
    Signature,
    TensorSpec,
    find_signature,
)

FILE, VOCABULARY = "export.json", "vocabulary"
AVERAGE = "average"  # the kind of several that answer by their mean
_AT_ONCE = 64
FORMAT = 1  # of export.json; a later one may say what this code doesn't know


class OnnxExport:
    """An export, loaded and ready to run. May be called from many threads.

    Args:
        path: of the folder.

    Attributes:
        signatures: by name.
        draws: those of them that draw at random.
        at_once: how many of many texts to ask for at a time, such that the first answer comes soon
            where each takes long.
        facts: what export.json says.
        told: what it says of the network; of several, of the first.

    Raises:
        RunError: where there is none, or one of its files is damaged or missing.
    """

    def __init__(self, path: Path):
        self.path = path
        self.name = path.resolve().name
        self.facts = read_facts(path)
        check_files(path, self.facts)
        places = places_of(self.facts)
        model, *others = (self._member(place, told) for place, told in places.items())
        if others:
            model.average(others)
        self.told: dict[str, Any] = next(iter(places.values()))
        self._endpoints = model.endpoints
        self.draws: frozenset[str] = getattr(model, "draws", frozenset())
        self.at_once: int = getattr(model, "at_once", _AT_ONCE)
        self.signatures = {
            name: Signature(name, _specs(one["inputs"]), _specs(one["outputs"]), strict=True)
            for name, one in self.facts["signatures"].items()
        }

    def _member(self, place: str, told: dict[str, Any]) -> Any:
        """Load what answers, or one of several that answer together."""
        networks = {
            name.removeprefix(place): Network(self.path / f"{name}.onnx", self.facts["opset"])
            for name in self.facts["networks"]
            if name.startswith(place)
        }
        return _kind(told["kind"])(self.path / place / VOCABULARY, told, networks)

    def signature(self, name: str) -> Signature:
        """Find a signature; "" is the default one.

        Raises:
            StatusError: INVALID_ARGUMENT if the export has no such signature.
        """
        return find_signature(self.signatures, name)

    def run(
        self,
        signature: Signature,
        feeds: Mapping[str, np.ndarray],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run a signature on arrays by input name, and give arrays by output name.

        Args:
            signature: one of this export's own.
            feeds: an array for each input; strings are object arrays of bytes.
            outputs: the outputs to give; all of them by default.

        Raises:
            StatusError: if the feeds don't fit.
        """
        signature.check(feeds, outputs)
        told = self.facts["signatures"][signature.name]["inputs"]
        found = self._endpoints[signature.name](
            {name: bounded(value, told[name]) for name, value in feeds.items()}
        )
        return {name: found[name] for name in outputs or signature.outputs}


def read_facts(path: Path) -> dict[str, Any]:
    """Read what an export says of itself.

    Raises:
        RunError: where it isn't there, is damaged, or of a later version.
    """
    file = path / FILE
    try:
        facts = json.loads(file.read_text("utf-8"))
        number = facts["format"]
    except FileNotFoundError as error:
        raise RunError(
            f"{path}: no ONNX export: it has no {FILE}; make one by "
            "seqtasks export RUN --format onnx"
        ) from error
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{file}: damaged; export the run anew, or copy the export anew") from error
    if number == FORMAT and "checksum" in facts and facts != sealed(facts):
        raise RunError(f"{file}: damaged: it isn't as it was written; copy the export anew")
    if number != FORMAT:
        raise RunError(
            f"{file}: of format {number}, this program reads {FORMAT}; run it by its own run.pyz"
        )
    return facts


def places_of(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is told of each network, by the folder in the export that it is in, such as "network1/".

    One alone is in the export's own folder, "".
    """
    told = facts["told"]
    if told.get("kind") != AVERAGE:
        return {"": told}
    return {f"network{n}/": one for n, one in enumerate(told["members"], 1)}


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What export.json says, with a checksum of all that it says, by which damage is noticed.

    >>> sealed(sealed({"format": 1})) == sealed({"format": 1})
    True
    """
    told = {name: value for name, value in facts.items() if name != "checksum"}
    text = json.dumps(told, sort_keys=True)
    return {**told, "checksum": sha256(text.encode()).hexdigest()}


def check_files(path: Path, facts: Mapping[str, Any]) -> None:
    """Check that an export's files are as they were written.

    Raises:
        RunError: names a file that is damaged or missing.
    """
    for name, right in facts["files"].items():
        try:
            with (path / name).open("rb") as file:
                found = file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise RunError(f"{path / name}: missing; copy the export anew") from error
        except OSError as error:
            raise RunError(f"{path / name}: can't read: {error.strerror}") from error
        if found != right:
            raise RunError(
                f"{path / name}: damaged: it isn't as it was written; copy the export anew"
            )


def _kind(name: str) -> Any:
    """What runs an export of a kind, imported when it is known which."""
    if name == "classifier":
        from seqtasks.runner.classifier import Classifier

        return Classifier
    if name == "tagger":
        from seqtasks.runner.tagger import Tagger

        return Tagger
    if name == "language_model":
        from seqtasks.runner.language_model import LanguageModel

        return LanguageModel
    if name == "translator":
        from seqtasks.runner.translator import Translator

        return Translator
    if name == "captioner":
        from seqtasks.runner.captioner import Captioner

        return Captioner
    raise RunError(f"{FILE}: of a kind {name!r} that this program doesn't know; run it by run.pyz")


def _specs(tensors: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(f"{name}:0", dtype_of(one["dtype"]), tuple(one["shape"]))
        for name, one in sorted(tensors.items())
    }
