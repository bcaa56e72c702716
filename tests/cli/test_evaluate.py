"""`seqtasks evaluate`: figures that agree with the predictions, beside a baseline."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from seqtasks.config import load_config
from seqtasks.tasks.sources import load_splits


@pytest.fixture
def contested(tmp_path):
    """Three texts under both labels: whatever a model says, it is wrong three times."""
    path = tmp_path / "contested.tsv"
    texts = ["the film :smile:", "[bold]영화[/bold] [red]", "story"]
    rows = [f"{text}\t{label}\n" for text in texts for label in ("pos", "neg")]
    path.write_text("".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def judged(succeeds, trained, films):
    """What is said of the whole file: on the screen, and as JSON."""
    command = ("evaluate", trained.run, "--data", films)
    return succeeds(*command).stdout, json.loads(succeeds(*command, "--json").stdout)


def row_of(text, name):
    line = next(x for x in text.splitlines() if re.match(rf"{re.escape(name)} ", x))
    return [float(cell.replace(",", "")) for cell in line.removeprefix(name).split()]


def test_the_report_agrees_with_the_predictions(succeeds, trained, films, judged):
    _, result = judged
    rows = [line.split("\t") for line in films.read_text(encoding="utf-8").splitlines()]
    texts = "".join(f"{text}\n" for text, _ in rows).encode()
    answers = succeeds("predict", trained.run, input=texts).stdout.splitlines()
    predicted = [line.split("\t")[0] for line in answers]
    pairs = Counter(zip((label for _, label in rows), predicted, strict=True))
    right = pairs["neg", "neg"] + pairs["pos", "pos"]
    assert result["examples"] == len(rows) == 80
    assert result["accuracy"] == pytest.approx(right / 80)
    assert result["labels"] == ["neg", "pos"]
    assert result["confusions"] == [[pairs[t, p] for p in ("neg", "pos")] for t in ("neg", "pos")]
    for label in ("neg", "pos"):
        found = result["report"][label]
        claimed = sum(pairs[true, label] for true in ("neg", "pos"))
        assert found["recall"] == pytest.approx(pairs[label, label] / 40)
        assert found["precision"] == pytest.approx(pairs[label, label] / max(claimed, 1))
        assert found["support"] == 40


def test_examples_that_training_has_are_counted_and_the_others_judged_alone(
    succeeds, trained, films, judged, tmp_path
):
    text, result = judged
    splits = load_splits(load_config((trained.run / "config.yaml",)))
    others = [*zip(splits.test.texts, splits.test.labels, strict=True)]
    others += zip(splits.validation.texts, splits.validation.labels, strict=True)
    new = tmp_path / "new.tsv"
    new.write_text("".join(f"{text}\t{label}\n" for text, label in others), "utf-8")
    alone = json.loads(succeeds("evaluate", trained.run, "--data", new, "--json").stdout)
    assert alone["new_to_training"] is None
    found = result["new_to_training"]
    assert found["examples"] == len(others)
    for name in ("accuracy", "macro_f1", "ece"):
        assert found["scores"][name] == pytest.approx(alone[name])
    assert f"{80 - len(others)} of the 80 examples are in the training data too" in text
    # The same in capitals and with more spaces are the same to the model.
    new.write_text("".join(f" {text.upper()}  \t{label}\n" for text, label in others), "utf-8")
    with new.open("a", encoding="utf-8") as file:
        file.write(f"{splits.train.texts[0].upper()} \t{splits.train.labels[0]}\n")
    capitals = json.loads(succeeds("evaluate", trained.run, "--data", new, "--json").stdout)
    assert capitals["new_to_training"]["examples"] == capitals["examples"] - 1 == len(others)


def test_another_test_set_than_the_runs_is_refused_or_accepted(refused, succeeds, copied, tmp_path):
    other = tmp_path / "other.tsv"
    source = Path(load_config((copied / "config.yaml",)).data.source)
    lines = source.read_text("utf-8").splitlines(keepends=True)
    other.write_text("".join(lines[:60]), "utf-8")
    config = (copied / "config.yaml").read_text("utf-8")
    (copied / "config.yaml").write_text(config.replace(str(source), str(other)), "utf-8")
    message = refused("evaluate", copied)
    assert "not those the run was begun with" in message
    assert "--accept-new-data" in message
    done = succeeds("evaluate", copied, "--accept-new-data", noted=r"(Note: .*\n)+")
    assert "instead of" in done.stderr


def test_the_screen_shows_what_json_says(judged, films):
    text, result = judged
    assert text.startswith(f"{films}: 80 examples\n")
    for name in ("neg", "pos", "macro avg"):
        found = result["report"][name]
        shown = [found[key] for key in ("precision", "recall", "f1-score", "support")]
        assert row_of(text, name) == pytest.approx(shown, abs=6e-5)
    confusions = text.partition("Confusions")[2]
    for name, counts in zip(result["labels"], result["confusions"], strict=True):
        assert row_of(confusions, name) == counts
    assert f"accuracy of the model         {result['accuracy']:.4f}\n" in text
    assert f"accuracy of a bag of words    {result['baseline_accuracy']:.4f}\n" in text


def test_the_baseline_is_a_bag_of_words_taught_on_the_training_split(
    succeeds, trained, films, judged
):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    config = load_config((trained.run / "config.yaml",))
    split = ("--split", "train", "-n", 1000, "--set", f"seed={config.seed}")
    shown = succeeds("data", "show", films, *split).stdout.splitlines()
    labels, texts = zip(*(line.split("\t") for line in shown), strict=True)
    words = TfidfVectorizer(token_pattern=r"\S+")
    model = LogisticRegression(max_iter=1000).fit(words.fit_transform(texts), labels)
    rows = [line.split("\t") for line in films.read_text(encoding="utf-8").splitlines()]
    guesses = model.predict(words.transform([text for text, _ in rows]))
    right = sum(guess == label for guess, (_, label) in zip(guesses, rows, strict=True))
    assert judged[1]["baseline_accuracy"] == pytest.approx(right / len(rows))


def test_the_runs_own_test_data_are_judged_by_default_and_the_report_is_kept(
    succeeds, copied, films
):
    result = json.loads(succeeds("evaluate", copied, "--json", "--errors", 0).stdout)
    shown = succeeds("data", "show", films, "--split", "test", "-n", 1000).stdout.splitlines()
    assert result["examples"] == len(shown)
    kept = json.loads((copied / "evaluation.json").read_text(encoding="utf-8"))
    assert {**kept, "mistakes": []} == result
    wrong = sum(map(sum, result["confusions"])) - sum(
        result["confusions"][n][n] for n in range(len(result["labels"]))
    )
    assert len(kept["mistakes"]) == wrong
    with Image.open(copied / "plots" / "confusion_matrix.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 10


def test_the_accuracy_has_an_interval_around_it(judged):
    text, result = judged
    low, high = result["intervals"]["accuracy"]
    assert 0 <= low < result["accuracy"] < high <= 1
    shown = text.partition("95 % bootstrap intervals, 1,000 resamples\n")[2].splitlines()[0]
    assert shown.split() == ["accuracy", f"{low:.4f}", "to", f"{high:.4f}"]


@pytest.mark.parametrize(("asked", "shown"), [(0, 0), (2, 2), (9, 3)])
def test_as_many_errors_are_shown_as_asked(succeeds, trained, contested, asked, shown):
    options = ("--data", contested, "--errors", asked)
    text = succeeds("evaluate", trained.run, *options).stdout
    assert "accuracy of the model         0.5000" in text
    assert text.count(" taken for ") == shown
    assert (f"{shown} most confident of 3 mistakes" in text) == bool(asked)


def test_the_surest_errors_come_first(succeeds, trained, contested):
    options = ("--data", contested, "--errors", 2, "--json")
    mistakes = json.loads(succeeds("evaluate", trained.run, *options).stdout)["mistakes"]
    assert len(mistakes) == 2
    assert mistakes[0]["probability"] >= mistakes[1]["probability"] > 0.5
    assert all(mistake["label"] != mistake["predicted"] for mistake in mistakes)


def test_a_run_is_found_by_its_name_and_judging_another_file_leaves_it_as_it_is(
    succeeds, copied, contested, contents
):
    before = contents(copied)
    place = ("--runs-dir", copied.parent)
    text = succeeds("evaluate", "films", *place, "--data", contested, "--errors", 3).stdout
    assert contents(copied) == before
    # Texts of errors are shown as they are.
    assert ": the film :smile:\n" in text
    assert ": [bold]영화[/bold] [red]\n" in text


def test_an_error_is_one_line_whatever_is_in_its_text(succeeds, trained, tmp_path):
    path = tmp_path / "odd.jsonl"
    odd = "film\n\r\nwas\tdull\x1b[31m"
    rows = [{"text": odd, "label": label} for label in ("pos", "neg")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = succeeds("evaluate", trained.run, "--data", path).stdout
    (line,) = (line for line in text.split("\n") if " taken for " in line)
    assert "film" in line
    assert "dull" in line
    assert "\x1b" not in text  # an example must not repaint the reader's terminal


def test_classes_may_have_the_names_of_averages(succeeds, copied, tmp_path):
    (copied / "vocabulary" / "labels.txt").write_text("accuracy\nmacro avg\n")
    (copied / "checksums.json").unlink()
    path = tmp_path / "names.tsv"
    path.write_text("a film\taccuracy\nb film\tmacro avg\nc film\tmacro avg\n")
    text = succeeds("evaluate", copied, "--data", path).stdout
    assert row_of(text, "accuracy")[-1] == 1
    assert row_of(text, "macro avg")[-1] == 2
    assert re.search(r"accuracy of the model +[01]\.\d{4}\n", text)


@pytest.fixture
def orphaned(copied):
    """A run whose training data are gone."""
    path = copied / "config.yaml"
    text = path.read_text(encoding="utf-8")
    source = load_config((path,)).data.source
    path.write_text(text.replace(source, "/nowhere/films.tsv"), encoding="utf-8")
    return copied


def test_without_the_training_data_there_is_no_baseline(succeeds, orphaned, contested):
    text = succeeds("evaluate", orphaned, "--data", contested).stdout
    assert "accuracy of the model         0.5000" in text
    assert "bag of words" not in text


def test_without_its_test_data_a_run_cant_judge_itself(refused, orphaned):
    assert "/nowhere/films.tsv" in refused("evaluate", orphaned)


def test_columns_of_another_file_can_be_named(succeeds, trained, tmp_path):
    path = tmp_path / "films.csv"
    path.write_text("id,review,stars\n1,great film,pos\n2,dull film,neg\n")
    columns = ("--text-column", "review", "--label-column", "stars", "--json")
    result = json.loads(succeeds("evaluate", trained.run, "--data", path, *columns).stdout)
    assert result["examples"] == 2


@pytest.mark.parametrize(
    ("task", "name"), [("documents", "accuracy"), ("tagging", "accuracy"), ("translation", "chrF")]
)
def test_the_score_by_length_is_kept_and_drawn(succeeds, cases, tmp_path, task, name):
    run = shutil.copytree(cases(task)[1], tmp_path / task)
    found = json.loads(succeeds("evaluate", run, "--json", noted=r"(?s).*").stdout)
    grouped = found["by_length"]
    assert grouped["score"] == name
    assert json.loads((run / "evaluation.json").read_text("utf-8"))["by_length"] == grouped
    groups = grouped["groups"]
    if task != "tagging":  # whose examples are tokens, and lengths those of sentences
        assert sum(group["examples"] for group in groups) == found["examples"]
    if task == "documents":
        mean = sum(group["examples"] * group["score"] for group in groups) / found["examples"]
        assert mean == pytest.approx(found["accuracy"])
    root = ET.fromstring((run / "plots" / "lengths.svg").read_bytes())
    drawn = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title")]
    for group in groups:
        told = f" ({group['examples']}): {group['score']:.4g}"
        assert any(text.startswith(str(group["from"])) and text.endswith(told) for text in drawn)
