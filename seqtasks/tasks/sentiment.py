"""Sentiment: a text in, one of several classes out; any classification of texts is the same."""

from seqtasks.config import RunConfig
from seqtasks.tasks.classification import (
    SCORE,
    build,
    describe,
    endpoints,
    evaluate,
    facts,
    load_codec,
    make_codec,
    make_predictor,
    prepare_fit,
    read_part,
    show,
)
from seqtasks.tasks.labelled_sources import Splits
from seqtasks.tasks.labelled_sources import load_splits as load_any

__all__ = [
    "SCORE",
    "build",
    "describe",
    "endpoints",
    "evaluate",
    "facts",
    "load_codec",
    "load_splits",
    "make_codec",
    "make_predictor",
    "prepare_fit",
    "read_part",
    "show",
]


def load_splits(config: RunConfig) -> Splits:
    """Read the configured data.

    Raises:
        DataError: as `seqtasks.tasks.labelled_sources.load_splits`.
    """
    options = config.data.model_dump()
    for other_tasks in ("tag_column", "image_key", "distance"):
        del options[other_tasks]
    return load_any(options.pop("source"), **options, seed=config.seed)
