"""The loop over epochs: train, validate, keep the best weights, log, stop at the right time."""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import keras
import tensorflow as tf

from seqtasks.config import TrainingConfig
from seqtasks.errors import TrainingError
from seqtasks.inspection.recurrent_weights import singular_values
from seqtasks.runs import Run
from seqtasks.tasks.finished_run import load_weights
from seqtasks.tasks.task import Batches
from seqtasks.training.adam import tables_by_rows
from seqtasks.training.levels import Levels
from seqtasks.training.record import NoRecord, Record
from seqtasks.training.schedule import epochs_told
from seqtasks.training.state import TrainingState, state_of
from seqtasks.training.step import Totals, TrainingStep
from seqtasks.training.team import ALONE, Alone

_PROGRESS_SECONDS = 0.5
# A mean loss that no training recovers from. A cross-entropy of 1e6 gives right answers the
# probability e^-1e6, and numbers are learnt in deviations from their mean, where to say the mean
# costs 1. What a class counts (training.class_weight) comes on top.
_OUT_OF_BOUNDS = 1e6


@dataclass(frozen=True)
class Progress:
    """How far an epoch is."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    totals: Totals
    seconds: float  # of this epoch, in this process


@dataclass(frozen=True)
class EpochResult:
    """The result of an epoch; a line of metrics.jsonl."""

    epoch: int
    train_loss: float
    validation_loss: float
    score: float
    learning_rate: float
    examples_per_second: float
    tokens_per_second: float
    seconds: float  # of the whole training so far
    best: bool
    # Of the gradients of all parameters as one vector, before they are clipped to `clip_norm` (and
    # after `clip_value`); None where the epoch was finished by an earlier version but for its end.
    gradient_norm: float | None = None  # mean over the steps
    largest_gradient_norm: float | None = None
    clipped: float | None = None  # share of the steps
    # Of each W_h (H, G) as it is trained, its gates' blocks beside each other.
    largest_singular_values: dict[str, float] = field(default_factory=dict)
    smallest_singular_values: dict[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """What of it is known, for metrics.jsonl and TensorBoard."""
        return {name: value for name, value in vars(self).items() if value not in (None, {})}


class Watcher(Protocol):
    """Somebody who is told how training goes."""

    def progressed(self, progress: Progress) -> None:
        """The model was trained on some more batches."""

    def epoch_ended(self, result: EpochResult) -> None:
        """An epoch was trained and validated."""


def fit(
    model: keras.Model,
    loss: Callable[[Any, Any], tf.Tensor],
    batches: Callable[..., Batches],
    validate: Callable[[], tuple[float, float]],
    config: TrainingConfig,
    run: Run,
    watcher: Watcher,
    resume: bool = False,
    ended: bool = False,
    saved: Callable[[], None] = lambda: None,
    late: Any = None,
    levels: Levels | None = None,
    team: Alone = ALONE,
) -> TrainingState:
    """Train a model until its score stops rising; leave the best weights in the run and the model.

    Before the first batch, after each epoch and every `save_minutes` in one, a state is saved from
    which training goes on to the same weights, to the last bit. SIGINT (Ctrl-C), SIGTERM and SIGHUP
    save one too, and end training.

    Args:
        model: maps inputs to outputs, both as the task defines them.
        loss: (targets, outputs) to the loss of each example or real token, (any,).
        batches: called with the number of an epoch, counted from 0, and how many of its first
            batches to leave out; returns the data set of the others, (inputs, targets) each, always
            the same for the same numbers, and how many batches the whole epoch has. With a team
            a `share` of them is asked for (`seqtasks.tasks.task.BatchesOfEpoch`).
        validate: returns the mean loss and the score, higher is better, of the model as it is.
        resume: whether to go on from the run's saved state.
        ended: whether that state is the end, and only what is made of it is missing.
        saved: called whenever a state was saved.
        late: vectors that are trained from some epoch on
            (`seqtasks.tasks.outside_vectors.LateVectors`).
        levels: which weights are trained by when, and how fast; None: all alike.
        team: the processes, or the devices of this one, that train the model together. Of several
            processes worker 0 validates and keeps what is to be kept; the run of the others is
            theirs alone to read.

    Returns:
        The state at the end. `finished` says why it ended and is empty after an interruption, when
        the run can be resumed.

    Raises:
        TrainingError: where the loss is no longer a number, or out of all bounds.
        RunError: where the disk is full, or the state to resume from is missing or damaged.
    """
    step = TrainingStep(
        model,
        loss,
        config.learning_rate,
        config.clip_norm,
        config.average_decay,
        config.clip_value,
        late,
        config.average_last,
        levels,
        tables_by_rows(model, config),
        team,
    )
    record = Record(run) if team.leads else NoRecord(run)
    state = record.load(step.variables()) if resume else TrainingState()
    state.finished = (state.finished or epochs_told(state.epoch)) if ended else ""
    record.begin(state)

    def save() -> None:
        step.settle()
        record.save(state, step.variables(), saved)

    def validated() -> tuple[float, float]:
        return tuple(team.told(validate))

    with record.open(), team.watched(), _interruption() as interrupted:
        state = _state_of_all(team, state)
        step.set_apart()
        if not resume:
            save()
        while not state.finished and state.epoch < config.epochs:
            if late:
                late.begin(state.epoch)
            step.begin(state.epoch)
            if not _train_epoch(step, batches, config, state, watcher, interrupted, save, team):
                save()
                return state
            result = _end_epoch(step, validated, config, state, record)
            save()
            record.epoch_ended(state)
            watcher.epoch_ended(result)
            if team.agree(interrupted)[0] and not state.finished:
                return state
    if state.schedule.best_score is not None and team.leads:
        load_weights(model, run)
    return state


def _train_epoch(step, batches, config, state, watcher, interrupted, save, team) -> bool:
    """Train on the rest of the current epoch; False where it was interrupted."""
    dataset, count = team.batches(batches, state.epoch, state.batch)
    started = shown = kept = time.perf_counter()
    spent_before = state.seconds
    # Whatever ends the loop, the step that was begun is finished and counted.
    for batch in dataset:
        step(*batch)
        state.batch += 1
        now = time.perf_counter()
        state.seconds = spent_before + now - started
        if now - shown > _PROGRESS_SECONDS or state.batch == count:
            shown = now
            totals = _checked_totals(step, state, config)
            epoch = state.epoch + 1
            seconds = now - started
            watcher.progressed(Progress(epoch, config.epochs, state.batch, count, totals, seconds))
        due = bool(config.save_minutes) and now - kept > 60 * config.save_minutes
        stops, saves = team.agree(interrupted, lambda due=due: due)
        if stops:
            _checked_totals(step, state, config)  # what is no number is not worth saving
            return False
        if saves and state.batch < count:
            _checked_totals(step, state, config)
            save()
            kept = time.perf_counter()
    return True


def _state_of_all(team, state) -> TrainingState:
    """Worker 0's state, where several processes train together."""
    return state_of(team.told(lambda: asdict(state))) if team.several else state


def _checked_totals(step, state, config) -> Totals:
    totals = step.totals()
    _check_finite(totals.loss, "loss", state, config)
    weights = getattr(config, "class_weight", None)
    heaviest = max(weights.values()) if isinstance(weights, dict) else 1.0
    if totals.mean_loss > _OUT_OF_BOUNDS * max(heaviest, 1.0):
        raise TrainingError(
            f"the loss is out of all bounds, {totals.mean_loss:.1e} on average "
            f"({_place(state)}). {_lower_rate(config)}"
        )
    return totals


def _check_finite(loss, what, state, config) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the {what} is no longer a number ({_place(state)}). {_lower_rate(config)},"
            f" or a smaller --set training.clip_norm={config.clip_norm / 4:g}"
        )


def _place(state) -> str:
    return f"epoch {state.epoch + 1}, batch {state.batch}"


def _lower_rate(config) -> str:
    """What to try; a quarter of a rate that no network learns at would be another such one."""
    usual = type(config).model_fields["learning_rate"].default
    lower = config.learning_rate / 4 if config.learning_rate <= 1 else usual
    return f"Try a lower learning rate, --set training.learning_rate={lower:g}"


def _end_epoch(step, validate, config, state, record) -> EpochResult:
    """Validate, decide what follows from it, and keep the weights if they are the best."""
    totals = _checked_totals(step, state, config)
    started = time.perf_counter()
    rate = _rates(totals, state)
    step.end_epoch(state.epoch)
    step.swap_averages()
    validation_loss, score = validate()
    _check_finite(validation_loss, "validation loss", state, config)
    state.epoch += 1
    state.batch = 0
    decision = state.schedule.decide(score, validation_loss, state.epoch, config)
    if decision == "best":
        record.save_weights(step.model)
    step.swap_averages()
    singular = singular_values(step.model)
    state.seconds += time.perf_counter() - started
    result = EpochResult(
        epoch=state.epoch,
        train_loss=totals.mean_loss,
        validation_loss=validation_loss,
        score=score,
        learning_rate=step.learning_rate,
        examples_per_second=rate[0],
        tokens_per_second=rate[1],
        seconds=state.seconds,
        best=decision == "best",
        gradient_norm=totals.mean_gradient_norm,
        largest_gradient_norm=totals.largest_gradient_norm if totals.steps else None,
        clipped=totals.clipped_share,
        largest_singular_values={name: float(values[0]) for name, values in singular.items()},
        smallest_singular_values={name: float(values[-1]) for name, values in singular.items()},
    )
    if decision == "lower":
        step.learning_rate = step.learning_rate * config.plateau_factor
    if decision == "stop":
        state.finished = f"no better score in {epochs_told(config.patience)}"
    if config.target_score is not None and score >= config.target_score:
        state.finished = f"the score reached {config.target_score:g}"
    if not state.finished and state.epoch >= config.epochs:
        state.finished = epochs_told(config.epochs)
    step.reset_totals()
    state.rows.append(result.row())
    return result


def _rates(totals: Totals, state: TrainingState) -> tuple[float, float]:
    """Examples and tokens per second in the epoch that just ended."""
    before = state.rows[-1]["seconds"] if state.rows else 0.0
    seconds = max(state.seconds - before, 1e-9)
    return totals.examples / seconds, totals.tokens / seconds


@contextlib.contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Note the first Ctrl-C instead of stopping in the middle of a step; a second one stops there.

    SIGTERM, by which a machine is shut down, and SIGHUP, by which a terminal is closed, are noted
    too, unless they are ignored, as after `nohup`. Outside the main thread signals can't be caught,
    and all is left as it is.
    """
    asked = False
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # the last one is Windows'
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {}

    def note(signum, frame):
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    try:
        with contextlib.suppress(ValueError):  # outside the main thread
            for number in numbers:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, note)
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
