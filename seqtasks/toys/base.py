"""What all toy sets share as TFDS builders: prepared offline, quietly and by whoever is first."""

from __future__ import annotations

import contextlib
import io
import random
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import tensorflow_datasets as tfds

from seqtasks.errors import DataError

Features = Mapping[str, Any]
"""One example: a value for the name of each feature."""


class ToyBuilder(tfds.core.GeneratorBasedBuilder):
    """A TFDS builder that generates its examples and downloads nothing; `load_toy` prepares it.

    A toy set is a subclass with `SIZES` (the examples of each split), `VERSION`, `RELEASE_NOTES`,
    `_info` as TFDS asks for them, and `split_examples`. TFDS finds it by the name of its class
    (`ToySentiment` is `toy_sentiment`); this base is abstract, so it isn't in TFDS's list.
    """

    SIZES: ClassVar[dict[str, int]]

    @classmethod
    @abstractmethod
    def split_examples(cls) -> Mapping[str, Iterable[Features]]:
        """The examples of each split, as many as `SIZES` says, always the same ones."""

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        examples = self.split_examples()
        return {split: self._generate_examples(examples[split]) for split in self.SIZES}

    def _generate_examples(self, examples: Iterable[Features]) -> Iterator[tuple[int, Features]]:
        yield from enumerate(examples)


Toy = TypeVar("Toy", bound=ToyBuilder)


def load_toy(
    builder_class: type[Toy],
    data_dir: Path | None = None,
    config: tfds.core.BuilderConfig | None = None,
) -> Toy:
    """Return the builder of a toy set, after preparing its files if they aren't there yet.

    Works without a network and prints nothing. Several processes may call it at once.
    `load_toy(ToySentiment).as_dataset(split="train", as_supervised=True)` yields (text, label).

    Args:
        builder_class: the builder of the toy set, as `seqtasks.toys.get_toy` finds it by name.
        data_dir: where TFDS keeps its data sets; by default `TFDS_DATA_DIR`, or
            `tensorflow_datasets` in the home directory.
        config: which of a set's configurations, for a set that has some; by default the first.

    Raises:
        DataError: the files can't be written to `data_dir`, or files of the set are missing there.
    """
    builder = builder_class(data_dir=data_dir, config=config)
    try:
        _prepare_quietly(builder)
    except OSError as error:
        # Another process may have been first: TFDS then refuses to replace its files.
        builder = builder_class(data_dir=data_dir, config=config)
        if not builder.is_prepared():
            raise DataError(
                f"{builder.data_dir}: expected a folder that {builder.name} can be written to, "
                f"received: {error}; give another data_dir"
            ) from error
    _check_complete(builder)
    return builder


def _prepare_quietly(builder: ToyBuilder) -> None:
    """Prepare the files without printing: TFDS prints on stdout and draws progress on stderr."""
    # TFDS names its temporary folder with Python's own random numbers. Fresh ones keep two runs of
    # the same seed apart, and the restored state gives a training run the same numbers whether or
    # not the files were there.
    state = random.getstate()
    random.seed()
    offline = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            builder.download_and_prepare(download_config=offline)
    finally:
        random.setstate(state)


def _check_complete(builder: ToyBuilder) -> None:
    splits = builder.info.splits
    files = [path for split in splits.values() for path in split.filepaths]
    missing = [path.name for path in files if not path.exists()]
    if missing or set(splits) != set(builder.SIZES):
        raise DataError(
            f"{builder.data_dir}: {builder.name} is incomplete: expected the splits "
            f"{', '.join(builder.SIZES)}, found {', '.join(splits) or 'none'}; files missing: "
            f"{', '.join(missing) or 'dataset_info.json'}; delete this folder and call again"
        )
