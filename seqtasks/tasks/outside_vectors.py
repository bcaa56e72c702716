"""Outside vectors of words in a training: checked before it, reported, put in, tuned later."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtasks.config import RunConfig
from seqtasks.data.files import check_file
from seqtasks.data.splits import Splits
from seqtasks.errors import ConfigError, RunError
from seqtasks.text.vectors_file import VectorsFile, open_vectors

_LARGE = 100_000_000  # bytes that take a while to read


def check_vectors(config: RunConfig) -> list[str]:
    """Check the configured file of vectors, if there is one, as far as its beginning says.

    Returns:
        What to say before a large one is read, in a line or none.

    Raises:
        ConfigError: where its width isn't `model.embedding_units`.
        DataError: where it can't be read, or is no such file.
    """
    file = _file(config)
    if file is None:
        return []
    with_width_of(config, file)
    return [f"{file}; all of it is read once"] if file.size >= _LARGE else []


def fitted(config: RunConfig) -> RunConfig:
    """A configuration whose `model.embedding_units` is the width of its file of vectors.

    Raises:
        ConfigError, DataError: as `check_vectors`.
    """
    file = _file(config)
    return config if file is None else with_width_of(config, file)


def with_width_of(config: RunConfig, file: VectorsFile) -> RunConfig:
    """Give `model.embedding_units` the width of a file.

    Raises:
        ConfigError: where it was set to another one.
    """
    model: Any = config.model
    set_to = model.embedding_units if "embedding_units" in model.model_fields_set else file.width
    if set_to != file.width:
        raise ConfigError(
            f"model.embedding_units is {set_to}, but {file.path} has vectors of {file.width} "
            f"numbers; leave it out, or --set model.embedding_units={file.width}"
        )
    model = model.model_copy(update={"embedding_units": file.width})
    return config.model_copy(update={"model": model})


def _file(config: RunConfig) -> VectorsFile | None:
    path = getattr(config.text, "vectors", None)
    if path is None:
        return None
    check_file(Path(path), "a file of word vectors")
    return open_vectors(Path(path))


def measure_coverage(encoder: Any, splits: Splits, count: Callable[[Any], Counter[str]]) -> None:
    """Let an encoder with vectors know how much of training and validation they cover.

    Args:
        encoder: of words.
        splits: whose parts are measured.
        count: from a part to its words and how often each comes.
    """
    for name in ("train", "validation") if encoder.vectors else ():
        counts = count(getattr(splits, name))
        encoder.vectors = encoder.vectors.measured(name, counts, encoder.words)


def coverage_rates(encoder: Any, split: str) -> dict[str, float]:
    """The shares of a split's words and tokens that have a vector, for `data describe`."""
    found = encoder.vectors.coverage.get(split) if encoder.vectors else None
    if found is None:
        return {}
    return {"words_with_a_vector_rate": found.words, "tokens_with_a_vector_rate": found.tokens}


def vectors_fact(codec: Any) -> dict[str, str]:
    """What training and the model card say of vectors."""
    return {"outside vectors": str(_encoder(codec).vectors)} if has_vectors(codec) else {}


def put_in(codec: Any, model: Any) -> None:
    """Put vectors that were read into a network that is new."""
    if not has_vectors(codec):
        return
    encoder = _encoder(codec)
    if encoder.vectors.rows is None:
        raise ValueError("the vectors were read for another network")
    _table(model).put_in(encoder.vectors.rows)
    encoder.vectors = replace(encoder.vectors, rows=None)


def has_vectors(codec: Any) -> bool:
    """Whether a codec knows outside vectors."""
    return getattr(_encoder(codec), "vectors", None) is not None


def read_again(before: Any, codec: Any) -> Any:
    """Take a codec made anew, with vectors to put in, if it is the same as one that was saved.

    Raises:
        RunError: where their words differ.
    """
    if _encoder(codec).words.tokens != _encoder(before).words.tokens:
        raise RunError(
            f"{_encoder(before).vectors.file}: not the vectors that the run was begun with; put "
            "them back, or begin it anew by --overwrite"
        )
    return codec


def late_vectors(codec: Any, model: Any) -> "LateVectors | None":
    """The vectors of a network that are trained after some epochs, if it has such."""
    if not has_vectors(codec) or not _encoder(codec).extras.late:
        return None
    table, encoder = _table(model), _encoder(codec)
    return LateVectors(table.late_vectors.embeddings, table.tuning, encoder.vectors.tuned)


def _encoder(codec: Any) -> Any:
    """What reads words, where the task has it; that of a hierarchy's sentences."""
    found = getattr(codec, "encoder", None) or getattr(codec, "source", None)
    return getattr(found, "encoder", found)


def _table(model: Any) -> Any:
    text = model.text if hasattr(model, "text") else model.get_layer("text")
    return text.token_vectors


@dataclass(frozen=True)
class LateVectors:
    """Vectors that are trained from an epoch on.

    Attributes:
        weight: what is trained then.
        tuning: a variable that says whether it is by now.
        after: how many epochs it isn't.
    """

    weight: Any
    tuning: Any
    after: int

    def begin(self, epoch: int) -> None:
        """Note that an epoch begins, counted from 0."""
        self.tuning.assign(epoch >= self.after)
