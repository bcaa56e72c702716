"""From a configuration to a finished run."""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqtasks.config import RunConfig
from seqtasks.data.splits import Splits
from seqtasks.errors import SeqtasksError, TrainingError
from seqtasks.inspection.recurrent_weights import recurrent_layers
from seqtasks.inspection.training_plots import gradient_curves, learning_curve
from seqtasks.runs import Run, choose_path, disk_errors, new_run, write_text, writing
from seqtasks.runs.checksums import check_files, write_config
from seqtasks.tasks.calibration import save_calibration
from seqtasks.tasks.evaluation import Peer
from seqtasks.tasks.outside_vectors import (
    fitted,
    has_vectors,
    late_vectors,
    put_in,
    read_again,
    vectors_fact,
)
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.run_data import check_data, save_data
from seqtasks.tasks.selection import score_name
from seqtasks.tasks.source_run import begun_from, check_apart, check_labels
from seqtasks.tasks.sources import check_training, load_splits
from seqtasks.training.fit import Watcher, fit
from seqtasks.training.levels import levels_of
from seqtasks.training.memory import check_memory, saves_memory
from seqtasks.training.model_card import model_card, split_sizes
from seqtasks.training.precision import policy, products
from seqtasks.training.records import record_network, record_resumption
from seqtasks.training.resumable import Begun, as_begun, check_resumable
from seqtasks.training.state import TrainingState
from seqtasks.training.taken_over import (
    open_source,
    save_taken_over,
    take_over,
    taken_over_facts,
    widened_from,
)
from seqtasks.training.team import ALONE, Alone


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    run: Run
    state: TrainingState
    score: str  # what the score is called
    parameters: int
    judged: Any = None  # what was found of validation, of `seqtasks.tasks.evaluation`; at the end
    codec: Any = None


def train(
    config: RunConfig,
    runs_dir: Path,
    overwrite: bool,
    watcher: Watcher,
    splits: Splits | None = None,
    told: Callable[[str], None] = lambda line: None,
    team: Alone = ALONE,
) -> Outcome:
    """Train a new run in `runs_dir`. Nothing is written before configuration and data are good.

    Args:
        overwrite: whether a run of the same name is replaced.
        watcher: who is told how training goes.
        splits: the configured data, where they were read before.
        told: what is told what outside vectors cover.
        team: the processes that train it together. Only worker 0 of them writes anything.

    Raises:
        RunError: where the run exists and may not be overwritten, or the disk refuses.
        ConfigError: where what is asked of training doesn't fit the data.
        DataError: where the data can't be used.
        TrainingError: where the loss is no longer a number.
    """
    config = fitted(begun_from(config, runs_dir))
    path = choose_path(runs_dir, config, overwrite) if team.leads else runs_dir
    check_apart(config, path)
    read = splits or load_splits(config)
    check_training(config, read)
    check_labels(config, read)
    codec = get_task(config.task).make_codec(config, read)
    source, taken = open_source(config), None
    if source:
        codec = widened_from(source, codec)
    for fact, value in vectors_fact(codec).items():
        told(f"{fact}: {value}")
    model = _build(config, codec)
    if source:
        taken = take_over(source, model, config)
        for line in taken.lines():
            told(line)
    else:
        put_in(codec, model)

    def save(run: Run) -> None:
        codec.save(run.vocabulary)
        save_data(run, config, read)
        if taken:
            save_taken_over(run, taken)

    if not team.leads:
        return _fit(Run(path), config, codec, model, read, watcher, team)
    with new_run(runs_dir, config, overwrite, save) as run:
        return _fit(run, config, codec, model, read, watcher, team)


def resume(
    run: Run,
    config: RunConfig,
    watcher: Watcher,
    splits: Splits | None = None,
    accept_new_data: bool = False,
    compared: bool = False,
    team: Alone = ALONE,
) -> Outcome:
    """Go on with an interrupted run, or with a finished one for more epochs.

    The run's config.yaml changes with the first state that is saved.

    Args:
        watcher: who is told how training goes.
        splits: the run's data, where they were read before.
        accept_new_data: whether the data may be others than those it was begun with.
        compared: whether `splits` have been compared with those (`check_data`), which takes time.
        team: the processes that train it together, each of which can read the run's vocabulary.

    Raises:
        ConfigError, RunError: as `check_resumable`; where the data differ, or another process
            trains the run.
        DataError: where the data can't be used.
    """
    with writing(run) if team.leads else contextlib.nullcontext():
        begun: Begun = team.told(lambda: check_resumable(run, config))
        config = as_begun(run, config)
        taken_over_facts(run)  # which the card will need
        check_files(run.path, "vocabulary")
        codec = get_task(config.task).load_codec(config, run.vocabulary)
        splits = splits or load_splits(config)
        if not compared and team.leads:
            check_data(run, config, splits, ("train", "validation"), accept_new_data)
        source = open_source(config) if begun == "anew" else None
        if begun == "anew" and has_vectors(codec) and not source:  # they aren't in any state yet
            codec = read_again(codec, get_task(config.task).make_codec(config, splits))
        model = _build(config, codec)
        if source:
            take_over(source, model, config)
        elif begun == "anew":
            put_in(codec, model)

        written = False

        def saved() -> None:
            nonlocal written
            if not written:
                if config != run.config:
                    record_resumption(run)
                write_config(run.path, config.to_yaml())
                if accept_new_data:
                    save_data(run, config, splits)
            written = True

        if begun == "finish" and team.leads:
            with disk_errors(run.path):
                saved()
        ended: dict[Path, bytes] = {}  # what was made of an end that is none any more
        if begun == "go on" and team.leads:
            with disk_errors(run.path):
                for file in (run.model_card, run.calibration):
                    if file.exists():
                        ended[file] = file.read_bytes()
                        file.unlink()
        try:
            return _fit(run, config, codec, model, splits, watcher, team, begun, saved)
        except SeqtasksError:
            if not written:  # it is one again
                for file, content in ended.items():
                    file.write_bytes(content)
            raise


def _build(config, codec) -> keras.Model:
    """Make the network that is trained. Its weights are of float32 whatever the precision."""
    check_memory(config, _largest_vocabulary(codec))
    keras.utils.set_random_seed(config.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy(config))
    try:
        model = get_task(config.task).build(config, codec)
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(
            "not enough memory for this network; try smaller --units, model.embedding_units or "
            "text.max_words"
        ) from error
    finally:
        keras.config.set_dtype_policy(before)
    for layer in recurrent_layers(model).values():
        layer.saves_memory = saves_memory(config)
        layer.products = products(config)
    return model


def _largest_vocabulary(part: Any, depth: int = 3) -> int:
    """How many tokens the largest vocabulary of a codec has, or of a part of it."""
    if not (type(part).__module__.startswith("seqtasks.") and hasattr(part, "__dict__") and depth):
        return 0
    tokens = getattr(part, "tokens", None)
    found = [_largest_vocabulary(inner, depth - 1) for inner in vars(part).values()]
    return max([len(tokens) if isinstance(tokens, list) else 0, *found])


def _fit(
    run, config, codec, model, splits, watcher, team=ALONE, begun="anew", saved=lambda: None
) -> Outcome:
    if team.leads:
        with disk_errors(run.path):
            record_network(run, model)
    task = get_task(config.task)
    how = task.prepare_fit(config, codec, model, splits)
    score, validate = how.score or task.score, how.validate
    if config.training.select_by == "loss":  # which every task has
        score, validate = score_name("loss"), lambda: _by_loss(how.validate())
    state = fit(
        model,
        how.loss,
        how.batches,
        validate,
        config.training,
        run,
        watcher,
        resume=begun != "anew",
        ended=begun == "finish",
        saved=saved,
        late=late_vectors(codec, model),
        levels=levels_of(model, config.training),
        team=team,
    )
    outcome = Outcome(run, state, score, model.count_params(), codec=codec)
    if state.finished and team.leads:
        with disk_errors(run.path):
            rows = run.read_metrics()
            run.plots.mkdir(exist_ok=True)
            learning_curve(rows, score, run.learning_curve)
            if any("gradient_norm" in row for row in rows):
                gradient_curves(rows, config.training.clip_norm, run.gradient_curves)
            facts = {**split_sizes(splits), **task.facts(codec), **taken_over_facts(run)}
            judged = _judge(run, config, task.make_predictor(config, codec, model), splits)
            card = model_card(run, config, facts, rows, outcome.parameters, score, judged)
            write_text(run.model_card, card)
        outcome = replace(outcome, judged=judged)
    return outcome


def peer(outcome: Outcome, splits: Splits) -> Peer | None:
    """Train another method on the same examples, where the task has one, and judge it alike.

    Args:
        outcome: of a training that has ended.
        splits: the run's data.
    """
    if outcome.judged is None:
        return None
    config = outcome.run.config
    return get_task(config.task).peer(config, outcome.codec, splits, splits.validation)


def _judge(run: Run, config: RunConfig, predictor: Any, splits: Splits) -> Any:
    """Calibrate the best model, where its answers have probabilities, and evaluate it."""
    task = get_task(config.task)
    if getattr(config.training, "calibrate", False):
        found = task.calibrate(config, predictor, splits)
        if found is not None:
            save_calibration(run, found)
            predictor = predictor.at_temperature(found.temperature)
    return task.judge(config, predictor, splits)


def _by_loss(validated: tuple[float, float]) -> tuple[float, float]:
    loss, _ = validated
    return loss, -loss


def summary(outcome: Outcome) -> dict[str, Any]:
    """The figures of a finished training, for `--json` and tables."""
    return {
        "run": str(outcome.run.path),
        "parameters": outcome.parameters,
        "epochs": outcome.state.epoch,
        "seconds": round(outcome.state.seconds, 1),
        **asdict(outcome.state.schedule),
        "ended": outcome.state.finished or "interrupted",
    }
