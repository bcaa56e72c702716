"""Weights of one run put into the network of another, part by part, by the parts' names.

Of the same task every weight has the same name in both. A language model of lines has the vectors
and the recurrent layers of a task that reads texts under other names (`seqtasks.training.parts`). A
table that was widened begins with what it was; its new rows with what an unknown token had.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np

from seqtasks.config import RunConfig
from seqtasks.errors import RunError
from seqtasks.runs import Run
from seqtasks.runs.files import read_json
from seqtasks.tasks.finished_run import load_weights
from seqtasks.tasks.outside_vectors import has_vectors
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.source_run import source_of
from seqtasks.tasks.widened import widened
from seqtasks.training.parts import numbered_anew, reads_texts, recurrent_part

FILE = "from.json"
_UNKNOWN_ROW = 1  # the unknown token's, `seqtasks.text.vocabulary`
_VECTORS, _LAYER = _SHARED = ("vectors of tokens", "layer")  # that both kinds of networks have
_TABLES = ("embeddings", "E", "b_E")  # the names of weights with a row for each token


@dataclass(frozen=True)
class Source:
    """A run that another begins from, loaded.

    Attributes:
        run: the run.
        config, codec, model: its own.
    """

    run: Run
    config: RunConfig
    codec: Any
    model: keras.Model


@dataclass(frozen=True)
class TakenOver:
    """What of a network came from another run, and what began anew, in words.

    Attributes:
        run: the path of the other run.
        digest: the checksum of its weights.
        kept, anew: parts of the network, in their order.
        notes: what else there is to know.
    """

    run: str
    digest: str
    kept: list[str] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For the screen and, after their first words, for the model card."""
        told = [f"from {self.run}: {', '.join(self.kept)}"]
        told += [f"began anew: {', '.join(self.anew)}"] if self.anew else []
        return [*told, *self.notes]

    def facts(self) -> dict[str, str]:
        """For the model card."""
        found = {"begun from": f"{self.run} (weights {self.digest[:12]})"}
        found["taken over"] = ", ".join(self.kept)
        if self.anew:
            found["began anew"] = ", ".join(self.anew)
        return found


def open_source(config: RunConfig) -> Source | None:
    """Load the run that a configuration says to begin from; None where it says none.

    Raises:
        RunError: where it isn't there, is damaged, or is another than the configuration says.
    """
    if config.from_run is None:
        return None
    run = source_of(config)
    own = run.config
    task = get_task(own.task)
    codec = task.load_codec(own, run.vocabulary)
    model = task.build(own, codec)
    load_weights(model, run)
    return Source(run, own, codec, model)


def widened_from(source: Source, codec: Any) -> Any:
    """The codec of new data with all that the source knows.

    Raises:
        ConfigError: where the two can't be joined.
    """
    return widened(codec, source.codec)


def take_over(source: Source, model: keras.Model, config: RunConfig) -> TakenOver:
    """Put a source's weights into a new network.

    Args:
        source: the other run.
        model: built of the widened codec.
        config: of the new run.

    Returns:
        What was taken over and what wasn't.
    """
    if source.config.task == config.task:
        before, new = _names(source.model), _names(model)
    else:
        before, new = _parts(source.model), _parts(model)
        before = {key: weight for key, weight in before.items() if key[0].startswith(_SHARED)}
    kept: dict[str, list[str]] = {}
    for (part, name), weight in new.items():
        found = before.get((part, name))
        value = None if found is None else _put(found, weight, part, name)
        if value is not None:
            weight.assign(value)
        kept.setdefault(part, []).append("" if value is None else "kept")
    whole = [part for part, weights in kept.items() if any(weights)]
    if not whole:
        raise RunError(f"{source.run.path}: nothing of it fits the new network")
    anew = [part for part, weights in kept.items() if not any(weights)]
    _share_score(before, new)
    return TakenOver(
        str(source.run.path),
        config.from_digest or "",
        list(_in_words(whole, new, before)),
        list(_in_words(anew, new, before)),
        _notes(source),
    )


def _names(model: keras.Model) -> dict[tuple[str, str], Any]:
    """All weights by part and name, where both networks are of one task."""
    found = {}
    paths = numbered_anew([weight.path for weight in model.weights])
    for path, weight in zip(paths, model.weights, strict=True):
        part, _, name = path.rpartition("/")
        found[part, name] = weight
    return found


def _parts(model: keras.Model) -> dict[tuple[str, str], Any]:
    """All weights by part and name, of which a language model and a reader have the same ones."""
    found = {}
    reads = reads_texts(weight.path for weight in model.weights)
    for weight in model.weights:
        part, _, name = weight.path.rpartition("/")
        recurrent = recurrent_part(weight.path, reads)
        if recurrent:
            part = f"{_LAYER} {recurrent[0]} {recurrent[1]}"
        elif part == ("text/token_vectors" if reads else "decoder/token_vectors"):
            part = _VECTORS
        found[part, name] = weight
    return found


def _put(found: Any, weight: Any, part: str, name: str) -> np.ndarray | None:
    """What a weight begins with: another one's value, in its place; None where they don't fit."""
    old, new = found.numpy(), weight.numpy()
    if old.shape == new.shape:
        return old
    if len(old.shape) != len(new.shape) or any(
        a > b for a, b in zip(old.shape, new.shape, strict=True)
    ):
        return None
    if part.startswith("classes"):
        new[tuple(slice(size) for size in old.shape)] = old
        return new
    if name in _TABLES and old.shape[1:] == new.shape[1:]:
        return np.concatenate([old, np.repeat(old[_UNKNOWN_ROW:2], len(new) - len(old), axis=0)])
    if name == "W_x" and old.shape[1:] == new.shape[1:]:
        # The inputs that the other network hadn't begin without a weight. The second layers of two
        # directions read both, of which each had its own.
        both = len(new) == 2 * len(old) and not part.startswith("layer 1 ")
        first = len(old) if both and part.endswith("backward") else 0
        value = np.zeros_like(new)
        value[first : first + len(old)] = old
        return value
    return None


def _share_score(before: dict, new: dict) -> None:
    """Let new tokens to write share the chance of the unknown one, so that no other's changes."""
    for key, weight in new.items():
        if key[1] != "b_E" or key not in before:
            continue
        size, known = weight.shape[0], before[key].shape[0]
        if size > known:
            value = weight.numpy()
            shared = value[_UNKNOWN_ROW] - math.log(size - known + 1)
            value[known:] = value[_UNKNOWN_ROW] = shared
            weight.assign(value)


def _in_words(parts: Iterable[str], new: dict, before: dict) -> Iterator[str]:
    """The parts by name, and of tables how many rows are new."""
    for part in parts:
        more = ""
        for name in ("embeddings", "b_E", "bias"):
            weight, found = new.get((part, name)), before.get((part, name))
            if weight is not None and found is not None and weight.shape[0] > found.shape[0]:
                more = f" ({weight.shape[0] - found.shape[0]:,} of {weight.shape[0]:,} new)"
        path = next(weight.path for key, weight in new.items() if key[0] == part)
        yield f"{part if part.startswith(_SHARED) else _shown(path)}{more}"


def _shown(path: str) -> str:
    """The part of a weight by its name, without what says nothing."""
    part = path.rpartition("/")[0].removesuffix("/cell")
    return re.sub(r"(^|/)stacked(_\d+)?/", r"\1", part)


def _notes(source: Source) -> list[str]:
    notes = []
    if source.config.text.unit == "subword":
        notes.append("its subwords are kept as they are: what they are joined of can't grow")
    if has_vectors(source.codec):
        notes.append("its words are kept as they are: the last ones have outside vectors")
    return notes


def save_taken_over(run: Run, taken: TakenOver) -> None:
    """Write it into a run that is made."""
    text = json.dumps(asdict(taken), ensure_ascii=False, indent=1)
    (run.path / FILE).write_text(text + "\n", "utf-8")


def taken_over_facts(run: Run) -> dict[str, str]:
    """What a run's model card says of the run that it was begun from; nothing where there is none.

    Raises:
        RunError: where the file is damaged.
    """
    path = run.path / FILE
    if not path.exists():
        return {}
    advice = "restore it from a copy, or remove it to do without"
    found = read_json(path, dict, advice)
    try:
        return TakenOver(**found).facts()
    except (TypeError, AttributeError) as error:
        raise RunError(f"{path}: damaged; {advice}") from error
