"""Documents: sentences of words in, a class out; the same task as sentiment, read in two levels."""

from seqtasks.tasks.sentiment import (
    SCORE,
    build,
    describe,
    endpoints,
    evaluate,
    facts,
    load_codec,
    load_splits,
    make_codec,
    make_predictor,
    prepare_fit,
    read_part,
    show,
)

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
