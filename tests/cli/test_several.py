"""Several runs by one command: `train --seeds`, `compare` that trains, `runs`."""

import json
import re
import signal
import statistics
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from seqtasks.config import load_config
from seqtasks.runs.locks import Lock
from seqtasks.training.step import TrainingStep


def scores(run: Path):
    return [json.loads(line)["score"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(row["train_loss"], row["validation_loss"]) for row in rows]


@pytest.fixture(scope="module")
def command(films, tiny, tmp_path_factory):
    """Train two seeds for an epoch, in a folder of its own."""
    base = tmp_path_factory.mktemp("seeds")
    place = ("--name", "f", "--runs-dir", base, "--arch", "rnn")
    settings = (*tiny, "--set", "text.unit=word")
    return ("train", "--data", films, "--seeds", "2,5", "--epochs", 1, *place, *settings)


@pytest.fixture(scope="module")
def seeds(command, succeeds):
    """Two seeds, trained by one command that was interrupted in the second run, and given again."""
    taken, step = [], TrainingStep.__call__

    def interrupted(self, inputs, targets):
        step(self, inputs, targets)
        taken.append(inputs)
        if len(taken) == 7:  # of about ten, five of each run
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        first = succeeds(*command).stdout
    base = Path(command[command.index("--runs-dir") + 1])
    first_run = (base / "f-seed2" / "checkpoints" / "last.npz").stat().st_mtime_ns
    second = succeeds(*command).stdout
    assert (base / "f-seed2" / "checkpoints" / "last.npz").stat().st_mtime_ns == first_run
    return base, first, second


def test_an_interrupted_series_goes_on_by_the_same_command_with_what_is_missing(seeds):
    base, first, second = seeds
    assert "Interrupted; all of it is saved" in first
    assert "best run" not in first
    assert {path.name for path in base.iterdir()} == {"f-seed2", "f-seed5"}
    assert f"Run 1 of 2: {base / 'f-seed2'}: finished already\n" in second
    assert f"Run 2 of 2: {base / 'f-seed5'}\n" in second
    assert [load_config((base / f"f-seed{n}" / "config.yaml",)).seed for n in (2, 5)] == [2, 5]


@pytest.mark.slow
def test_a_run_of_a_series_is_what_it_would_be_alone(seeds, succeeds, films, tiny, tmp_path):
    base, _, _ = seeds
    place = ("--name", "alone", "--runs-dir", tmp_path, "--arch", "rnn", "--epochs", 1)
    unit = ("--set", "text.unit=word")
    succeeds("train", "--data", films, "--seed", 5, *place, *tiny, *unit)
    for mine, its in zip(losses(base / "f-seed5"), losses(tmp_path / "alone"), strict=True):
        assert mine == pytest.approx(its, rel=1e-5)


def test_a_series_has_a_mean_a_spread_and_a_best_run(seeds, command, succeeds):
    base, _, text = seeds
    found = [max(scores(base / f"f-seed{n}")) for n in (2, 5)]
    again = json.loads(succeeds(*command, "--json").stdout)
    assert again["mean"] == pytest.approx(sum(found) / 2)
    assert again["deviation"] == pytest.approx(abs(found[0] - found[1]) / 2**0.5)
    best = base / ("f-seed5" if found[1] > found[0] else "f-seed2")
    assert Path(again["best"]) == best
    assert [row["best_validation"] for row in again["runs"]] == found
    assert f"best run: {best}\n" in text
    mean, deviation = statistics.fmean(found), statistics.stdev(found)
    shown = f"{mean:.3g} ± {deviation:.2g}" if deviation else f"{mean:.4g}"
    assert f"mean {shown}, 2 seeds" in text


def test_runs_that_differ_in_the_seed_are_one_row(seeds, succeeds):
    base, _, _ = seeds
    runs = [base / "f-seed2", base / "f-seed5"]
    (row,) = [x for x in succeeds("compare", *runs).stdout.splitlines() if x.startswith("f ")]
    assert row.startswith("f (2 seeds) ")
    rows = [json.loads(line) for line in succeeds("compare", "--json", *runs).stdout.splitlines()]
    assert [(row["run"], row["seed"], row["state"]) for row in rows] == [
        ("f-seed2", 2, "finished"),
        ("f-seed5", 5, "finished"),
    ]
    lines = (base / "f-seed2" / "metrics.jsonl").read_text("utf-8").splitlines()
    epochs = [json.loads(line) for line in lines]
    for name, of in (("gradient_norm", statistics.fmean), ("largest_gradient_norm", max),
                     ("clipped", statistics.fmean)):  # fmt: skip
        assert rows[0][name] == pytest.approx(of([epoch[name] for epoch in epochs]))
    # D = 5 and H = 4: an RNN's two products; its loss is of a text, and so are the classes.
    assert {row["multiplications_per_token"] for row in rows} == {5 * 4 + 4 * 4}


def test_another_configuration_under_the_same_name_is_refused(seeds, command, refused, contents):
    before = contents(seeds[0])
    message = refused(*command, "--set", "model.dropout=0.45")
    assert "model.dropout" in message
    assert "--name" in message
    assert contents(seeds[0]) == before


@pytest.mark.parametrize("given", ["0", "x", "1,1", "", ",", "2.5", "-1", "1,99999999999"])
def test_seeds_that_are_none_are_refused(refused, given, tmp_path):
    assert f"--seeds {given}" in refused("train", "--seeds", given, "--runs-dir", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_series_and_a_resumption_are_two_things(refused, seeds):
    assert "choose" in refused("train", "--resume", seeds[0] / "f-seed2", "--seeds", 2)


# --- compare that trains ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def experiment(films, tiny, succeeds, tmp_path_factory):
    base = tmp_path_factory.mktemp("experiment")
    varied = ("--arch", "rnn,gru", "--over", "text.min_count=1,2")
    settings = [*tiny, "--set", "text.unit=word"]
    command = ("compare", *varied, "--data", films, "--epochs", 1, "--runs-dir", base, *settings)
    return base / "films-by-arch-min_count", command, succeeds(*command).stdout


@pytest.mark.slow
def test_an_experiment_trains_every_combination_and_draws_it(experiment):
    folder, _, text = experiment
    names = {f"{arch}-min_count{n}-seed1" for arch in ("rnn", "gru") for n in (1, 2)}
    pictures = {f"{name}.{kind}" for name in ("compare", "curves") for kind in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == names | pictures
    for name in names:
        config = load_config((folder / name / "config.yaml",))
        assert name == f"{config.model.arch}-min_count{config.text.min_count}-seed1"
    table = text[text.rindex("Run 4 of 4") :].splitlines()
    heading = next(line for line in table if line.startswith("run "))
    for said in ("arch", "text.min_count", "parameters", "multiplications per token", "validation"):
        assert said in heading
    rows = [line.split() for line in table if re.match(r"(rnn|gru)-", line)]
    # By the value of the key, and the better arch first.
    assert [row[2] for row in rows] == ["1", "1", "2", "2"]
    assert rows[0][-1] >= rows[1][-1]
    counts = {row[1]: row[4] for row in rows}
    assert counts == {"rnn": str(5 * 4 + 4 * 4), "gru": str(3 * (5 * 4 + 4 * 4) + 3 * 4)}
    for name in ("compare.svg", "curves.svg"):
        titles = [title.text for title in ET.parse(folder / name).iter() if title.text]
        assert any("gru" in title for title in titles), name


@pytest.mark.slow
def test_the_same_command_again_trains_nothing(experiment, succeeds):
    folder, command, first = experiment
    states = {path: path.stat().st_mtime_ns for path in folder.rglob("last.npz")}
    assert len(states) == 4
    again = succeeds(*command).stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("last.npz")} == states
    assert again.count("finished already") == 4
    assert again[again.index("All: ") :] == first[first.index("All: ") :]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--over", "seed=1,2"), "use --seeds"),
        (("--over", "model.units"), "expected a key and its values"),
        (("--over", "model.units="), "expected a key and its values"),
        (("--over", "model.units=[1"), "expected a key and its values"),
        (("--over", "model.units=3,3"), "twice"),
        (("--over", "model.unit=3"), "did you mean 'units'?"),
        (("--over", "model.units=3,x"), "--over model.units"),
        (("--over", "model.units=3", "--over", "model.units=4"), "varied already"),
        (("--over", "task=recall"), "can't be varied"),
        (("--arch", "rnn,lsmt"), "did you mean 'lstm'?"),
        (("--arch", "rnn,rnn"), "twice"),
        (("some-run", "--arch", "rnn"), "choose"),
        (("some-run", "--epochs", "3"), "--epochs is for training"),
        (("some-run", "--curves", "x.gif"), ".svg or .png"),
        ((), "Missing argument 'RUNS...'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_experiment_that_can_not_be_is_one_line_and_trains_nothing(
    options, said, refused, tmp_path
):
    assert said in refused("compare", *options, "--runs-dir", tmp_path)
    assert not list(tmp_path.iterdir())


# --- Tables -------------------------------------------------------------------------------------


def test_curves_of_several_runs_are_in_one_picture(seeds, succeeds, tmp_path):
    base, _, _ = seeds
    runs = [base / "f-seed2", base / "f-seed5"]
    succeeds("compare", *runs, "--curves", tmp_path / "c.svg")
    succeeds("compare", *runs, "--curves", tmp_path / "c.png")
    titles = [e.text or "" for e in ET.parse(tmp_path / "c.svg").iter() if "title" in e.tag]
    for run in runs:
        told = f"{run.name}: epoch 1, validation score {scores(run)[0]:.4f}"
        assert titles.count(told) == 1
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_at_60_columns_a_comparison_is_lines_that_fit(seeds, trained, succeeds, monkeypatch):
    for name, value in (("COLUMNS", "60"), ("TERM", "dumb"), ("FORCE_COLOR", "1")):
        monkeypatch.setenv(name, value)
    text = succeeds("compare", seeds[0] / "f-seed2", trained.run).stdout
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text)
    lines = text[text.index("\n\n") :].splitlines()
    assert max(map(len, lines)) <= 60
    for said in ("arch", "parameters", "validation"):
        assert sum(line.startswith(f"  {said} ") for line in lines) == 2
    assert "learning rate 0.01" in text  # what both have in common comes first


def test_the_list_of_runs_says_which_can_go_on_and_which_are_damaged(seeds, succeeds, tmp_path):
    import shutil

    base = tmp_path / "runs"
    for name in ("done", "begun", "busy", "folder/inner", "torn", "cut"):
        shutil.copytree(seeds[0] / "f-seed2", base / name)
    (base / "begun" / "checkpoints" / "last.npz").unlink()
    (base / "torn" / "metrics.jsonl").write_text('{"epoch": 1}\n')
    (base / "cut" / "config.yaml").write_text("data: [\n")
    lock = Lock(base / "busy" / ".lock")
    try:
        rows = succeeds("runs", "--runs-dir", base, "--json").stdout.splitlines()
        text = succeeds("runs", "--runs-dir", base).stdout
    finally:
        lock.release()
    states = {row["run"]: row["state"] for row in map(json.loads, rows)}
    assert states == {
        "begun": "finished",  # it needs its state only to go on
        "busy": "running",
        "cut": "damaged",
        "done": "finished",
        str(Path("folder/inner")): "finished",
        "torn": "damaged",
    }
    assert all(name in text for name in states)
    assert str(base / "torn" / "metrics.jsonl") in text
    done = next(row for row in map(json.loads, rows) if row["run"] == "done")
    assert (done["task"], done["arch"], done["epochs"]) == ("sentiment", "rnn", 1)
    assert done["validation"] == scores(base / "done")[0]


def test_where_there_is_no_run_the_list_says_how_to_make_one(succeeds, tmp_path):
    assert "seqtasks train" in succeeds("runs", "--runs-dir", tmp_path).stdout


def test_what_a_precision_brings_is_said_once_for_all_seeds(seqtasks, films, tmp_path, monkeypatch):
    monkeypatch.setattr("seqtasks.cli.several._train", lambda *_: False)  # as if interrupted
    how = ("--precision", "bfloat16_products", "--units", 4, "--runs-dir", tmp_path)
    result = seqtasks("train", "--data", films, "--seeds", 2, *how)
    assert result.stderr.count("training.precision bfloat16_products: ") == 1
