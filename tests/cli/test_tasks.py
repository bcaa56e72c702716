"""Every task by its verbs: taught, judged, put to use, described, resumed; and what is refused."""

import json
import shutil

import numpy as np
import pytest
from cases import write

from seqtasks.config import TASKS

FIGURES = {
    "sentiment": "accuracy of the model",
    "documents": "accuracy of the model",
    "recall": "accuracy of the model",
    "tagging": "accuracy of the model",
    "translation": "one reference",
    "captioning": "one reference",
    "language_model": "nats per character",
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_judged_on_the_screen_and_as_json(task, cases, succeeds):
    _, run, _, _ = cases(task)
    shown = succeeds("evaluate", run, "--errors", 2).stdout
    assert FIGURES[task] in shown
    found = json.loads(succeeds("evaluate", run, "--json").stdout)
    assert found["source"]
    assert found["source"] in shown
    assert json.loads((run / "evaluation.json").read_text("utf-8"))["source"] == found["source"]


CUT = r"(note: answers cut off at decoding\.max_length: 1 of \d\n)?"
LONG = r"note: texts longer than is read \(.*\): 1 of 2; tokens not read: 9,000\n"


@pytest.mark.parametrize("task", TASKS)
def test_a_task_answers_one_line_a_text(task, cases, succeeds):
    _, run, texts, _ = cases(task)
    shown = succeeds("predict", run, *texts, noted=CUT)
    lines = shown.stdout.removesuffix("\n")
    assert lines
    answered = succeeds("predict", run, "--json", *texts, noted=CUT)
    found = [json.loads(x) for x in answered.stdout.splitlines()]
    cut = any("cut" in one for one in found)
    assert cut == bool(answered.stderr) == bool(shown.stderr)
    assert len(found) == len(texts)
    if task != "language_model":  # it may write line ends of its own
        assert len(lines.split("\n")) == len(texts)


@pytest.mark.parametrize("task", [task for task in TASKS if task != "captioning"])
def test_empty_and_endless_texts_are_answered(task, cases, succeeds):
    _, run, _, _ = cases(task)
    texts = b"\n" + b"cat " * 10_000 + b"\n"
    noted = "" if task == "tagging" else f"{LONG}{CUT}"
    if task == "language_model":
        noted = LONG.replace(".*", r"decoding\.max_prompt").replace("9,000", "39,970")
    answered = succeeds("predict", run, "--json", input=texts, noted=noted)
    empty, endless = [json.loads(line) for line in answered.stdout.splitlines()]
    assert [len(one["text"]) for one in (empty, endless)] == [0, 40_000]
    if task == "tagging":
        assert len(endless["tags"]) == 10_000
        assert empty["tags"] == []
    elif task == "translation":
        assert empty["translation"] == ""
    elif task != "language_model":
        assert (empty["empty"], endless["unread"]) == (True, 9_000)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_s_data_are_shown_and_described(task, cases, succeeds):
    source, _, _, settings = cases(task)
    data = ("--task", task, *([source] if source else []), *settings)
    assert len(succeeds("data", "show", "-n", 3, *data).stdout.splitlines()) == 3
    described = json.loads(succeeds("data", "describe", "--json", *data).stdout)
    assert set(described) == {"train", "validation", "test"}
    assert succeeds("data", "describe", *data).stdout.startswith("train: ")


@pytest.mark.parametrize("task", TASKS)
def test_a_task_goes_on_with_its_run(task, cases, succeeds, tmp_path):
    _, run, _, _ = cases(task)
    copied = shutil.copytree(run, tmp_path / "run")
    succeeds("train", "--resume", copied, "--epochs", 2)
    assert len((copied / "metrics.jsonl").read_text().splitlines()) == 2


def test_runs_stand_side_by_side(cases, succeeds, tmp_path):
    runs = [cases(task)[1] for task in ("sentiment", "translation", "language_model")]
    for run in runs:
        succeeds("evaluate", run)
    heading, *lines = succeeds("compare", *runs).stdout.splitlines()[2:]
    assert [line.split()[:2] for line in lines] == [[run.name, run.name] for run in runs]
    assert "accuracy" in heading
    rows = [json.loads(x) for x in succeeds("compare", "--json", *runs).stdout.splitlines()]
    judged = [json.loads((run / "evaluation.json").read_text()) for run in runs]
    assert rows[0]["accuracy"] == judged[0]["accuracy"]
    assert rows[1]["BLEU"] == judged[1]["scores"]["BLEU"]
    assert rows[2]["perplexity"] == judged[2]["perplexity"]
    assert rows[2]["accuracy"] is None


def test_a_run_that_was_never_judged_or_is_damaged(cases, succeeds, refused, tmp_path):
    copied = shutil.copytree(cases("recall")[1], tmp_path / "bare")
    (copied / "evaluation.json").unlink(missing_ok=True)
    (copied / "metrics.jsonl").unlink()
    assert "bare" in succeeds("compare", copied).stdout
    (copied / "evaluation.json").write_text("{")
    assert str(copied / "evaluation.json") in refused("compare", copied)


def test_answers_that_are_cut_off_are_counted(cases, succeeds):
    """As many as `predict` marks; five tokens are too few for a model that has learnt nothing."""
    for task in ("translation", "captioning"):
        source, run, _, _ = cases(task)
        data = ("--data", source, "--set", "decoding.max_length=1")
        text = succeeds("evaluate", run, *data, "--errors", 0).stdout
        found = json.loads(succeeds("evaluate", run, *data, "--json").stdout)
        assert 0 < found["cut"] <= found["examples"] == 40
        assert f"answers that were cut off at decoding.max_length: {found['cut']}\n" in text
        if task == "translation":
            texts = [line.split("\t")[0] for line in source.read_text().splitlines()]
            lines = ("--json", "--set", "decoding.max_length=1")
            given = "".join(f"{one}\n" for one in texts).encode()
            predicted = succeeds(
                "predict", run, *lines, input=given, noted="note: answers cut .*\n"
            )
            answers = predicted.stdout.splitlines()
            assert found["cut"] == sum(bool(json.loads(one).get("cut")) for one in answers)


# --- What is refused -----------------------------------------------------------------------------


def train(refused, tmp_path, task, source, *more):
    runs = tmp_path / "runs"
    message = refused("train", "--task", task, "--data", source, "--runs-dir", runs, *more)
    assert not runs.exists()
    return message


@pytest.mark.parametrize("line", ["cat\t\n", "\tchat\n", "cat\n"])
def test_a_pair_with_one_side_is_refused_with_its_line(line, refused, tmp_path):
    source = write(tmp_path / "pairs.tsv", ["a\tb\n", line, "c\td\n"])
    assert f"{source}, line 2" in train(refused, tmp_path, "translation", source)


def test_parallel_files_of_unequal_length_are_refused(refused, tmp_path):
    one, other = write(tmp_path / "a.en", ["a\n", "b\n"]), write(tmp_path / "a.fr", ["x\n"])
    message = train(refused, tmp_path, "translation", f"{one},{other}")
    assert "2" in message
    assert "1" in message


@pytest.mark.parametrize("row", ["cat\n", "cat\tN\tmore\n", "\tN\n"])
def test_a_ragged_row_of_tags_is_refused_with_its_line(row, refused, tmp_path):
    source = write(tmp_path / "tags.tsv", ["a\tN\n", "\n", "b\tN\n", row])
    assert f"{source}, line 4" in train(refused, tmp_path, "tagging", source)


def test_images_of_unequal_size_are_refused(refused, tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 8, 8, 1), np.float32))
    np.savez(tmp_path / "b.npz", images=np.zeros((3, 8, 6, 1), np.float32))
    sources = []
    for name in "ab":
        captions = write(tmp_path / f"{name}.txt", ["x\n", "y\n", "z\n"])
        sources.append(f"{tmp_path / name}.npz,{captions}")
    message = train(refused, tmp_path, "captioning", sources[0], "--validation", sources[1])
    assert "b.npz" in message
    assert "8 x 6" in message


def test_an_image_that_is_none_is_refused_and_nothing_is_lost(cases, seqtasks):
    _, run, (image,), _ = cases("captioning")
    result = seqtasks("predict", run, image, "nosuch.png")
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == 1
    assert "nosuch.png" in result.stderr


def test_a_prompt_of_unknown_characters_is_gone_on_with(cases, succeeds):
    _, run, _, _ = cases("language_model")
    found = json.loads(succeeds("predict", run, "--json", "ЖЖЖ").stdout)
    assert found["text"] == "ЖЖЖ"
    assert len(found["continuation"]) == 7


@pytest.mark.parametrize("sentences", [1, 5_000])
def test_documents_of_any_number_of_sentences(sentences, cases, succeeds):
    _, run, _, _ = cases("documents")
    found = json.loads(succeeds("predict", run, "--json", input=b"Red cat. " * sentences).stdout)
    assert len(found["attention"]) == sentences
    assert sum(sentence["weight"] for sentence in found["attention"]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("decoding.beam=20000", "wider than the vocabulary"),
        ("decoding.max_length=0", "decoding.max_length"),
        ("decoding.n_best=6", "widen the beam"),
        ("model.attention=some", "model.attention"),
        ("decoding.temperature=2", "language_model"),
        ("data.tag_column=upos", "tagging"),
    ],
)
def test_options_that_make_no_sense_are_refused(setting, message, refused):
    assert message in refused("train", "--task", "translation", "--set", setting)


@pytest.mark.parametrize("task", ["captioning", "language_model"])
def test_what_writes_from_the_left_has_no_second_direction(task, refused):
    assert "use arch lstm" in refused("train", "--task", task, "--arch", "bilstm")
