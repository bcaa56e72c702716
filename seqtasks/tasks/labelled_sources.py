"""Labelled texts for training, validation and test: from files, a TFDS set or a toy set."""

import re
import socket
import sys
from collections import Counter
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from seqtasks.data.bad_rows import BadRows
from seqtasks.data.columns import Column, Layout
from seqtasks.data.files import exists, shorten
from seqtasks.data.labels import (
    Kind,
    is_number,
    look_at,
    members,
    separator_of,
    sorted_names,
)
from seqtasks.data.look import check_part
from seqtasks.data.readers import LabelledTexts, read_labelled_texts
from seqtasks.data.splits import Splits, check_fractions, load_parts
from seqtasks.data.statistics import repetitions, spread
from seqtasks.errors import ConfigError, DataError, did_you_mean
from seqtasks.toys import get_toy

_TOYS = ("toy_sentiment", "toy_documents")
_TFDS = "tfds:"
SCORES: dict[str, tuple[str, ...]] = {  # by what labels are: what may choose the best epoch
    "category": ("accuracy", "macro_f1", "loss"),
    "set": ("micro_f1", "macro_f1", "exact", "loss"),
    "number": ("r2", "spearman", "mae", "rmse", "loss"),
}
_KINDS = {"category": "categories", "set": "sets", "number": "numbers"}
_PORTS = {"http": 80, "https": 443}


def load_labelled_splits(
    source: str,
    *,
    validation: str | None = None,
    test: str | None = None,
    text_column: Column = None,
    label_column: Column = None,
    header: bool | None = None,
    layout: Layout | None = None,
    labels: Kind | Literal["auto"] = "category",
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    data_dir: Path | None = None,
) -> Splits[LabelledTexts]:
    """Read `source` and the other files given; carve from train what is missing.

    A file alone is cut in three; with a test file, validation is carved; with a validation file
    alone there is no test. A TFDS set keeps its splits: validation is carved if it has none, and
    a test split whose labels are withheld counts as none. The cut depends on text and seed only:
    equal texts stay together, and a text stays where it is when others are added.

    Args:
        source: a file (as `read_labelled_texts`), `tfds:NAME[/CONFIG][:VERSION]`, `toy_sentiment`.
        validation, test: files; they go before a TFDS set's own splits.
        text_column, label_column: a column, a JSON key or a TFDS feature.
        header: whether the files have one; the layout's, for short.
        layout: how the files are laid out, where that is stated.
        labels: what labels are; auto: as they look in files, and categories in other sets.
        validation_fraction, test_fraction: the shares that are carved; test may be 0, for none.
        seed: another seed carves other examples.
        data_dir: where TFDS keeps its sets; None for its own default.

    Raises:
        ConfigError: fractions that can't be.
        DataError: a source that can't be read or had; one file for two splits; an empty split;
            fewer than two labels in train.
    """
    check_fractions(validation_fraction, test_fraction)
    named = is_named(source)
    columns = {"text_column": text_column, "label_column": label_column}
    if not named and not set(source) & set("./\\") and not exists(Path(source)):
        raise DataError(
            f"{source!r} is no data file{did_you_mean(source, _TOYS)}; a TFDS set is written "
            f"{_TFDS}NAME, and the toy sets are {' and '.join(_TOYS)}"
        )
    found = _read_tfds(source.removeprefix(_TFDS), **columns, data_dir=data_dir) if named else {}
    if labels != "auto":
        found = {name: replace(part, kind=labels) for name, part in found.items()}
    splits = load_parts(
        lambda file: read_texts(
            Path(file), labels, text_column, label_column, layout or Layout(header)
        ),
        found or source,
        validation,
        test,
        validation_fraction,
        test_fraction,
        seed,
    )
    train = splits.train
    if len(set(train.labels)) < 2:
        raise DataError(f"{train.source}: expected two labels, all are {shorten(train.labels[0])}")
    return splits


def read_texts(
    path: Path,
    labels: Kind | Literal["auto"],
    text_column: Column,
    label_column: Column,
    layout: Layout,
) -> LabelledTexts:
    """Read a file of labelled texts, whose labels are of a kind, or as they look.

    What is certainly not what the file holds is refused.

    Args:
        path: the file.
        labels: the kind.
        text_column, label_column, layout: as `read_labelled_texts` has them.

    Raises:
        DataError: as `read_labelled_texts` and `check_part`; a label that is no number, but should
            be.
    """
    part = read_labelled_texts(
        path,
        text_column=text_column,
        label_column=label_column,
        layout=layout,
        may_be_empty=labels == "set",
    )
    check_part(part, layout, (text_column, label_column))
    part = replace(part, kind=look_at(part.labels).kind if labels == "auto" else labels)
    return _with_numbers(part, layout) if labels == "number" else part


def _with_numbers(part: LabelledTexts, layout: Layout) -> LabelledTexts:
    """Leave examples out whose labels are no numbers, or refuse the file, as it is laid out."""
    bad = part.bad_rows or BadRows(part.source, layout.on_error)
    good = []
    for row, (label, line) in enumerate(zip(part.labels, part.lines, strict=True)):
        if is_number(label):
            good.append(row)
        else:
            bad.add(_no_number(part.source, line, label))
    bad.check(len(good))
    return part if len(good) == len(part) else replace(part.select(good), bad_rows=bad)


def label_notice(labels: str, part: LabelledTexts) -> str | None:
    """What to tell the user of the labels of a file where their kind was seen, not stated."""
    notice = look_at(part.labels).notice if labels == "auto" else None
    return notice and f"{part.source}: {notice}"


def numbers_of(part: LabelledTexts) -> list[float]:
    """Return labels as numbers.

    Raises:
        DataError: a label that is none, with file and line.
    """
    for label, line in zip(part.labels, part.lines, strict=True):
        if not is_number(label):
            raise DataError(_no_number(part.source, line, label))
    return [float(label) for label in part.labels]


def _no_number(source: str, line: int, label: str) -> str:
    return (
        f"{source}, line {line}: expected a number for a label, received "
        f"{shorten(label)}; where labels are classes, data.labels=category"
    )


def set_names(part: LabelledTexts) -> list[str]:
    """Return the labels of which the examples of a split have sets, sorted.

    Raises:
        DataError: where there is none.
    """
    separator = separator_of(set(part.labels))
    names = sorted_names(name for label in part.labels for name in members(label, separator))
    if not names:
        raise DataError(f"{part.source}: expected labels, all sets are empty")
    return names


def check_training(training: Any, splits: Splits[LabelledTexts]) -> None:
    """Check that what is asked of training fits what the labels are.

    Args:
        training: the section of the configuration.
        splits: the examples.

    Raises:
        ConfigError: a score that such labels don't have, or weights of classes that aren't there.
    """
    kind = splits.train.kind
    by = getattr(training, "select_by", None)
    if by is not None and by not in SCORES[kind]:
        raise ConfigError(
            f"training.select_by: {by!r} is no score of {_KINDS[kind]}, which the labels of "
            f"{splits.train.source} are; expected one of {', '.join(SCORES[kind])}"
        )
    if kind == "number" and training.label_smoothing:
        raise ConfigError("training.label_smoothing: the labels are numbers; expected 0")
    if weights := getattr(training, "class_weight", None):
        if kind == "number":
            raise ConfigError(
                "training.class_weight: the labels are numbers, which have no classes; leave it out"
            )
        names = set_names(splits.train) if kind == "set" else sorted_names(splits.train.labels)
        check_weights(weights, names, splits.train.source)


def check_weights(weights: Any, names: list[str], source: str) -> None:
    """Check that all classes with a weight are there.

    Args:
        weights: `training.class_weight`.
        names: the classes that there are.
        source: where they are.

    Raises:
        ConfigError: names the first that isn't.
    """
    for label in weights if isinstance(weights, dict) else ():
        if label not in names:
            raise ConfigError(
                f"training.class_weight: {source} has no label {label!r}"
                f"{did_you_mean(label, names)}; labels: {shorten(', '.join(names), 200)}"
            )


def is_named(source: str) -> bool:
    """Whether a source is a toy set's or a TFDS set's name, and no file's."""
    return source in _TOYS or source.startswith(_TFDS)


def label_names(splits: Splits[LabelledTexts]) -> list[str]:
    """Return the labels of train, sorted: by value where all are integers, else as strings.

    Raises:
        DataError: a label of validation or test that train never has.

    >>> part = LabelledTexts(["a", "b", "c"], ["10", "9", "9"], "films.tsv", [1, 2, 3])
    >>> label_names(Splits(part, part, None))
    ['9', '10']
    """
    names = sorted_names(splits.train.labels)
    known = set(names)
    for part in filter(None, vars(splits).values()):
        for label, line in zip(part.labels, part.lines, strict=True):
            if label not in known:
                noun = "example" if part.source.startswith(_TFDS) else "line"
                raise DataError(
                    f"{part.source}, {noun} {line}: the label {shorten(label)} is not among the "
                    f"{len(names)} labels of train: {shorten(', '.join(names), 200)}"
                )
    return names


def describe(splits: Splits[LabelledTexts]) -> dict[str, dict[str, Any]]:
    """Return what is in each split that there is, as plain numbers, strings and dicts.

    Per split: `source`, `examples`, `labels` (examples per label; of numbers `values`, their
    spread, instead), `empty_texts`, `duplicates`
    (examples whose text came before in the split), `shared_with_train` (examples whose text is
    in train too; None for train), and `characters`: the texts' lengths in code points.
    """
    train = set(splits.train.texts)
    result = {}
    for name, part in vars(splits).items():
        if part is None:
            continue
        result[name] = {
            "source": part.source,
            "examples": len(part),
            **_describe_labels(part),
            "empty_texts": part.texts.count(""),
            **repetitions(part.texts, train if name != "train" else None),
            "characters": spread(map(len, part.texts)),
        }
    return result


def _describe_labels(part: LabelledTexts) -> dict[str, Any]:
    """How many examples each label has; of sets and how many labels each; of numbers the spread."""
    if part.kind == "number":
        return {"values": spread(numbers_of(part), whole=False)}
    counts = Counter(name for names in part.classes() for name in names)
    labels: dict[str, Any] = {"labels": {label: counts[label] for label in sorted_names(counts)}}
    if part.kind == "set":
        labels["labels_of_an_example"] = spread(map(len, part.classes()))
    return labels


def _read_tfds(
    name: str, text_column: Column, label_column: Column, data_dir: Path | None
) -> dict[str, LabelledTexts]:
    """Read what a TFDS set has of train, validation and test; prepare the set if need be."""
    import tensorflow_datasets as tfds

    source = _TFDS + name
    with redirect_stdout(sys.stderr):  # TFDS prints what it does
        builder = _builder(name, data_dir)
        features = dict(builder.info.features or {})
        text = _feature(source, features, "text", text_column, tfds.features.Text)
        label = _feature(source, features, "label", label_column, tfds.features.ClassLabel)
        if not builder.is_prepared():
            _check_network(source, builder)
            try:
                builder.download_and_prepare()
            except Exception as error:  # a set's own code may raise anything
                raise DataError(f"{source} can't be prepared here: {error!r:.300}") from error
    import tensorflow as tf  # seconds, which a set that can't be had needs not wait for

    found = builder.info.splits
    splits = [split for split in ("train", "validation", "test") if split in found]
    try:
        parts = {split: _read_split(source, builder, split, text, label) for split in splits}
    except tf.errors.OpError as error:
        what = f"damaged or missing files in {builder.data_dir}"
        raise DataError(f"{source}: {what}; delete the folder to prepare it anew") from error
    parts = {split: part for split, part in parts.items() if part.texts}
    if "train" not in parts:
        raise DataError(f"{source}: no examples in a split named train; splits: {', '.join(found)}")
    return parts


def _builder(name: str, data_dir: Path | None) -> Any:
    import tensorflow_datasets as tfds

    if name in _TOYS:
        from seqtasks.toys.base import load_toy

        return load_toy(get_toy(name), data_dir)
    if not (parts := re.fullmatch(r"(\w+)(/[\w.+-]+)?(:[\d.*]+)?", name)):
        raise DataError(f"expected {_TFDS}NAME[/CONFIG][:VERSION], received {_TFDS}{name}")
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        hint = did_you_mean(parts[1], tfds.list_builders())
        raise DataError(f"TFDS knows no set {name!r}{hint}") from error
    except Exception as error:  # a set's own code may raise anything
        what = str(error).rsplit('}": ')[-1].partition("\n")[0]  # less arguments and help
        known = parts[1] in tfds.list_builders()
        configs = ", ".join(tfds.builder_cls(parts[1]).builder_configs if known else ()) or "none"
        raise DataError(
            f"{_TFDS}{name} can't be set up: {what:.200}; configurations: {configs:.200}"
        ) from error


def _feature(source: str, features: dict[str, Any], role: str, given: Column, kind: type) -> str:
    """Return the name of the feature for `role`: the one given, or the only one of its kind."""
    import numpy as np

    if given is None:
        fits = [name for name, feature in features.items() if isinstance(feature, kind)]
        if role in fits or len(fits) == 1:
            return role if role in fits else fits[0]
        problem = f"expected one {kind.__name__} feature for the {role}, found {len(fits)}"
    elif (feature := features.get(str(given))) is None:
        problem = f"no feature {given!r}"
    else:
        code = np.dtype(feature.np_dtype).kind if feature.shape == () else "not a scalar"
        if code in ("O", "i", "u") if role == "label" else code == "O":
            return str(given)
        problem = f"{given!r} can't be the {role}"
    listed = ", ".join(f"{name} ({type(features[name]).__name__})" for name in sorted(features))
    raise DataError(f"{source}: {problem}; features: {listed}; name one with --{role}-column")


def _read_split(source: str, builder: Any, split: str, text: str, label: str) -> LabelledTexts:
    """Read one split; a test split whose labels are all withheld comes out empty."""
    import tensorflow_datasets as tfds

    part = LabelledTexts([], [], f"{source}, {split}", [])
    classes = builder.info.features[label]
    wanted = tfds.decode.PartialDecoding({text: True, label: True})
    data = builder.as_dataset(split=split, decoders=wanted)
    for index, example in enumerate(tfds.as_numpy(data)):
        value = example[label]
        if isinstance(value, bytes):
            value = value.decode(errors="replace").strip()
        elif isinstance(classes, tfds.features.ClassLabel):
            # A number outside the classes means "withheld"; int2str(-1) would be the last class.
            value = classes.int2str(value) if 0 <= value < classes.num_classes else ""
        part.texts.append(example[text].decode(errors="replace"))
        part.labels.append(str(value))
        part.lines.append(index)
    if "" in part.labels:
        if split == "test" and not any(part.labels):
            return LabelledTexts([], [], part.source, [])
        raise DataError(f"{part.source}, example {part.labels.index('')}: the label is empty")
    return part


def _check_network(source: str, builder: Any) -> None:
    """Raise where no host of a download can be reached, which TFDS would try for minutes."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    root = Path(builder.data_dir_root)
    urls = [urlsplit(url) for url in builder.url_infos or ()]
    ports = {url.hostname: url.port or _PORTS[url.scheme] for url in urls if url.scheme in _PORTS}
    if not ports or getproxies() or any(root.glob(f"downloads/{builder.name}/**/*.INFO.json")):
        return  # nothing to fetch, not by a connection of our own, or fetched before
    for address in ports.items():
        with suppress(OSError):
            socket.create_connection(address, timeout=3.0).close()
            return
    raise DataError(
        f"{source} is not on this machine and needs a download, which failed: no network "
        f"({shorten(', '.join(map(str, ports)))} can't be reached). Prepare it where there is one, "
        f"with tensorflow_datasets.load({source.removeprefix(_TFDS)!r}), and copy it to "
        f"{root / builder.name}; or use --data FILE"
    )
