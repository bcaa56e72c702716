"""Loading a version: the engine, its warm-up, and batching before it."""

from pathlib import Path

from seqtasks.serving.batching import BatchedServable, BatchingOptions
from seqtasks.serving.engine import EngineOptions, Servable
from seqtasks.serving.versions import Loader
from seqtasks.serving.warmup import replay


def make_loader(
    engine: EngineOptions | None = None,
    batching: BatchingOptions | None = None,
) -> Loader:
    """Make what a `ModelManager` loads versions with.

    Arguments:
        engine: how the Sessions run.
        batching: how requests share runs; None runs each alone.
    """

    def load(path: Path, name: str, version: int) -> Servable | BatchedServable:
        servable = Servable(path, name, version, engine)
        try:
            replay(servable)
        except BaseException:
            servable.close()
            raise
        return BatchedServable(servable, batching) if batching else servable

    return load
