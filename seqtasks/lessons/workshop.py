"""Where a lesson's figures are made: what it trains, once, and what it says meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtasks.config import load_config
from seqtasks.lessons.words import Both, Language

if TYPE_CHECKING:
    from seqtasks.config import RunConfig
    from seqtasks.data.splits import Splits
    from seqtasks.experiments.facts import Facts
    from seqtasks.runs import Run

_FEW = 48  # examples of a split where all is small


@dataclass
class Workshop:
    """Makes what figures show, each of it once, whatever languages the pages are in.

    Attributes:
        folder: where the runs go, each under its own name, replaced where it was there.
        tell: called with a line for each thing that is made.
        small: whether everything is as small as it can be, to see the form and not the figures.
        language: that of the words in figures, and of the stories that are read.
    """

    folder: Path
    tell: Callable[[str], None]
    small: bool = False
    language: Language = "en"
    _made: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._first: Language = self.language

    @property
    def told_in(self) -> Language:
        """The language of stories: where all is small, the first one's serve all pages."""
        return self._first if self.small else self.language

    def word(self, en: str, ko: str) -> str:
        """One of two words, by the language."""
        return Both(en, ko).of(self.language)

    def size(self, full: int, small: int) -> int:
        """One of two sizes."""
        return small if self.small else full

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` made when it was first asked for by this key."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def train(self, name: str, task: str, **keys: Any) -> Run:
        """Train a run, once, whatever it is called.

        Args:
            name: of the run.
            task: what is trained.
            keys: of the configuration, `__` for the dot: `model__arch="lstm"`.
        """
        config = self._config(task, keys)
        return self._trained(config.model_copy(update={"name": name}), self.folder)

    def compare(
        self,
        name: str,
        task: str,
        over: Sequence[tuple[str, Sequence[Any]]],
        seeds: Sequence[int] = (1,),
        **keys: Any,
    ) -> list[Facts]:
        """Train what `seqtasks compare` would, each run once, and read what is known of them.

        Args:
            name: of the folder of the runs.
            task: what is trained.
            over: keys, dotted, and the values that they take in turn.
            seeds: those of each combination.
            keys: what all runs have, as in `train`.
        """
        from seqtasks.experiments.facts import facts
        from seqtasks.experiments.grid import grid

        configs = grid(self._config(task, keys), over, seeds)
        return [facts(self._trained(config, self.folder / name)) for config in configs]

    def _config(self, task: str, keys: dict[str, Any]) -> RunConfig:
        dotted = {key.replace("__", "."): value for key, value in keys.items()}
        return load_config((), (), {"seed": 1, **dotted, "task": task})

    def _trained(self, config: RunConfig, folder: Path) -> Run:
        def make() -> Run:
            from seqtasks.training.train import train

            name = (folder / str(config.name)).relative_to(self.folder).as_posix()
            what = f"{config.model.arch}, {config.data.source}"
            self.tell(self.word(f"Training {name} ({what})", f"{name} 학습 ({what})"))
            started = time.perf_counter()
            outcome = train(config, folder, True, _Quiet(), self.splits(config))
            if not outcome.state.finished:  # a signal ended it, and it saved what there was
                raise KeyboardInterrupt
            best = outcome.state.schedule
            self.tell(
                f"  {outcome.score} {best.best_score:.4f}, {outcome.state.epoch} "
                + self.word("epochs", "에포크")
                + f", {time.perf_counter() - started:.0f} s"
            )
            return outcome.run

        trained = config.model_copy(update={"name": None}).to_yaml()
        return self.once(("run", trained), make)

    def splits(self, config: RunConfig) -> Splits:
        """The data of a configuration, read once; where all is small, the first few of each."""

        def load() -> Splits:
            from seqtasks.data.splits import Splits
            from seqtasks.tasks.sources import load_splits

            whole = load_splits(config)
            if not self.small:
                return whole
            parts = {name: part.select(_few(len(part))) for name, part in whole.parts().items()}
            return Splits(parts["train"], parts["validation"], parts.get("test"))

        return self.once(("splits", config.data.model_dump_json(), config.task, config.seed), load)

    def predictor(self, run: Run) -> Any:
        """A run's predictor, loaded once."""

        def load() -> Any:
            from seqtasks.tasks.finished_run import load_predictor

            return load_predictor(run, run.config)

        return self.once(("predictor", run.path), load)


def _few(examples: int) -> range:
    """Some rows of a split, from all of it; the odd step mixes what takes turns."""
    return range(0, examples, max(examples // _FEW, 1) | 1)


class _Quiet:
    """A watcher of training that says nothing."""

    def progressed(self, progress: Any) -> None:
        """Some batches later."""

    def epoch_ended(self, result: Any) -> None:
        """An epoch later."""
