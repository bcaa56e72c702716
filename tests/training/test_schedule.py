"""What the validation score decides, in tables: epoch by epoch, score and loss to a decision."""

from dataclasses import asdict

import pytest

from seqtasks.config import TrainingConfig
from seqtasks.training.schedule import Schedule

# name: (patience, plateau_patience), [(score, loss, decision), ...]
TABLES = {
    "rising": ((2, 1), [(0.1, 1.0, "best"), (0.2, 1.0, "best"), (0.3, 2.0, "best")]),
    "a worst first score is still the best so far": ((2, 1), [(0.0, 9.0, "best")]),
    "falling": ((3, 1), [(0.5, 1, "best"), (0.4, 1, "lower"), (0.3, 1, "lower"), (0.2, 1, "stop")]),
    "equal score and lower loss is better": ((2, 1), [(0.5, 1.0, "best"), (0.5, 0.9, "best")]),
    "equal score and equal loss is not": ((2, 1), [(0.5, 1.0, "best"), (0.5, 1.0, "lower")]),
    "equal score and higher loss is not": ((2, 1), [(0.5, 1.0, "best"), (0.5, 1.1, "lower")]),
    "a lower loss does not help a lower score": ((2, 1), [(0.5, 1.0, "best"), (0.4, 0.1, "lower")]),
    "the loss of the best, not the lowest loss, counts": (
        (4, 3),
        [(0.5, 0.1, "best"), (0.6, 2.0, "best"), (0.6, 1.0, "best"), (0.6, 1.5, "go on")],
    ),
    "patience of 1 stops at once": ((1, 1), [(0.5, 1, "best"), (0.4, 1, "stop")]),
    "a slow plateau": (
        (6, 2),
        [
            (0.5, 1, "best"),
            (0.4, 1, "go on"),
            (0.4, 1, "lower"),
            (0.4, 1, "go on"),
            (0.4, 1, "lower"),
            (0.4, 1, "go on"),
            (0.4, 1, "stop"),
        ],
    ),
    "a new best starts both counts again": (
        (3, 2),
        [
            (0.5, 1, "best"),
            (0.4, 1, "go on"),
            (0.6, 1, "best"),
            (0.4, 1, "go on"),
            (0.4, 1, "lower"),
            (0.7, 1, "best"),
            (0.4, 1, "go on"),
            (0.4, 1, "lower"),
            (0.4, 1, "stop"),
        ],
    ),
    "stopping comes before lowering": (
        (2, 2),
        [(0.5, 1, "best"), (0.4, 1, "go on"), (0, 1, "stop")],
    ),
}


@pytest.mark.parametrize(("patience", "table"), TABLES.values(), ids=TABLES)
def test_the_decisions_are_those_of_the_table(patience, table):
    config = TrainingConfig(patience=patience[0], plateau_patience=patience[1])
    schedule, decisions = Schedule(), []
    for epoch, (score, loss, _) in enumerate(table, 1):
        decisions.append(schedule.decide(score, loss, epoch, config))
    assert decisions == [decision for _, _, decision in table]
    best_epoch = max(n for n, decision in enumerate(decisions, 1) if decision == "best")
    assert schedule.best_epoch == best_epoch
    assert (schedule.best_score, schedule.best_loss) == table[best_epoch - 1][:2]


@pytest.mark.parametrize("cut", range(9))
def test_a_schedule_taken_up_again_decides_as_one_that_was_never_left(cut):
    patience, table = TABLES["a new best starts both counts again"]
    config = TrainingConfig(patience=patience[0], plateau_patience=patience[1])
    schedule, decisions = Schedule(), []
    for epoch, (score, loss, _) in enumerate(table, 1):
        if epoch == cut:
            schedule = Schedule(**asdict(schedule))
        decisions.append(schedule.decide(score, loss, epoch, config))
    assert decisions == [decision for _, _, decision in table]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_an_epoch_without_a_loss_that_is_a_number_is_never_the_best_of_equal_scores(loss):
    config = TrainingConfig(patience=5, plateau_patience=5)
    schedule = Schedule()
    schedule.decide(0.5, 1.0, 1, config)
    assert schedule.decide(0.5, loss, 2, config) == "go on"
    assert schedule.best_epoch == 1
