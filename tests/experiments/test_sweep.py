"""A search: the same trials whatever happens to it, and what is left of each."""

import math
import random

import pytest

pytest.importorskip("optuna")

from seqtasks.config import load_config
from seqtasks.config.sweep import Choices, Range
from seqtasks.errors import RunError, TrainingError
from seqtasks.experiments import sweep as sweeps
from seqtasks.experiments.facts import epochs
from seqtasks.experiments.study import Study, Trial
from seqtasks.experiments.sweep import Searched, Sweep, check_sweep
from seqtasks.runs import create_run
from seqtasks.training.fit import EpochResult
from seqtasks.training.state import TrainingState, save_state

SPACE = {
    "training.learning_rate": Range(1e-3, 0.3, log=True),
    "model.dropout": Range(0.0, 0.6, step=0.05),
    "model.units": Range(8, 64),
    "model.arch": Choices(("rnn", "gru", "stacked-lstm")),
    "model.layers": Choices((1, 2)),
}
EPOCHS = 6


class Killed(BaseException):
    """What takes the place of SIGKILL: nothing in the code may catch it."""


class Silent:
    """Notes what ended."""

    def __init__(self):
        self.seen = []

    def begins(self, number, values):
        self.seen.append(("begins", number))

    def ended(self, trial):
        self.seen.append((trial.end, trial.number))

    def compares(self, number, seed, left):
        self.seen.append(("compares", number, seed, left))

    def progressed(self, progress):
        pass

    def epoch_ended(self, result):
        pass


def quality(config, epoch):
    """A score that depends on the configuration and its seed, and grows with the epochs."""
    away = math.log10(config.training.learning_rate / 0.01) ** 2 + config.model.dropout
    noise = random.Random(f"{config.seed} {config.model.units} {epoch}").uniform(-0.02, 0.02)
    bonus = 0.1 * (config.model.arch == "gru")
    return 0.8 - 0.2 * away + bonus - 0.3 / epoch + noise


class Trainer:
    """Takes the place of a training: scores are computed, and files written as a run has them.

    Args:
        dies: in which epoch, of all trials, it is killed; 0: in none.
        written: how many of the two files with the epoch's figures are written by then.
    """

    def __init__(self, dies=0, written=0):
        self.epochs, self.dies, self.written = 0, dies, written

    def __call__(self, planned, folder, judge, splits):
        config = planned.config
        run = planned.run or create_run(folder / config.name, config, lambda folder: None)
        if config.training.learning_rate > 0.2:
            raise TrainingError("the loss is no longer a number")
        rows = epochs(run)
        for epoch in range(len(rows) + 1, EPOCHS + 1):
            self.epochs += 1
            self.may_die(0)
            score = quality(config, epoch)
            result = EpochResult(epoch, 1.0, 1.0, score, 0.1, 9.0, 9.0, epoch * 2.0, False)
            rows.append(result.row())
            state = TrainingState(epoch, rows=rows)
            state.finished = "6 epochs" if epoch == EPOCHS else ""
            save_state(run.last_state, state, [])
            self.may_die(1)
            run.write_metrics(rows)
            self.may_die(2)
            judge.epoch_ended(result)
        run.best_weights.touch()
        run.model_card.touch()
        run.learning_curve.touch()
        return True

    def may_die(self, written):
        if self.epochs == self.dies and written == self.written:
            raise Killed


@pytest.fixture(scope="module")
def searched():
    options = {"training.epochs": EPOCHS, "data.source": "films.tsv", "model.arch": "gru"}
    return Searched(load_config(options=options), SPACE, "tpe", "median")


def run(folder, searched, trials=14, trainer=None):
    """Search in a folder; give the trials as they are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps, "_train", trainer or Trainer())
        found = Sweep(folder, searched)
        try:
            assert found.search(trials, Silent())
            return list(found.trials)
        finally:
            found.close()


@pytest.fixture(scope="module")
def straight(searched, tmp_path_factory):
    """A search that nothing happened to, and its folder."""
    folder = tmp_path_factory.mktemp("sweeps") / "straight"
    return run(folder, searched), folder


def what(trials):
    return [(t.number, t.values, t.end, t.score, t.scores, t.why) for t in trials]


def test_a_search_that_is_killed_anywhere_tries_the_same(searched, straight, tmp_path):
    trials, _ = straight
    assert {trial.end for trial in trials} == {"complete", "pruned", "failed"}
    total = sum(len(trial.scores) for trial in trials)
    first = next(trial.number for trial in trials if trial.end == "pruned")
    pruned_in = sum(len(trial.scores) for trial in trials[: first - 1]) + 1
    for dies, written in ((2, 0), (pruned_in, 1), (total // 2, 2), (total - 1, 1)):
        with pytest.raises(Killed):
            run(tmp_path / str(dies), searched, trainer=Trainer(dies, written))
        assert what(run(tmp_path / str(dies), searched)) == what(trials), dies


def test_a_search_in_pieces_tries_the_same_and_another_seed_others(searched, straight, tmp_path):
    for count in (2, 5, 9):
        pieces = run(tmp_path / "pieces", searched, count)
    assert what(pieces) == what(straight[0][:9])
    other = searched.config.model_copy(update={"seed": 5})
    found = run(tmp_path / "other", Searched(other, SPACE, "tpe", "median"), 3)
    assert [t.values for t in found[1:]] != [t.values for t in straight[0][1:3]]


def test_tpe_learns_from_what_was_tried_and_random_does_not(tmp_path):
    space = {"model.dropout": Range(0.0, 0.6), "model.units": Choices((8, 9))}
    drawn = {}
    for sampler in ("tpe", "random"):
        for best in (0.1, 0.5):
            study = Study(tmp_path / f"{sampler}{best}.db", space, sampler, "none", 3, seed=1)
            for number in range(1, 21):
                at = number / 40
                score = 1 - (at - best) ** 2
                values = {"model.dropout": at, "model.units": 8}
                study.add(Trial(number, values, "complete", score, [score]))
            asked = [study._ask(study._kept.get_trials(), n, {}).values for n in range(9)]
            drawn[sampler, best] = [values["model.dropout"] for values in asked]
            study.close()
    assert drawn["random", 0.1] == drawn["random", 0.5]
    assert len(set(drawn["random", 0.1])) == 9
    low, high = (sum(drawn["tpe", best]) / 9 for best in (0.1, 0.5))
    assert low < 0.2 < 0.4 < high


def test_values_fit_each_other_and_the_first_are_those_of_the_configuration(searched, straight):
    trials, _ = straight
    pairs = {(t.values["model.arch"], t.values["model.layers"]) for t in trials}
    assert pairs <= {("rnn", 1), ("gru", 1), ("stacked-lstm", 1), ("stacked-lstm", 2)}
    assert len(pairs) > 2
    first = dict(trials[0].values)
    assert first.pop("model.layers") == 1  # which the configuration leaves open
    assert first == {key: searched.values()[key] for key in first}
    for trial in trials:
        assert 8 <= trial.values["model.units"] <= 64
        steps = trial.values["model.dropout"] / 0.05
        assert steps == pytest.approx(round(steps))
        rate = trial.values["training.learning_rate"]
        assert float(f"{rate:.3g}") == rate


def test_a_pruned_trial_was_worse_than_half_of_the_others_and_keeps_little(straight):
    trials, folder = straight
    pruned = [t for t in trials if t.end == "pruned"]
    for trial in pruned:
        epoch = len(trial.scores)
        before = [t for t in trials[: trial.number - 1] if t.end == "complete"]
        others = sorted(t.scores[epoch - 1] for t in before)
        assert len(others) >= 4
        assert max(trial.scores) < others[len(others) // 2]
        kept = {path.name for path in (folder / "trials" / f"{trial.number:03}").iterdir()}
        assert kept <= {"config.yaml", "metrics.jsonl", "checksums.json", "environment.json"}
    complete = next(t for t in trials if t.end == "complete")
    assert (folder / "trials" / f"{complete.number:03}" / "checkpoints").is_dir()


def test_what_fails_is_told_and_the_search_goes_on(straight):
    trials, _ = straight
    failed = [trial for trial in trials if trial.end == "failed"]
    assert failed == [t for t in trials if t.values["training.learning_rate"] > 0.2]
    assert all("no longer a number" in trial.why and trial.score is None for trial in failed)


def test_the_best_few_are_compared_by_the_mean_of_their_seeds(searched, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "_train", Trainer())
    screen, found = Silent(), Sweep(tmp_path / "compared", searched)
    found.search(8, screen)
    best = found.compare(3, [1, 2, 3], screen)
    assert len([seen for seen in screen.seen if seen[0] == "compares"]) == 6
    complete = sorted((t.score for t in found.trials if t.end == "complete"), reverse=True)
    assert {one.scores[0] for one in best} == {*complete[:3]}
    for one in best:
        for seed, score in zip((1, 2, 3), one.scores, strict=True):
            config = searched.config_of(one.trial.values, "x", seed)
            assert score == max(quality(config, epoch) for epoch in range(1, EPOCHS + 1))
    assert [one.mean for one in best] == sorted((one.mean for one in best), reverse=True)
    file = found.write_best(best[0], [1, 2, 3])
    config = load_config((file,))
    assert config.name is None
    flat = {**config.to_dict()}
    for key, value in best[0].trial.values.items():
        section, name = key.split(".")
        assert flat[section][name] == value
    importances = found.study.importances()
    assert {*importances} == {*SPACE}
    assert sum(importances.values()) == pytest.approx(1)
    found.close()


def test_what_was_tried_before_is_not_trained_again(searched, tmp_path, monkeypatch):
    small = Searched(searched.config, {"model.units": Choices((8, 9, 64))}, "random", "none")
    trainer = Trainer()
    monkeypatch.setattr(sweeps, "_train", trainer)
    found = Sweep(tmp_path / "small", small)
    found.search(8, Silent())
    assert trainer.epochs == EPOCHS * len({t.values["model.units"] for t in found.trials})
    assert sum(t.why.startswith("the same as trial") for t in found.trials) == 8 - 3
    assert len({one.trial.values["model.units"] for one in found.compare(5, [1], Silent())}) == 3
    found.close()


def test_a_folder_of_something_else_is_refused_and_left_alone(searched, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="exists and isn't a sweep; choose another --name"):
        check_sweep(other, searched)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RunError, match="a file, expected a folder"):
        check_sweep(file, searched)
    folder = tmp_path / "sweep"
    Sweep(folder, searched).close()
    check_sweep(folder, searched)
    for changed, told in (
        (Searched(searched.config, SPACE, "random", "median"), "sampler is 'tpe' there"),
        (
            Searched(searched.config, {**SPACE, "model.units": Choices((3,))}, "tpe", "median"),
            "units",
        ),
        (
            Searched(searched.config.model_copy(update={"seed": 2}), SPACE, "tpe", "median"),
            "seed is 1 there and 2 here",
        ),
    ):
        with pytest.raises(RunError, match=f"the folder of another sweep: .*{told}"):
            check_sweep(folder, changed)
    other = Searched(searched.config, SPACE, "tpe", "median", {"training": "ab12"})
    with pytest.raises(RunError, match="the data for training are not those the search was begun"):
        check_sweep(folder, other)
    (folder / "sweep.yaml").write_text("[")
    with pytest.raises(RunError, match="damaged"):
        check_sweep(folder, searched)


def test_a_folder_in_use_or_a_damaged_file_of_trials_is_told(searched, tmp_path):
    first = Sweep(tmp_path / "sweep", searched)
    with pytest.raises(RunError, match="searches here; wait until it ends"):
        Sweep(tmp_path / "sweep", searched)
    first.close()
    (tmp_path / "sweep" / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(RunError, match=r"study\.db: can't be used"):
        Sweep(tmp_path / "sweep", searched)
