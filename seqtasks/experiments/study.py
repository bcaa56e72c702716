"""What Optuna is asked in a search: which values to try next, and whether a trial is worth its end.

The trials that have ended are kept in an SQLite file, which Optuna's own tools read, too. Nothing
else decides: what is asked for trial n is a function of them, of the seed and of n, since sampler
and pruner are made anew for each trial. So a search that was killed anywhere tries
the same as one that never was.
"""

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from seqtasks.config.sweep import Choices, Range, Space
from seqtasks.errors import ConfigError, RunError

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "hyperband", "none")
_NAME = "sweep"  # of the study in the file
_RANDOM = 6  # trials that TPE draws at random first
_COMPLETE = 4  # trials that the median wants before it prunes
_WARM = 1  # epochs before a trial may be pruned
_DRAWS = 100  # of values that must fit each other, such as an arch and its layers

End = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        number: counted from 1.
        values: of the space's keys.
        score: the best of validation; None where it failed before there was one.
        scores: of validation after each epoch.
        why: why it failed, or which trial before it had the same values.
    """

    number: int
    values: dict[str, Any]
    end: End
    score: float | None
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    why: str = ""


def check_optuna() -> None:
    """Check that Optuna is installed; it isn't imported.

    Raises:
        ConfigError: says how to install it.
    """
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise ConfigError(
            "seqtasks sweep needs Optuna, which is not installed: pip install 'seqtasks[sweep]'"
        )


class Study:
    """The trials of a search.

    Args:
        file: the SQLite file; made if need be.
        space: what is searched over.
        sampler, pruner: their names.
        epochs: of a trial at most.
        seed: of the sampler.

    Raises:
        RunError: where the file is damaged, or can't be written.
    """

    def __init__(self, file: Path, space: Space, sampler: str, pruner: str, epochs: int, seed: int):
        self._file, self._space, self._seed = file, space, seed
        self._sampler, self._pruner, self._epochs = sampler, pruner, epochs
        self._storage: Any = None
        with self._errors():
            self._kept = self._open()
            ended = self._kept.get_trials()
        self.trials = [_read(trial, space) for trial in ended]

    def begin(
        self, config_values: Mapping[str, Any], fits: Callable[[dict[str, Any]], object]
    ) -> "Asked":
        """Ask what to try next.

        Args:
            config_values: what the configuration itself has; the first trial has them, so far as
                they are of the space, so that no search ends below where it began.
            fits: raises ConfigError where values don't fit each other; then others are drawn.

        Raises:
            ConfigError: where none fit.
        """
        with self._errors():
            ended = self._kept.get_trials()
        for draw in range(_DRAWS):
            own = config_values if not ended and draw < _DRAWS // 2 else {}
            asked = self._ask(ended, draw, own)
            try:
                fits(asked.values)
            except ConfigError as error:
                problem = error
            else:
                return asked
        raise ConfigError(f"none of {_DRAWS} draws from the space fits, the last one: {problem}")

    def _ask(self, ended: list[Any], draw: int, first: Mapping[str, Any]) -> "Asked":
        import optuna

        number = len(ended) + 1
        memory = optuna.create_study(
            study_name=_NAME,
            direction="maximize",
            sampler=self._make_sampler(number, draw),
            pruner=self._make_pruner(),
        )
        memory.add_trials(ended)
        own = {key: _to_optuna(self._space[key], value) for key, value in first.items()}
        if own := {key: value for key, value in own.items() if value is not None}:
            memory.enqueue_trial(own)
        distributions = {key: _distribution(allowed) for key, allowed in self._space.items()}
        return Asked(number, memory.ask(distributions), self._space)

    def add(self, trial: Trial) -> None:
        """Keep a trial that has ended; a kill leaves it out, or whole.

        Raises:
            RunError: where the disk refuses.
        """
        import optuna

        states = optuna.trial.TrialState
        # What failed has no score, which makes TPE avoid its like as it does the worst.
        state = states.COMPLETE if trial.end == "complete" else states.PRUNED
        with self._errors():
            self._kept.add_trial(
                optuna.trial.create_trial(
                    state=state,
                    value=trial.score if trial.end == "complete" else None,
                    params={k: _to_optuna(self._space[k], v) for k, v in trial.values.items()},
                    distributions={k: _distribution(a) for k, a in self._space.items()},
                    intermediate_values=dict(enumerate(trial.scores, start=1)),
                    user_attrs={"end": trial.end, "seconds": trial.seconds, "why": trial.why},
                )
            )
        self.trials.append(trial)

    def importances(self) -> dict[str, float]:
        """How much of the scores' variance each key explains, the most first; {} if too few ended.

        Of complete trials, by random forests (Hutter et al. 2014, fANOVA).
        """
        import optuna

        complete = {trial.score for trial in self.trials if trial.end == "complete"}
        if len(complete) < 4:
            return {}
        with self._errors():
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
            found = optuna.importance.get_param_importances(self._kept, evaluator=evaluator)
        return {key: float(share) for key, share in found.items()}

    def _make_sampler(self, number: int, draw: int) -> Any:
        import optuna

        digest = blake2b(f"{self._seed}\0{number}\0{draw}".encode(), digest_size=4).digest()
        seed = int.from_bytes(digest, "big")
        if self._sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(n_startup_trials=_RANDOM, seed=seed)

    def _make_pruner(self) -> Any:
        import optuna

        if self._pruner == "median":
            return optuna.pruners.MedianPruner(_COMPLETE, _WARM)
        if self._pruner == "hyperband":
            return optuna.pruners.HyperbandPruner(_WARM, self._epochs)
        return optuna.pruners.NopPruner()

    def close(self) -> None:
        """Let go of the file, which Windows neither moves nor removes while it is open."""
        if self._storage is not None:
            self._storage.engine.dispose()

    def _open(self) -> Any:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        url = f"sqlite:///{self._file.resolve().as_posix()}"
        with warnings.catch_warnings(action="ignore"):
            self._storage = optuna.storages.RDBStorage(url)
            return optuna.create_study(
                storage=self._storage,
                study_name=_NAME,
                direction="maximize",
                load_if_exists=True,
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what goes wrong with the file into an error of ours."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, RuntimeError, AssertionError) as error:
            reason = " ".join(str(error).split())
            raise RunError(
                f"{self._file}: can't be used: {reason:.150}; restore it from a copy, or choose "
                "another --name"
            ) from error


class Asked:
    """A trial under way.

    Attributes:
        number: counted from 1.
        values: of the space's keys.
    """

    def __init__(self, number: int, asked: Any, space: Space):
        self.number = number
        self.values = {key: _from_optuna(space[key], asked.params[key]) for key in space}
        self._asked = asked

    def prunes(self, epoch: int, score: float) -> bool:
        """Whether a trial with such a score after an epoch, counted from 1, is to end there."""
        self._asked.report(score, epoch)
        return bool(self._asked.should_prune())


def _distribution(allowed: Choices | Range) -> Any:
    from optuna import distributions

    if isinstance(allowed, Choices):
        return distributions.CategoricalDistribution([json.dumps(v) for v in allowed.values])
    high = allowed.near(allowed.high)  # which a step may fall short of
    if allowed.whole:
        step = int(allowed.step or 1)
        return distributions.IntDistribution(int(allowed.low), int(high), allowed.log, step)
    return distributions.FloatDistribution(allowed.low, high, allowed.log, allowed.step)


def _to_optuna(allowed: Choices | Range, value: Any) -> Any:
    """A value as Optuna keeps it; None where the space hasn't got it."""
    if isinstance(allowed, Choices):
        return next((json.dumps(one) for one in allowed.values if one == value), None)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and allowed.low <= value == allowed.near(value) else None


def _from_optuna(allowed: Choices | Range, value: Any) -> Any:
    return json.loads(value) if isinstance(allowed, Choices) else allowed.near(value)


def _read(kept: Any, space: Space) -> Trial:
    try:
        values = {key: _from_optuna(space[key], kept.params[key]) for key in space}
        about = kept.user_attrs
        scores = [score for _, score in sorted(kept.intermediate_values.items())]
        score = kept.value if about["end"] == "complete" else max(scores, default=None)
        return Trial(
            kept.number + 1, values, about["end"], score, scores, about["seconds"], about["why"]
        )
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"trial {kept.number + 1} in the sweep's study.db is none of `seqtasks sweep`; choose "
            "another --name"
        ) from error
