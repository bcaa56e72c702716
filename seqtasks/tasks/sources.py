"""From a configuration's data section to examples: each form of data has its reader here.

A task's data section (`seqtasks.config.data_sections`) says by its class which form its data have.
No TensorFlow is needed to read files, so that what is wrong with them is said before it starts.
"""

from functools import partial, singledispatch
from pathlib import Path
from typing import Any

from seqtasks.config import (
    ClassifiedDataConfig,
    ClassifierTrainingConfig,
    DataConfig,
    ImagesDataConfig,
    LabelledDataConfig,
    PairsDataConfig,
    PlainDataConfig,
    RecallDataConfig,
    RunConfig,
    TableDataConfig,
    TaggedDataConfig,
    TaggerTrainingConfig,
    TaggingConfig,
)
from seqtasks.data import look
from seqtasks.data.columns import Column, Layout
from seqtasks.data.images import CaptionedImages, read_captioned_images
from seqtasks.data.pairs import TextPairs, read_text_pairs
from seqtasks.data.plain import PlainText, cut, read_plain_text
from seqtasks.data.readers import LabelledTexts, read_labelled_texts
from seqtasks.data.splits import Splits, load_parts
from seqtasks.data.tagged import TaggedSentences, read_tagged_sentences
from seqtasks.errors import ConfigError, DataError
from seqtasks.tasks.labelled_sources import (
    check_training as check_training_of_labels,
)
from seqtasks.tasks.labelled_sources import (
    check_weights,
    is_named,
    label_notice,
    load_labelled_splits,
    read_texts,
)
from seqtasks.tasks.schemes import check_constraint, scheme_notice, scheme_of
from seqtasks.text.subword_library import check_installed

_DIGITS = {"digits": "en", "digits-ko": "ko", "digits-both": "both"}  # bundled, by language


def load_splits(config: RunConfig) -> Splits:
    """Read the configured data: training, validation and test.

    Raises:
        ConfigError: shares that can't be.
        DataError: a source that can't be read or had.
    """
    return _splits(config.data, config.seed)


def read_files(config: RunConfig) -> Splits | None:
    """Read the configured data where they are files, for which no TensorFlow is needed.

    Returns:
        The splits, or None where `load_splits` must make them: toy sets and those of TFDS.

    Raises:
        ConfigError, DataError: as `load_splits`.
    """
    return load_splits(config) if _are_files(config.data) else None


def are_files(config: RunConfig) -> bool:
    """Whether the configured data are the user's own files, and no set of ours or of TFDS."""
    return not isinstance(config.data, RecallDataConfig) and _are_files(config.data)


def read_part(config: RunConfig, source: str) -> Any:
    """Read a file in the form of the configured data, such as one to evaluate with.

    Raises:
        DataError: a file that can't be read, or a task that makes its own examples.
    """
    return _part(config.data, source)


def notices(config: RunConfig, splits: Splits) -> list[str]:
    """Say what of the examples is probably not as it was meant, and what was left out of files.

    What was seen in the data, not stated, is told too.
    """
    unit, target = (getattr(config.text, key, None) for key in ("unit", "target_unit"))
    found = look.notices(splits, unit, target)
    if isinstance(config, TaggingConfig):
        notice = scheme_notice(config.decoding.constrain, splits.train)
        return [*found, notice] if notice else found
    if not isinstance(config.data, ClassifiedDataConfig) or is_named(config.data.source):
        return found
    notice = label_notice(config.data.labels, splits.train)
    if notice is None:
        return found
    # It says already what many numbers are taken for.
    return [notice, *(one for one in found if one != look.numbers_notice(splits.train))]


def check_training(config: RunConfig, splits: Splits) -> None:
    """Check that what is asked of training fits the examples.

    Raises:
        ConfigError: a score that they don't have, weights of classes that aren't there, or a scheme
            that tags can't follow; or the library is missing that learns subwords.
    """
    units = (getattr(config.text, key, None) for key in ("unit", "target_unit"))
    if "subword" in units:
        check_installed()
    if isinstance(config.training, ClassifierTrainingConfig):
        check_training_of_labels(config.training, splits)
    elif isinstance(config.training, TaggerTrainingConfig):
        _check_tags(config.training, splits)
    if isinstance(config, TaggingConfig):
        check_constraint(config.decoding.constrain, splits)


def _check_tags(training: TaggerTrainingConfig, splits: Splits[TaggedSentences]) -> None:
    train, part = splits.train, splits.validation
    if training.select_by == "entity_f1":
        scheme = scheme_of(train)
        where = train.source if scheme is None else part.source
        if scheme is None or not any(map(scheme.spans, part.tags)):
            raise ConfigError(
                "training.select_by: entity_f1 needs tags that mark entities, such as B-PER, I-PER "
                f"and O; {where} has none, use accuracy or macro_f1"
            )
        if not all(map(all, part.tags)):
            raise ConfigError(
                "training.select_by: entity_f1 needs sentences of which all tokens are annotated; "
                f"those of {part.source} aren't, use accuracy or macro_f1"
            )
    tags = sorted({tag for sentence in train.tags for tag in sentence if tag})
    check_weights(training.class_weight, tags, train.source)


@singledispatch
def _splits(data: DataConfig, seed: int) -> Splits:
    raise TypeError(f"no reader for {type(data).__name__}; register one in {__name__}")


@singledispatch
def _part(data: DataConfig, source: str) -> Any:
    raise TypeError(f"no reader for {type(data).__name__}; register one in {__name__}")


@singledispatch
def _are_files(data: DataConfig) -> bool:
    return not data.source.startswith("toy_")


def _load(data: DataConfig, seed: int, own: Splits | None, cutting: Any = None) -> Splits:
    """Read the files of a section, or take a set of ours for its source."""
    return load_parts(
        partial(_part, data),
        vars(own) if own else data.source,
        data.validation,
        data.test,
        data.validation_fraction,
        data.test_fraction,
        seed,
        cutting,
    )


def _layout(data: TableDataConfig) -> Layout:
    return Layout(data.header, data.delimiter, data.comment, data.on_error)


def _looked_at(part: Any, data: TableDataConfig, *columns: Column) -> Any:
    look.check_part(part, _layout(data), columns)
    return part


def _toy(name: str, make_part: Any) -> Splits:
    from seqtasks.toys.splits import read_toy

    return read_toy(name, make_part)


# --- Labelled texts ------------------------------------------------------------------------------


@_splits.register
def _(data: LabelledDataConfig, seed: int) -> Splits:
    return load_labelled_splits(
        data.source,
        validation=data.validation,
        test=data.test,
        text_column=data.text_column,
        label_column=data.label_column,
        layout=_layout(data),
        labels=getattr(data, "labels", "category"),  # for a section that says nothing of them
        validation_fraction=data.validation_fraction,
        test_fraction=data.test_fraction,
        seed=seed,
    )


@_part.register
def _(data: LabelledDataConfig, source: str) -> LabelledTexts:
    labels: Any = getattr(data, "labels", "category")
    return read_texts(Path(source), labels, data.text_column, data.label_column, _layout(data))


@_are_files.register
def _(data: LabelledDataConfig) -> bool:
    return not is_named(data.source)


# --- Pairs of texts ------------------------------------------------------------------------------


@_splits.register
def _(data: PairsDataConfig, seed: int) -> Splits:
    def make_part(examples: list[dict[str, Any]], source: str) -> TextPairs:
        texts, targets = ([example[key] for example in examples] for key in ("source", "target"))
        return TextPairs(texts, targets, source, list(range(len(examples))))

    toy = "toy_translation"
    return _load(data, seed, _toy(toy, make_part) if data.source == toy else None)


@_part.register
def _(data: PairsDataConfig, source: str) -> TextPairs:
    columns = data.text_column, data.label_column
    layout = _layout(data)
    part = read_text_pairs(source, text_column=columns[0], label_column=columns[1], layout=layout)
    return _looked_at(part, data, *columns)


# --- Tagged sentences ----------------------------------------------------------------------------


@_splits.register
def _(data: TaggedDataConfig, seed: int) -> Splits:
    def make_part(examples: list[dict[str, Any]], source: str) -> TaggedSentences:
        tokens, tags = ([list(example[key]) for example in examples] for key in ("tokens", "tags"))
        return TaggedSentences(tokens, tags, source, list(range(len(examples))))

    toy = "toy_tagging"
    return _load(data, seed, _toy(toy, make_part) if data.source == toy else None)


@_part.register
def _(data: TaggedDataConfig, source: str) -> TaggedSentences:
    part = read_tagged_sentences(
        source,
        data.tag_column,
        token_column=data.token_column,
        sentence_column=data.sentence_column,
        layout=_layout(data),
    )
    return _looked_at(part, data, data.token_column, data.tag_column)


# --- Images with captions ------------------------------------------------------------------------


@_splits.register
def _(data: ImagesDataConfig, seed: int) -> Splits:
    own = None
    if data.source in _DIGITS:
        from seqtasks.toys.digits import digits

        own = digits(_DIGITS[data.source], seed)
    splits = _load(data, seed, own)
    for part in (splits.validation, splits.test):
        if part is not None:
            check_image_shape(part, splits.train.images.shape[1:])
    return splits


@_part.register
def _(data: ImagesDataConfig, source: str) -> CaptionedImages:
    return read_captioned_images(
        source, key=data.image_key, size=data.image_size, layout=_layout(data)
    )


@_are_files.register
def _(data: ImagesDataConfig) -> bool:
    return data.source not in _DIGITS


def check_image_shape(part: CaptionedImages, expected: tuple[int, ...]) -> None:
    """Check that images are of the size of those in training.

    Raises:
        DataError: where they aren't.
    """
    if part.images.shape[1:] != tuple(expected):
        sizes = (" x ".join(map(str, shape)) for shape in (part.images.shape[1:], expected))
        received, wanted = sizes
        raise DataError(f"{part.source}: images of {received}; expected {wanted}, as in training")


# --- Plain text ----------------------------------------------------------------------------------


@_splits.register
def _(data: PlainDataConfig, seed: int) -> Splits:
    def make_part(examples: list[dict[str, Any]], source: str) -> PlainText:
        return PlainText("".join(f"{example['text']}\n" for example in examples), source)

    own = _toy("toy_sentiment", make_part) if data.source == "toy_text" else None
    return _load(data, seed, own, cut)


@_part.register
def _(data: PlainDataConfig, source: str) -> PlainText:
    return read_plain_text(source)


# --- Recall --------------------------------------------------------------------------------------


@_splits.register
def _(data: RecallDataConfig, seed: int) -> Splits:
    """Make the examples: in training 1 to `distance` steps, elsewhere exactly so many."""
    from seqtasks.toys.recall import load_recall
    from seqtasks.toys.stories import STORIES, load_stories

    if data.source in STORIES:
        return load_stories(data.source, data.language, data.distance, seed, data.examples)
    if data.source != "toy_recall":
        raise DataError(
            f"{data.source}: the task 'recall' makes its own examples; leave --data out, or "
            "use the task sentiment for files"
        )
    if data.language != "en":
        raise DataError(
            f"toy_recall: data.language={data.language}, but it is in English only; use "
            f"data.source={' or '.join(STORIES)}, or leave data.language out"
        )
    return load_recall(data.distance, seed, data.examples)


@_part.register
def _(data: RecallDataConfig, source: str) -> LabelledTexts:
    return read_labelled_texts(Path(source))


@_are_files.register
def _(data: RecallDataConfig) -> bool:
    return True  # which need no TensorFlow either, as they are made here
