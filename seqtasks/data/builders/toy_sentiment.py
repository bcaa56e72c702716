"""The toy sentiment data set as a TFDS builder: 10,000 verdicts, half English and half Korean."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from seqtasks.data.builders.sentiment_grammar import LABELS, LANGUAGES, Sentence, generate
from seqtasks.errors import DataError

SEED = 1
SPLITS = {"train": 8000, "validation": 1000, "test": 1000}


def split_sentences() -> dict[str, list[Sentence]]:
    """Returns the sentences of each split, with their part-of-speech tags.

    No sentence is in two splits, and in each split every language has as many positive as negative
    ones. The builder below writes exactly these.

    >>> {split: len(sentences) for split, sentences in split_sentences().items()}
    {'train': 8000, 'validation': 1000, 'test': 1000}
    """
    sentences = iter(generate(sum(SPLITS.values()), SEED))
    return {split: [next(sentences) for _ in range(size)] for split, size in SPLITS.items()}


class ToySentiment(tfds.core.GeneratorBasedBuilder):
    """TFDS builder `toy_sentiment`: `text`, `label` (negative, positive), `language` (en, ko).

    It generates its sentences and downloads nothing. `load_toy_sentiment` prepares it quietly.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": f"10,000 sentences from seed {SEED}."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Verdicts in English and Korean, written by a grammar in which word order decides: "
                "near and far negation, contrast, and clauses about what others felt."
            ),
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=list(LABELS)),
                    "language": tfds.features.ClassLabel(names=list(LANGUAGES)),
                }
            ),
            supervised_keys=("text", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        return {name: self._generate_examples(group) for name, group in split_sentences().items()}

    def _generate_examples(self, sentences: list[Sentence]) -> Iterator[tuple[int, dict[str, str]]]:
        for key, sentence in enumerate(sentences):
            features = {"text": sentence.text, "label": sentence.label}
            yield key, {**features, "language": sentence.language}


def load_toy_sentiment(data_dir: Path | None = None) -> ToySentiment:
    """Returns the builder of `toy_sentiment`, after preparing its files if they aren't there yet.

    Works without a network and prints nothing. Several processes may call it at once.
    `load_toy_sentiment().as_dataset(split="train", as_supervised=True)` yields (text, label).

    Args:
        data_dir: where TFDS keeps its data sets; by default `TFDS_DATA_DIR`, or
            `tensorflow_datasets` in the home directory.

    Raises:
        DataError: the files can't be written to `data_dir`, or files of the set are missing there.
    """
    builder = ToySentiment(data_dir=data_dir)
    try:
        _prepare_quietly(builder)
    except OSError as error:
        # Another process may have been first: TFDS then refuses to replace its files.
        builder = ToySentiment(data_dir=data_dir)
        if not builder.is_prepared():
            raise DataError(
                f"{builder.data_dir}: expected a folder that toy_sentiment can be written to, "
                f"received: {error}; give another data_dir"
            ) from error
    _check_complete(builder)
    return builder


def _prepare_quietly(builder: ToySentiment) -> None:
    """Prepares the files without a word: TFDS prints on stdout and draws progress on stderr."""
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


def _check_complete(builder: ToySentiment) -> None:
    splits = builder.info.splits
    files = [path for split in splits.values() for path in split.filepaths]
    missing = [path.name for path in files if not path.exists()]
    if missing or set(splits) != set(SPLITS):
        raise DataError(
            f"{builder.data_dir}: toy_sentiment is incomplete: expected the splits "
            f"{', '.join(SPLITS)}, found {', '.join(splits) or 'none'}; files missing: "
            f"{', '.join(missing) or 'dataset_info.json'}; delete this folder and call again"
        )
