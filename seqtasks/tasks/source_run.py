"""A run to begin another from: its settings, and whether it fits, known without TensorFlow.

Two kinds fit: a run of the same task, all of whose network is taken over, and a language model of
lines, whose vocabulary, vectors and recurrent layers a task that reads texts takes over.
"""

from pathlib import Path
from typing import Any

from seqtasks.config import ReadTextConfig, RunConfig, parse_config
from seqtasks.config.arch import Arch
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import ConfigError, RunError
from seqtasks.runs import Run, find_run
from seqtasks.runs.checksums import check_files, checksum
from seqtasks.tasks.finished_run import check_weights

_PRETRAINED = "language_model"
# What of the same task's `text` and `model` may be another: no weight and no token depends on it.
_FREE = {
    "text.max_length", "text.max_sentences", "text.max_word_length", "text.max_words",
    "text.max_characters", "text.max_subwords", "text.min_count", "text.unknown_weight",
    "text.vectors", "text.max_vectors", "text.tune_vectors", "model.dropout", "model.weight_drop",
    "model.zoneout", "model.output_dropout", "model.token_dropout",
}  # fmt: skip
_OF_LINES = ("text.max_words", "text.max_characters", "text.max_subwords")
_LABELS = {"category": "labels.txt", "set": "label_set.json", "number": "number.json"}


def begun_from(config: RunConfig, base: Path = Path("runs")) -> RunConfig:
    """Give a configuration the settings of the run that it begins from, where it has none.

    Args:
        config: whose `from_run` says which, if any; what else was given in it stays.
        base: the folder in which a run is looked for by its name.

    Returns:
        A configuration with the run's path and the checksum of its weights. It may be given again.

    Raises:
        ConfigError: where the two don't fit; says what does and what doesn't.
        RunError: where there is no such run, or it has no weights, other ones, or damaged ones.
    """
    if config.from_run is None:
        return config
    run = source_of(config, base)
    source = run.config
    _check_tasks(run, source, config)
    given = config.model_dump(mode="json", exclude_unset=True)
    wanted = _same_task(source) if source.task == config.task else _of_lines(source, config)
    unlike, alike = [], []
    wanted.pop("text.vectors", None)  # what was read from there is in the run's weights
    if given.get("text", {}).get("vectors"):
        unlike.append("text.vectors are taken over, so none are read from a file")
    for key, value in wanted.items():
        section, name = key.split(".")
        own: dict[str, Any] = given.setdefault(section, {})
        if name not in own:
            own[name] = value
        elif key not in _FREE and not _fits(key, value, own[name], source, config):
            unlike.append(f"{key} is {value!r} there and {own[name]!r} here")
        elif key not in _FREE:
            alike.append(key)
    if unlike:
        told = f"; the same: {', '.join(alike)}" if alike else ""
        raise ConfigError(
            f"--from {run.path}: it doesn't fit: {'; '.join(unlike)}{told}. Leave out what was set "
            "here, or begin from another run"
        )
    given |= {"from_run": str(run.path), "from_digest": _digest(run)}
    try:
        return parse_config(given)
    except ConfigError as error:
        raise ConfigError(f"--from {run.path}: it doesn't fit: {error}") from None


def source_of(config: RunConfig, base: Path = Path("runs")) -> Run:
    """Open the run that another begins from, and check that it has all that is taken over.

    Raises:
        RunError: where there is none, or it has no weights, damaged ones, or others than before.
    """
    if not config.from_run:
        raise ConfigError("--from: expected a run; received an empty name")
    run = find_run(Path(config.from_run), base)
    check_weights(run)
    check_files(run.path, "vocabulary", run.best_weights.relative_to(run.path).as_posix())
    if config.from_digest not in (None, _digest(run)):
        raise RunError(
            f"{run.best_weights}: not the weights that {config.name or 'this run'} was begun from "
            "(from_digest); put them back, or leave from_digest out"
        )
    return run


def check_apart(config: RunConfig, path: Path) -> None:
    """Check that a run that is made anew isn't the one that it begins from.

    Raises:
        ConfigError: where it is.
    """
    if config.from_run is not None and Path(config.from_run).resolve() == path.resolve():
        raise ConfigError(
            f"--from {config.from_run}: it would be overwritten; choose another --name"
        )


def check_labels(config: RunConfig, splits: Splits) -> None:
    """Check that labels are of the same kind as those of the run that training begins from.

    Raises:
        ConfigError: where they aren't.
    """
    if config.from_run is None or not isinstance(splits.train, LabelledTexts):
        return
    folder = Run(Path(config.from_run)).vocabulary
    there = [kind for kind, file in _LABELS.items() if (folder / file).is_file()]
    if there and splits.train.kind not in there:
        kinds = {"category": "one label each", "set": "sets of labels", "number": "numbers"}
        raise ConfigError(
            f"--from {config.from_run}: it doesn't fit: its texts have {kinds[there[0]]}, those of "
            f"{splits.train.source} {kinds[splits.train.kind]}"
        )


def _digest(run: Run) -> str:
    return checksum(run.best_weights)


def _check_tasks(run: Run, source: RunConfig, config: RunConfig) -> None:
    if source.task == config.task:
        return
    if source.task != _PRETRAINED or not isinstance(config.text, ReadTextConfig):
        other = f", or of {_PRETRAINED}" if isinstance(config.text, ReadTextConfig) else ""
        raise ConfigError(
            f"--from {run.path}: it is of the task {source.task!r}, this one of {config.task!r}; "
            f"expected a run of the same task{other}"
        )
    if not getattr(source.data, "lines", False):
        raise ConfigError(
            f"--from {run.path}: it reads running text, in other tokens than {config.task}; train "
            f"a {_PRETRAINED} with --set data.lines=true"
        )
    if getattr(config.text, "vectors", None):
        raise ConfigError(
            f"--from {run.path}: vectors of tokens come from it, so text.vectors can't; leave one "
            "of the two out"
        )


def _same_task(source: RunConfig) -> dict[str, Any]:
    """The settings of a run by their dotted keys, as far as weights or tokens depend on them."""
    whole = source.to_dict()
    found = {
        f"{section}.{key}": value
        for section in ("text", "model")
        for key, value in whole[section].items()
    }
    if source.task == _PRETRAINED:
        found["data.lines"] = whole["data"]["lines"]
    return found


def _of_lines(source: RunConfig, config: RunConfig) -> dict[str, Any]:
    """The settings of a language model that a task that reads texts shares with it."""
    model, own = source.model, config.model.model_fields_set
    found: dict[str, Any] = {"text.unit": source.text.unit, "model.arch": model.arch}
    if "arch" not in own and "layers" not in own:
        found["model.layers"] = model.layers
    found |= {"model.units": model.units, "model.embedding_units": model.embedding_units}
    if source.text.unit == "word" and config.text.unit.startswith("word"):
        found["text.unit"] = config.text.unit  # words, and how they are spelled
    return found | {key: getattr(source.text, key.split(".")[1]) for key in _OF_LINES}


def _fits(key: str, there: Any, here: Any, source: RunConfig, config: RunConfig) -> bool:
    """Whether a setting that was given is as good as the source's."""
    if there == here:
        return True
    if key == "model.layers":
        return source.model.depth == config.model.depth
    if source.task == config.task:
        return False
    if key == "model.arch":  # directions and further layers may begin anew
        return Arch.parse(there).cell == Arch.parse(here).cell
    return key == "text.unit" and (there, here) == ("word", "word+char")
