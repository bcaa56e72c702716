"""Labels that are sets or numbers, on the command line: from a file to answers, and refusals."""

import json
import random
import re
import shutil

import pytest

WORDS = {"plot": "story", "cast": "actor", "music": "song"}


def write(path, rows):
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Texts whose words say what they are about, with each kind of labels."""
    folder, draw = tmp_path_factory.mktemp("kinds"), random.Random(2)
    rows = {"set": [], "json": [], "number": [], "stars": [], "rare": []}
    for n in range(90):
        names = [name for name in WORDS if draw.random() < 0.6] or ["plot"]
        text = " ".join(["the", *(WORDS[name] for name in names), f"and {n}"])
        rows["set"].append(f"{text}\t{'|'.join(names)}")
        rows["json"].append(json.dumps({"text": text, "label": names}))
        rows["number"].append(f"{text}\t{len(names) + n / 100:.2f}")
        rows["stars"].append(f"{text}\t{len(names)}")
        rows["rare"].append(f"{text}\t{['many', 'some', f'once {n}'][n % 10 // 4]}")
    suffix = {"json": "jsonl"}
    return {
        kind: write(folder / f"{kind}.{suffix.get(kind, 'tsv')}", r) for kind, r in rows.items()
    }


BY = {"number": ("--set", "training.select_by=mae")}


@pytest.fixture(scope="module")
def runs(seqtasks, files, tiny, tmp_path_factory):
    """A run of each kind, trained two epochs when first asked for, and what was said then."""
    base, made = tmp_path_factory.mktemp("runs"), {}

    def run(kind):
        if kind not in made:
            place = ("--name", kind, "--runs-dir", base, "--arch", "lstm")
            data = ("--data", files[kind], "--epochs", 2, *place, *BY.get(kind, ()))
            result = seqtasks("train", *data, *tiny)
            assert result.exit_code == 0, result.stderr
            made[kind] = base / kind, result
        return made[kind]

    return run


NOTICED = {
    "set": "several of a set each, with '|' between them, .*data.labels=category",
    "number": "decimal numbers, .*data.labels=category",
}


@pytest.mark.parametrize("kind", NOTICED)
def test_what_was_seen_is_told_in_one_line_and_learnt(kind, runs, succeeds):
    run, trained = runs(kind)
    (notice,) = trained.stderr.splitlines()
    assert re.search(f"^Note: .*{kind}.*{NOTICED[kind]}$", notice)
    score = {"set": "micro F1", "number": "MAE"}[kind]  # of errors, too, more than 0
    assert re.search(rf"best validation {score} +\d", trained.stdout)
    card = (run / "model_card.md").read_text("utf-8")
    assert re.search(rf"validation {score} \| \d", card)
    assert {"set": "sets of cast, music, plot", "number": "numbers, mean"}[kind] in card
    assert (run / "vocabulary" / {"set": "label_set.json", "number": "number.json"}[kind]).exists()


def test_answers_are_those_of_json_and_the_threshold_can_be_set(runs, succeeds):
    run, _ = runs("set")
    texts = ("the story", "", "song and 강아지")
    found = [
        json.loads(one) for one in succeeds("predict", run, "--json", *texts).stdout.splitlines()
    ]
    lines = succeeds("predict", run, *texts).stdout.splitlines()
    for one, shown, text in zip(found, lines, texts, strict=True):
        chances = one["probabilities"]
        assert list(chances) == ["cast", "music", "plot"]
        assert one["labels"] == [name for name, chance in chances.items() if chance >= 0.5]
        scores = "|".join(f"{chances[name]:.4f}" for name in one["labels"])
        assert shown == f"{'|'.join(one['labels'])}\t{scores}\t{text}"
    low = succeeds("predict", run, "--set", "data.threshold=0.000001", "x").stdout
    assert low.startswith("cast|music|plot\t")
    assert succeeds("predict", run, "--set", "data.threshold=0.999999", "x").stdout == "\t\tx\n"


def test_a_number_is_shown_with_its_text(runs, succeeds):
    run, _ = runs("number")
    (one,) = map(json.loads, succeeds("predict", run, "--json", "the story").stdout.splitlines())
    assert list(one) == ["text", "value"]
    assert succeeds("predict", run, "the story").stdout == f"{one['value']:.4f}\tthe story\n"


EVALUATED = {
    "set": ("micro F1 of a bag of words", "micro_f1"),
    "number": ("mean absolute error", "mae"),
}


@pytest.mark.parametrize("kind", EVALUATED)
def test_an_evaluation_says_how_good_it_is_and_compare_repeats_it(kind, runs, succeeds, files):
    run, _ = runs(kind)
    found = json.loads(succeeds("evaluate", run, "--json").stdout)
    text = succeeds("evaluate", run).stdout
    shown, key = EVALUATED[kind]
    assert shown in text
    assert f"{found[key]:.4f}" in text
    (row,) = map(json.loads, succeeds("compare", "--json", run).stdout.splitlines())
    assert row[key] == found[key]
    whole = json.loads(succeeds("evaluate", run, "--data", files[kind], "--json").stdout)
    assert whole["examples"] == 90
    kept = json.loads((run / "evaluation.json").read_text("utf-8"))
    assert kept["examples"] == found["examples"] < 90


def test_lists_of_json_and_a_table_are_the_same_sets(succeeds, seqtasks, files):
    found = []
    for kind in ("set", "json"):
        result = seqtasks("data", "describe", files[kind], "--json")
        assert result.exit_code == 0
        described = json.loads(result.stdout)
        found.append([described[split]["labels"] for split in ("train", "validation", "test")])
    assert found[0] == found[1]
    assert list(found[0][0]) == ["cast", "music", "plot"]


def test_whole_numbers_are_classes_unless_stated(seqtasks, succeeds, files):
    result = seqtasks("data", "describe", files["stars"], "--json")
    assert "data.labels=number" in result.stderr
    assert list(json.loads(result.stdout)["train"]["labels"]) == ["1", "2", "3"]
    stated = ("--set", "data.labels=number")
    found = json.loads(succeeds("data", "describe", files["stars"], *stated, "--json").stdout)
    assert found["train"]["values"]["max"] == 3
    assert succeeds("data", "describe", files["set"], "--set", "data.labels=category", "--json")


def test_classes_of_one_text_are_learnt_and_the_evaluation_has_its_pictures(
    runs, succeeds, seqtasks, files
):
    run, trained = runs("rare")
    assert trained.stderr == ""
    labels = (run / "vocabulary" / "labels.txt").read_text("utf-8").splitlines()
    assert len([label for label in labels if label.startswith("once")]) == 18
    succeeds("evaluate", run)
    plots = {path.name for path in (run / "plots").iterdir()}
    assert {"confusion_matrix.svg", "reliability.svg", "reliability.png"} <= plots


def test_an_interrupted_run_of_each_kind_ends_as_one_that_was_not(runs, seqtasks, files, tiny):
    for kind in ("set", "number"):
        whole, _ = runs(kind)
        place = ("--name", f"{kind} in two", "--runs-dir", whole.parent, "--arch", "lstm")
        short = ("train", "--data", files[kind], "--epochs", 1, *place, *BY.get(kind, ()), *tiny)
        assert seqtasks(*short).exit_code == 0
        run = whole.parent / f"{kind} in two"
        resumed = seqtasks("train", "--resume", run, "--epochs", 2)
        assert resumed.exit_code == 0, resumed.stderr
        one, other = (
            [json.loads(row) for row in (path / "metrics.jsonl").read_text("utf-8").splitlines()]
            for path in (whole, run)
        )
        for ours, theirs in zip(one, other, strict=True):
            for key in ("train_loss", "validation_loss", "score"):
                assert ours[key] == theirs[key]
        shutil.rmtree(run)


REFUSED = [
    ("set", ("training.select_by=mae",), "'mae' is no score of sets"),
    ("number", ("training.class_weight=balanced",), "numbers, which have no classes"),
    ("stars", ("training.class_weight={4: 2}",), "no label '4'"),
    ("stars", ("data.labels=number", "training.select_by=accuracy"), "'accuracy' is no score of"),
    ("set", ("data.labels=number",), "line 1: expected a number for a label"),
    ("set", ("task=tagging", "training.select_by=entity_f1"), None),
]


@pytest.mark.parametrize(("kind", "settings", "message"), REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    kind, settings, message, refused, files, tmp_path
):
    words = [word for setting in settings for word in ("--set", setting)]
    told = refused("train", "--data", files[kind], "--runs-dir", tmp_path / "runs", *words)
    assert message is None or message in told
    assert not (tmp_path / "runs").exists()


def test_a_weighed_run_and_one_chosen_by_macro_f1_say_so(seqtasks, succeeds, files, tiny, tmp_path):
    by = ("--set", "training.class_weight=balanced", "--set", "training.select_by=macro_f1")
    place = ("--name", "weighed", "--runs-dir", tmp_path, "--arch", "lstm", "--epochs", 1)
    result = seqtasks("train", "--data", files["stars"], *place, *tiny, *by)
    assert result.exit_code == 0, result.stderr
    assert "best validation macro F1 " in result.stdout
    row = json.loads((tmp_path / "weighed" / "metrics.jsonl").read_text("utf-8"))
    evaluated = json.loads(succeeds("evaluate", tmp_path / "weighed", "--json").stdout)
    assert 0 <= row["score"] <= 1
    assert {"macro_f1", "majority_accuracy", "ece", "thresholds"} <= set(evaluated)
    assert evaluated["thresholds"] is None
