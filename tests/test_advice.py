"""Advice: each symptom has its line, a good model has none, and every option named exists."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from seqtasks import advice
from seqtasks.config import CONFIGS, load_config

PAGE = (Path(__file__).parents[1] / "configs" / "README.md").read_text("utf-8")


def evaluation(**changed):
    good = {"baseline": "a bag of words", "accuracy": 0.9, "baseline_accuracy": 0.8}
    return SimpleNamespace(**{**good, "macro_f1": 0.88, "ece": 0.03, **changed})


ROWS = [
    {"epoch": 1, "score": 0.6, "train_loss": 0.7, "validation_loss": 0.7},
    {"epoch": 2, "score": 0.8, "train_loss": 0.5, "validation_loss": 0.6},
    {"epoch": 3, "score": 0.7, "train_loss": 0.1, "validation_loss": 0.9},
]
SAID = [
    (advice.for_evaluation(evaluation(baseline_accuracy=0.9)), "a bag of words is as good"),
    (advice.for_evaluation(evaluation(macro_f1=0.6)), "rare classes"),
    (advice.for_evaluation(evaluation(ece=0.2)), "too sure"),
    (advice.for_training(ROWS[:2], 2), "the last epoch was the best"),
    (advice.for_training([{**ROWS[1], "validation_loss": 0.8}, ROWS[2]], 3), "far above"),
    (advice.for_training([{**ROWS[0], "train_loss": 364.0}], 1), "364, far above that of guessing"),
    (advice.for_data({"validation": {"unknown_rate": 0.25}}, "word"), "25 % of the words"),
    (advice.for_data({"train": {"labels": {"a": 90, "b": 9}}}, "word"), "the class b is rare"),
]


@pytest.mark.parametrize(("lines", "said"), SAID, ids=[said for _, said in SAID])
def test_a_symptom_has_one_line_with_an_option_that_exists(lines, said):
    (line,) = lines
    assert said in line
    check_options(line)


def test_what_is_well_has_no_advice():
    assert list(advice.for_evaluation(evaluation())) == []
    assert list(advice.for_evaluation(SimpleNamespace(perplexity=3.0))) == []
    assert list(advice.for_training(ROWS, 3)) == []
    assert list(advice.for_training(ROWS[:2], 20)) == []
    assert list(advice.for_training([], 3)) == []
    well = {"train": {"labels": {"a": 50, "b": 40}}, "validation": {"unknown_rate": 0.05}}
    assert list(advice.for_data(well, "word")) == []
    assert list(advice.for_data({"validation": {"unknown_rate": 0.9}}, "char")) == []


def test_nothing_is_suggested_that_is_so_already():
    peer = SimpleNamespace(score=0.95)
    (line,), (other,) = (advice.for_peer(evaluation(), peer, u) for u in ("word+char", "word"))
    assert "text.unit" not in line
    assert "--set text.unit=word+char" in other
    found = evaluation(peer=peer)
    assert line in advice.for_evaluation(found, "word+char")


def check_options(text):
    for line in text.splitlines():
        check_options_of_a_line(line)


def check_options_of_a_line(line):
    beside = ("from_run=RUN",) if "--from" in line else ()
    for setting in re.findall(r"--set ([\w.]+=[\w.+-]+)", line):
        section, _, key = setting.partition("=")[0].partition(".")
        tasks = [
            task
            for task, config in CONFIGS.items()
            if section in config.model_fields
            and key in getattr(config.model_fields[section].annotation, "model_fields", {})
        ]
        assert tasks, setting
        load_config((), (f"task={tasks[0]}", *beside, setting))


def test_the_page_names_options_that_exist_and_files_that_are_there():
    check_options(PAGE)
    for name in re.findall(r"`([\w-]+\.yaml)`", PAGE):
        assert (Path(__file__).parents[1] / "configs" / name).is_file()
    assert "When it isn't good enough" in PAGE.splitlines()[0]
    assert "When it isn't good enough" in advice.PAGE
