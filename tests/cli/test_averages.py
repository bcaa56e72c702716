"""Several runs that answer as one: `predict`, `evaluate` and `export` of their mean."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from seqtasks.config import load_config
from seqtasks.runs import create_run
from seqtasks.serving.models.model_config import ModelSettings, VersionPolicy

TEXTS = ["the film was lovely", "dull story 3", "영화 정말 나쁘다", "zzzq", "", "great " * 30]


@pytest.fixture(scope="module")
def group(trained, succeeds, films, tiny, tmp_path_factory):
    """A folder of three runs with the same labels: other archs, seeds, units and vocabularies."""
    base = tmp_path_factory.mktemp("averages") / "group"
    shutil.copytree(trained.run, base / "a")
    place = ("--data", films, "--runs-dir", base, "--epochs", 2, *tiny)
    steps = ("--set", "text.unit=word", "--set", "model.pooling=last")
    few = ("--set", "text.max_words=8")
    succeeds("train", *place, "--name", "b", "--arch", "gru", *steps, *few)
    succeeds("train", *place, "--name", "c", "--arch", "lstm", *steps)
    return base


def asked(succeeds, *arguments, texts=TEXTS, noted=""):
    lines = "".join(f"{text}\n" for text in texts).encode()
    found = succeeds("predict", *arguments, "--json", input=lines, noted=noted)
    return [json.loads(line) for line in found.stdout.splitlines()]


def chances(answers):
    return np.array([list(answer["probabilities"].values()) for answer in answers])


@pytest.fixture(scope="module")
def labelled(films):
    """The texts that the runs were trained and tested on, and their labels' numbers."""
    rows = [line.split("\t") for line in films.read_text("utf-8").splitlines()]
    return [text for text, _ in rows], np.array([label == "pos" for _, label in rows])


@pytest.fixture(scope="module")
def everything(succeeds, group, labelled):
    """What each run says on its own of all texts, (runs, texts, labels)."""
    texts = [*TEXTS, *labelled[0]]
    rows = [chances(asked(succeeds, group / n, texts=texts, noted="(?s).*")) for n in "abc"]
    assert not np.allclose(rows[0], rows[1], atol=0.01)
    assert not np.allclose(rows[1], rows[2], atol=0.01)
    return np.array(rows)


@pytest.fixture(scope="module")
def alone(everything):
    """What each run says on its own of TEXTS."""
    return everything[:, : len(TEXTS)]


def test_runs_answer_by_the_mean_of_their_probabilities(succeeds, group, alone):
    noted = r"(?s)Average of 3 runs: a, b, c\n.*"
    found = asked(succeeds, group, noted=noted)
    assert chances(found) == pytest.approx(alone.mean(axis=0), abs=1e-6)
    names = list(found[0]["probabilities"])
    for answer, row in zip(found, alone.mean(axis=0), strict=True):
        assert answer["label"] == names[int(row.argmax())]
        assert answer["probability"] == pytest.approx(row.max(), abs=1e-6)
    assert [answer.get("empty") for answer in found] == [None] * 4 + [True, None]
    # Two of them, whose texts stand where one run's RUN does.
    two = ("--run", group / "a", "--run", group / "c")
    text = TEXTS[0]
    said = succeeds("predict", *two, "--json", text, noted="Average of 2 runs: a, c\n").stdout
    assert chances([json.loads(said)]) == pytest.approx(alone[[0, 2], :1].mean(axis=0), abs=1e-6)


def test_an_evaluation_of_several_is_that_of_their_mean_and_changes_no_run(
    succeeds, group, films, labelled, everything, contents
):
    before = {name: contents(group / name) for name in "abc"}
    mean, right = everything[:, len(TEXTS) :].mean(axis=0), labelled[1]
    noted = r"Average of 3 runs: a, b, c\n"
    found = json.loads(succeeds("evaluate", group, "--data", films, "--json", noted=noted).stdout)
    assert found["accuracy"] == pytest.approx(np.mean(mean.argmax(axis=1) == right))
    assert (found["temperature"], found["ece_uncalibrated"]) == (1.0, None)  # runs have their own
    # Their own test data, which are the same, since their seed is.
    own = json.loads(succeeds("evaluate", group, "--json", noted=noted).stdout)
    assert 0 < own["examples"] < 20
    assert found["new_to_training"]["examples"] > own["examples"]
    assert {name: contents(group / name) for name in "abc"} == before


def test_an_export_of_several_is_one_model_that_a_server_answers_with(
    succeeds, group, alone, run_server, compared_here, tmp_path
):
    target = tmp_path / "together"
    two = ("--run", group / "b", "--run", group / "c")
    done = succeeds("export", *two, "--to", target, noted="Average of 2 runs: b, c\n").stdout
    signatures = json.loads((target / "1" / "signatures.json").read_text("utf-8"))
    assert {*signatures} == {"serving_default", "classify", "regress", "step"}
    assert "answers as the run's" in done
    assert "The mean of 2 networks, `gru`, `lstm`," in (target / "1" / "README.md").read_text()
    wanted = alone[1:].mean(axis=0)
    with run_server([ModelSettings("together", target, VersionPolicy())]) as (client, _):
        served = client.predict([{"text": text} for text in TEXTS], "together")
        rows = np.array([row["probabilities"] for row in served])
        assert rows == pytest.approx(wanted, abs=1e-5)
        # Piece by piece, with the states of both in the client's hands.
        widths = {name: spec["shape"][1] for name, spec in _states(signatures).items()}
        assert len(widths) == 1 + 2  # of GRU h, of LSTM h and c
        states = {name: [0.0] * width for name, width in widths.items()}
        for n, piece in enumerate(("the film", "was lovely")):
            asked_for = {"text": piece, "begins": n == 0, **states}
            (step,) = client.predict([asked_for], "together", "step")
            states = {name: step[name] for name in widths}
    assert step["probabilities"] == pytest.approx(wanted[0].tolist(), abs=1e-5)


def test_an_onnx_export_of_several_is_one_folder_that_predict_and_a_server_answer_with(
    succeeds, refused, group, alone, run_server, tmp_path, monkeypatch
):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from seqtasks.runner import app

    monkeypatch.chdir(tmp_path)
    two = ("--run", group / "b", "--run", group / "c")
    assert "no ONNX export of the mean of these 2 runs; make one by seqtasks export --run" in (
        refused("predict", *two, "--runtime", "onnx", "x")
    )
    done = succeeds("export", *two, "--format", "onnx", noted="Average of 2 runs: b, c\n").stdout
    made = Path("onnx_models/average-of-2-b")
    assert f"{made}: " in done
    assert "answers as the run's" in done
    assert "The mean of 2 networks, `gru`, `lstm`," in (made / "README.md").read_text("utf-8")
    wanted = alone[1:].mean(axis=0)
    noted = rf"(?s)note: {re.escape(str(made))} answers; .* takes the runs themselves\n.*"
    assert chances(asked(succeeds, *two, noted=noted)) == pytest.approx(wanted, abs=1e-5)
    with run_server([ModelSettings("together", tmp_path / made, VersionPolicy())]) as (client, _):
        served = client.predict([{"text": text} for text in TEXTS], "together")
        rows = np.array([row["probabilities"] for row in served])
        assert rows == pytest.approx(wanted, abs=1e-5)
    # Each network is needed, in its place.
    turned = ("--run", group / "c", "--run", group / "b", "--runtime", "onnx", "x")
    shutil.copytree(made, made.with_name("average-of-2-c"))
    assert "not of these runs as they are now; export it anew by" in refused("predict", *turned)
    (made / "network2" / "vocabulary" / "words.txt").unlink()
    assert app.main(made, ["x"]) == 2


def _states(signatures):
    inputs = signatures["step"]["inputs"]
    return {name: spec for name, spec in inputs.items() if name.startswith("state_")}


@pytest.fixture
def made(tmp_path):
    """Make a run that was never trained, but has all that is looked at before TensorFlow."""

    def make(name, labels="a b", file="labels.txt", **options):
        config = load_config(options={"data.source": "films.tsv", **options})

        def save(folder: Path) -> None:
            lines = labels.replace(" ", "\n") + "\n" if file.endswith(".txt") else labels
            (folder / file).write_text(lines, encoding="utf-8")

        run = create_run(tmp_path / "made" / name, config, save)
        run.best_weights.touch()
        return run.path

    return make


def test_what_has_no_mean_is_refused_before_tensorflow_starts(refused, made, monkeypatch):
    monkeypatch.setitem(sys.modules, "seqtasks.tasks.registry", None)
    one = made("one", labels="a b c")
    other = made("other", labels="a b d")
    swapped = made("swapped", labels="b a c")
    numbers = made("numbers", labels="{}", file="number.json")
    sets = made(
        "sets", labels='{"labels": ["a", "b", "c"], "separator": ""}', file="label_set.json"
    )
    recall = made("recall", labels="a b c", task="recall", **{"data.source": None})
    writing = made("writing", file="tokens.txt", task="language_model", **{"model.arch": "gru"})
    words, others = (
        made(f"translates {last}", f"a b {last}", "target.txt", task="translation") for last in "cd"
    )
    for run, told in (
        (other, "has other labels than .*: 'd' more and 'c' less; runs of the same"),
        (swapped, "has other labels than .*: the same in another order"),
        (numbers, "answers numbers, and .* answers labels"),
        (sets, "answers sets of labels, and .* answers labels"),
        (recall, "a run of recall, and .* is one of sentiment"),
        (one, "this run is given twice"),
    ):
        said = refused("predict", "--run", one, "--run", run, "x")
        assert said.startswith(str(run)), said
        assert re.search(told, said), said
    said = refused("export", "--run", words, "--run", others)
    assert said.startswith(f"{others}: writes other tokens than {words}, or of images")
    said = refused("export", "--run", writing, "--run", one)
    assert said.startswith(f"{writing}: runs of language_model can't be averaged: what draws")


def test_runs_are_not_judged_by_what_another_has_learnt(refused, made, films, tmp_path):
    shares = {"data.source": str(films)}
    one = made("x-seed1", labels="neg pos", seed=1, **shares)
    two = made("x-seed2", labels="neg pos", seed=2, **shares)
    said = refused("evaluate", tmp_path / "made" / "x")
    assert said == (
        f"{two}: has other test data than {one}, which it may have learnt; judge their average by "
        "examples that none has learnt: --data FILE"
    )


def test_which_runs_are_asked_must_be_said_in_one_way(refused, made, tmp_path):
    one, two = made("one"), made("two")
    assert refused("evaluate") == "Missing argument 'RUN'."
    assert refused("predict") == "Missing argument 'RUN'."
    assert "--run stands in place of the argument" in refused("evaluate", one, "--run", two)
    both = ("--run", one, "--run", two)
    assert "give that as RUN" in refused("predict", *both, "x", "--server", "http://localhost:1")
    page = ("--html", tmp_path / "page.html")
    assert "--html is for one run, and these are 2" in refused("predict", *both, "x", *page)
    (tmp_path / "empty").mkdir()
    assert "not a run: it has no config.yaml" in refused("evaluate", tmp_path / "empty")
    assert "no such run" in refused("evaluate", tmp_path / "nothing")
    (two / "checkpoints" / "best.weights.h5").unlink()
    assert refused("predict", *both, "x").startswith(f"{two}: no weights yet")
