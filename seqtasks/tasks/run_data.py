"""What a run knows of its data: their digests, and some examples to compare an export with."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from seqtasks.config import RunConfig
from seqtasks.data.digests import digest
from seqtasks.data.reading import as_read
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.errors import RunError
from seqtasks.runs import Run, replacing, write_text
from seqtasks.runs.checksums import check_files, replacing_known
from seqtasks.runs.files import read_json

SAMPLES = 24  # examples that a run keeps


def save_data(run: Run, config: RunConfig, splits: Splits) -> None:
    """Write into a run how many examples each split has, their digests, and a few of them."""
    found = split_digests(config, splits)
    asked = (splits.test or splits.validation).asked(SAMPLES)
    if isinstance(asked, np.ndarray):
        with replacing(run.samples_file("npz")) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, samples=asked)
    else:
        text = json.dumps(list(asked), ensure_ascii=False, indent=0)
        write_text(run.samples_file("json"), text + "\n")
    with replacing_known(run.path, run.data) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def samples(run: Run) -> Any:
    """Some of a run's examples as a user would ask about them: texts, or images.

    Returns:
        None for a run of an earlier version, which kept none.

    Raises:
        RunError: where they are damaged.
    """
    texts, images = run.samples_file("json"), run.samples_file("npz")
    try:
        if texts.is_file():
            found = json.loads(texts.read_text("utf-8"))
            if all(isinstance(text, str) for text in found) and isinstance(found, list):
                return found
            raise TypeError("expected texts")
        if images.is_file():
            with np.load(images) as saved:
                return saved["samples"]
    except Exception as error:  # NumPy and zipfile raise of all kinds
        where = texts if texts.is_file() else images
        raise RunError(
            f"{where}: damaged; restore it from a copy, or remove it to use the run's data instead"
        ) from error
    return None


def check_data(
    run: Run,
    config: RunConfig,
    splits: Splits,
    needed: Iterable[str],
    accept_new_data: bool = False,
) -> list[str]:
    """Compare the data with those that a run was begun with, if it says what they were.

    Args:
        config: the run's; where it says that other data are read, these are not compared.
        needed: the splits that must be the same.
        accept_new_data: whether they need not.

    Returns:
        What differs, a line each.

    Raises:
        RunError: where a split differs that must be the same.
    """
    before = _known_data(run)
    if before is None or config.data != run.config.data:
        return []
    now = split_digests(config, splits)
    different = [
        name for name in ("train", "validation", "test") if before.get(name) != now.get(name)
    ]
    told = [_difference(name, before.get(name), now.get(name)) for name in different]
    if not accept_new_data and not set(different).isdisjoint(needed):
        raise RunError(
            f"{run.path}: the data are not those the run was begun with: {'; '.join(told)}. Put "
            f"{config.data.source} back as it was, or go on with it as it is by --accept-new-data"
        )
    return [f"{line}, which the run was begun with" for line in told]


def _known_data(run: Run) -> dict[str, Any] | None:
    """What data.json says of the data that a run was begun with; None where it isn't there."""
    if not run.data.exists():
        return None
    advice = "restore it from a copy, or remove it to do without"
    found = read_json(run.data, dict, advice)
    try:
        check_files(run.path, run.data.name)
        if all({*facts} == {"examples", "digest"} for facts in found.values()):
            return found
    except (RunError, TypeError):
        pass
    raise RunError(f"{run.data}: damaged; {advice}")


def rows_not_in_train(splits: Splits, part: Any) -> list[int] | None:
    """Which examples of a part training hasn't, as the model reads them; None for plain text."""
    if not hasattr(part, "keys") or not hasattr(splits.train, "keys"):
        return None
    in_train, keys = splits.train.keys(), part.keys()
    known = {as_read(key) for key in in_train}
    return [row for row, key in enumerate(keys) if as_read(key) not in known]


def split_digests(config: RunConfig, splits: Splits) -> dict[str, Any]:
    """How many examples each split has, and a digest of them as a network reads them."""
    return {name: _described(part, config) for name, part in splits.parts().items()}


def _described(part: Any, config: RunConfig) -> dict[str, Any]:
    # A word's spelling is read as it stands, and where a sentence ends its case may say.
    cased = (
        config.text.unit == "word+char"
        or bool(getattr(config.text, "features", ()))
        or (config.text.unit == "subword" and isinstance(part, TaggedSentences))
        or getattr(config.model, "topology", "flat") == "hierarchical"
    )
    return {"examples": len(part), "digest": digest(part, lowercase=not cased)}


def _difference(name: str, before: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    counts = [f"{facts['examples']:,}" if facts else "no" for facts in (now, before)]
    if counts[0] == counts[1]:
        return f"{name} has {counts[0]} examples as before, but not the same"
    return f"{name} has {counts[0]} examples instead of {counts[1]}"
