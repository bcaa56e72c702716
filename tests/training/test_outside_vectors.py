"""Runs with outside vectors and features of words: frozen, tuned later, resumed, exported."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from graphs import as_traced
from once import once
from pictures import sketched
from watchers import Silent

from seqtasks.config import load_config
from seqtasks.errors import ConfigError, DataError, RunError
from seqtasks.export.export import export_run
from seqtasks.loaded import LoadedRun
from seqtasks.runs import Run
from seqtasks.tasks.finished_run import load_predictor
from seqtasks.tasks.outside_vectors import check_vectors
from seqtasks.training.train import resume, train

WIDTH = 5
KNOWN = ["good", "bad", "the", "film", "splendid", "awful"]  # the last two aren't in training


@pytest.fixture(scope="module", autouse=True)
def graphs_as_traced():
    """Rewrite no graph, which takes longer than to train by it."""
    with as_traced(), sketched():
        yield


def write_files(folder):
    """Forty reviews in which one word decides, and vectors in which its kind is seen."""
    draw = np.random.default_rng(1)
    lines = []
    for n in range(40):
        words = [*draw.choice(["the", "Film", "it", "was"], draw.integers(0, 5))]
        words.append(("good", "bad")[n % 2])
        lines.append(f"{' '.join(draw.permutation(words))}\t{('pos', 'neg')[n % 2]}\n")
    (folder / "reviews.tsv").write_text("".join(lines), "utf-8")
    rows = draw.normal(size=(len(KNOWN), WIDTH)) * 0.1
    rows[[0, 4], 0], rows[[1, 5], 0] = 3, -3
    vectors = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(KNOWN, rows, strict=True)]
    (folder / "some.vec").write_text("".join(vectors), "utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return once(tmp_path_factory, "reviews-and-vectors", write_files)


def configured(files, name, tuned, **options):
    return load_config(
        options={
            "name": name,
            "data.source": str(files / "reviews.tsv"),
            "data.validation_fraction": 0.3,
            "text.vectors": str(files / "some.vec"),
            "text.tune_vectors": tuned,
            "text.unit": "word+char",
            "text.features": ["shape", "suffix"],
            "model.arch": "gru",
            "model.units": 3,
            "model.character_units": 3,
            "model.character_encoder": "cnn",
            "model.feature_units": 2,
            "training.epochs": 4,
            "training.patience": 9,
            "training.batch_size": 8,
            "training.learning_rate": 0.03,
            "training.average_decay": 0.8,
            **options,
        }
    )


@pytest.fixture(scope="module")
def tuned_late(files, tmp_path_factory):
    """A run whose vectors are trained after two epochs, and what was told at its beginning.

    The file of vectors is there no more.
    """

    def make(folder):
        lines, vectors = [], shutil.copy(files / "some.vec", folder)
        config = configured(files, "late", 2, **{"text.vectors": str(vectors)})
        train(config, folder, False, Silent(), told=lines.append)
        Path(vectors).unlink()
        (folder / "told.json").write_text(json.dumps(lines))

    folder = once(tmp_path_factory, "tuned-late", make)
    return Run(folder / "late"), json.loads((folder / "told.json").read_text())


@pytest.fixture(autouse=True)
def _told_of_every_batch(monkeypatch):
    monkeypatch.setattr("seqtasks.training.fit._PROGRESS_SECONDS", -1.0)


def state_of(run):
    with np.load(run.last_state) as saved:
        return [saved[key] for key in sorted(saved.files) if key != "state"]


def outside_vectors(run):
    """The vectors of the words that the file has, by word."""
    predictor = load_predictor(run, run.config)
    tokens = predictor.codec.encoder.words.tokens
    table = predictor.model.get_layer("text").token_vectors(np.arange(len(tokens))).numpy()
    return {word: table[tokens.index(word)] for word in KNOWN}


def as_in_the_file(files):
    rows = [line.split() for line in (files / "some.vec").read_text().splitlines()]
    numbers = {word: np.array(row, float) for word, *row in rows}
    return {word: 4 * row / np.linalg.norm(row) for word, row in numbers.items()}


def test_a_training_says_what_the_vectors_cover_and_so_does_the_card(tuned_late):
    run, told = tuned_late
    assert len(told) == 1
    expected = "outside vectors: some.vec, 5 wide: 66.7% of the words and "
    assert told[0].startswith(expected)
    assert "of the tokens of train; " in told[0]
    assert "of the tokens of validation; 2 words more" in told[0]
    name, _, fact = told[0].partition(": ")
    assert f"| {name} | {fact} |" in run.model_card.read_text("utf-8")
    assert run.config.model.embedding_units == WIDTH


@pytest.mark.parametrize("at", [(2, 2), (3, 1)])
def test_vectors_stay_until_the_switch_and_training_resumes_exactly_before_and_behind_it(
    files, tuned_late, tmp_path, at
):
    straight = tuned_late[0]
    config = configured(files, "stopped", 2)
    run = train(config, tmp_path, False, Silent(interrupt=at)).run
    given, found = as_in_the_file(files), outside_vectors(run)  # of the best epoch of one or two
    assert all(np.allclose(found[word], given[word], rtol=0, atol=1e-6) for word in KNOWN)
    resume(run, run.config, Silent())
    for ours, theirs in zip(state_of(run), state_of(straight), strict=True):
        assert np.array_equal(ours, theirs)
    assert [r["train_loss"] for r in run.read_metrics()] == [
        r["train_loss"] for r in straight.read_metrics()
    ]


def test_behind_the_switch_the_vectors_of_training_s_words_move_and_no_others(files, tuned_late):
    given = as_in_the_file(files)
    found = outside_vectors(tuned_late[0])
    same = {word for word in KNOWN if np.allclose(found[word], given[word], rtol=0, atol=1e-6)}
    best = max(tuned_late[0].read_metrics(), key=lambda row: row["best"] * row["epoch"])["epoch"]
    assert best > 2  # or the weights that are kept are of before the switch
    assert same == {"splendid", "awful"}


def test_a_run_answers_and_goes_on_and_is_exported_without_the_file(
    tuned_late, compared_here, tmp_path
):
    run, _ = tuned_late
    assert not Path(run.config.text.vectors).exists()
    loaded = LoadedRun(run.path)
    answers = loaded.predict(["splendid", "awful", "unheard of", "GOOD film", ""])
    assert [answer.label for answer in answers[:2]] == ["pos", "neg"]
    assert abs(answers[0].probability - answers[2].probability) > 1e-3
    exported = export_run(run, tmp_path / "exports", more=["splendid Film", "awful", "", "x"])
    assert exported.largest_difference < 1e-4
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    assert resume(copy, longer(run), Silent()).state.epoch == 5


def longer(run):
    config = run.config
    training = config.training.model_copy(update={"epochs": len(run.read_metrics()) + 1})
    return config.model_copy(update={"training": training})


def test_a_run_killed_before_its_first_state_reads_the_file_again(files, tmp_path):
    vectors = Path(shutil.copy(files / "some.vec", tmp_path))
    content, options = vectors.read_text("utf-8"), {"text.vectors": str(vectors)}
    config = configured(files, "killed", "never", **options)
    run = train(config, tmp_path, False, Silent((1, 1))).run
    expected = outside_vectors_of_state(run)
    run.last_state.unlink()
    vectors.unlink()
    with pytest.raises(DataError, match=r"some.vec: can't read the vectors"):
        resume(run, run.config, Silent((1, 1)))
    vectors.write_text(content.replace("awful", "terrible"), "utf-8")
    with pytest.raises(RunError, match="not the vectors that the run was begun with"):
        resume(run, run.config, Silent((1, 1)))
    vectors.write_text(content, "utf-8")
    resume(run, run.config, Silent((1, 1)))
    assert np.array_equal(outside_vectors_of_state(run), expected)


def outside_vectors_of_state(run):
    """The only table that is so wide and so long."""
    found = [value for value in state_of(run) if value.shape == (len(KNOWN), WIDTH)]
    assert len(found) == 1
    return found[0]


def test_another_width_is_refused_before_anything_is_written(files, tmp_path):
    config = configured(files, "wide", "never", **{"model.embedding_units": 7})
    with pytest.raises(ConfigError, match=r"embedding_units is 7, .* of 5 numbers; leave it out"):
        train(config, tmp_path / "runs", False, Silent())
    assert not (tmp_path / "runs").exists()
    assert check_vectors(configured(files, "same", "never", **{"model.embedding_units": 5})) == []


def test_a_large_file_is_announced(files, tmp_path):
    large = tmp_path / "large.vec"
    with large.open("wb") as file:
        file.write((files / "some.vec").read_bytes())
        file.truncate(120_000_000)
    config = configured(files, "large", "never", **{"text.vectors": str(large)})
    assert check_vectors(config) == [f"{large}: 120 MB, rows of 5 numbers; all of it is read once"]
