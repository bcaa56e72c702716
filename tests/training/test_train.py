"""From a configuration to a finished run, on sixty reviews in a file, with a real network."""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from graphs import as_traced, without_graphs
from watchers import Silent

from seqtasks.config import load_config
from seqtasks.errors import ConfigError, DataError, RunError
from seqtasks.runs import Run, find_run, live_writer, writing
from seqtasks.tasks.calibration import read_temperature
from seqtasks.tasks.run_data import check_data
from seqtasks.tasks.sources import load_splits
from seqtasks.training.model_card import model_card
from seqtasks.training.records import record_resumption
from seqtasks.training.train import resume, summary, train

BATCH = 8


@pytest.fixture(scope="module", autouse=True)
def graphs_as_traced():
    """Rewrite no graph, which takes longer than to train by it."""
    with as_traced():
        yield


def write_reviews(path):
    """Sixty reviews, long and short, in which one word decides."""
    words = ["정말", "the", "film", "영화는", "very", "오늘"]
    draw = np.random.default_rng(0)
    lines = []
    for n in range(60):
        chosen = [*draw.choice(words, draw.integers(0, 6)), ("good", "나쁘다")[n % 2], f"w{n}"]
        lines.append(f"{' '.join(draw.permutation(chosen))}\t{('pos', 'neg')[n % 2]}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    return write_reviews(tmp_path_factory.mktemp("data") / "reviews.tsv")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def configured(reviews):
    return lambda name, **options: config_of(reviews, name, **options)


def config_of(reviews, name, **options):
    options = {k if "." in k else f"training.{k}": value for k, value in options.items()}
    return load_config(
        options={
            "name": name,
            "data.source": str(reviews),
            "data.validation_fraction": 0.3,
            "model.arch": "bigru",
            "model.units": 3,
            "model.embedding_units": 4,
            "model.dropout": 0.3,
            "model.weight_drop": 0.2,
            "model.zoneout": 0.1,
            "training.epochs": 4,
            "training.patience": 9,
            "training.batch_size": BATCH,
            "training.average_decay": 0.8,
            "training.learning_rate": 0.02,
            **options,
        }
    )


@pytest.fixture(scope="module")
def straight(reviews, runs):
    return train(config_of(reviews, "straight"), runs, False, Silent())


def weights_of(run):
    """Best weights and everything of the last state."""
    with np.load(run.last_state) as saved:
        return [saved[key] for key in sorted(saved.files) if key != "state"]


def losses(run):
    return [(row["train_loss"], row["validation_loss"]) for row in run.read_metrics()]


def assert_same_run(one, other):
    assert np.allclose(losses(one), losses(other), rtol=0, atol=1e-6)
    temperatures = [read_temperature(run) for run in (one, other)]
    assert temperatures[0] == pytest.approx(temperatures[1], abs=2e-3)
    assert temperatures[0] != 1.0
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-6)


# --- A finished run -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_has_all_that_its_documentation_lists(straight):
    run = straight.run
    files = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    events = {name for name in files if name.startswith("tensorboard/events")}
    assert len(events) == 1
    assert files - events == {
        "config.yaml",
        "environment.json",
        "data.json",
        "samples.json",
        "checksums.json",
        "network.json",
        "vocabulary/words.txt",
        "vocabulary/labels.txt",
        "checkpoints/best.weights.h5",
        "checkpoints/last.npz",
        "metrics.jsonl",
        "plots/learning_curve.png",
        "plots/gradients.png",
        "calibration.json",
        "model_card.md",
    }


def test_the_outcome_is_that_of_the_metrics(straight):
    rows = straight.run.read_metrics()
    best = max(rows, key=lambda row: (row["score"], -row["validation_loss"]))
    figures = summary(straight)
    assert len(rows) == figures["epochs"] == 4
    assert figures["best_score"] == best["score"]
    assert figures["best_epoch"] == best["epoch"]
    assert figures["ended"] == straight.state.finished == "4 epochs"
    assert figures["run"] == str(straight.run.path)
    assert straight.score == "accuracy"
    assert json.loads(json.dumps(figures)) == figures


def test_the_parameters_are_those_of_the_layers(straight):
    V = len((straight.run.vocabulary / "words.txt").read_text("utf-8").splitlines())
    D, H, classes = 4, 3, 2
    one_direction = 3 * (D * H + H * H + H)
    assert straight.parameters == V * D + 2 * one_direction + 2 * H * classes + classes


def test_the_configuration_in_the_run_is_the_one_it_was_made_with(straight, reviews):
    assert straight.run.config == config_of(reviews, "straight")


def test_the_vocabulary_is_of_the_training_part_alone(straight):
    words = (straight.run.vocabulary / "words.txt").read_text("utf-8").splitlines()
    numbered = [word for word in words if word[0] == "w" and word[1:].isdigit()]
    assert 20 < len(numbered) < 55
    assert (straight.run.vocabulary / "labels.txt").read_text("utf-8") == "neg\npos\n"


def test_the_model_card_has_the_figures_of_the_run(straight):
    card = straight.run.model_card.read_text("utf-8")
    best = max(row["score"] for row in straight.run.read_metrics())
    assert card.startswith("# straight\n")
    assert f"{straight.parameters:,} parameters" in card
    assert f"| validation accuracy | {best:.4f} (epoch " in card
    for fact in ("`bigru`", "neg, pos", "| seed | 1 |", "word", "examples"):
        assert fact in card
    rows = straight.run.read_metrics()
    assert {*rows[0]["largest_singular_values"]} == {"gru_1", "gru_1_backward"}
    norms = [row["gradient_norm"] for row in rows]
    largest = max(row["largest_gradient_norm"] for row in rows)
    share = 100 * sum(row["clipped"] for row in rows) / 4
    said = f"mean {sum(norms) / 4:.3g}, largest {largest:.3g}; clipped to 1 in {share:.0f} % of"
    assert f"| norm of the gradient | {said} the steps |\n" in card
    assert "evaluation.json" in card
    assert f"seqtasks evaluate {straight.run.path}" in card


def test_the_commands_on_the_card_can_be_typed_as_they_stand_and_are_complete(straight, tmp_path):
    run = Run(shutil.copytree(straight.run.path, tmp_path / "my run"))
    environment = json.loads((run.path / "environment.json").read_text("utf-8"))
    first = ["seqtasks", "train", "--data", "my `films`|2.tsv", "--name", "it's $HOME"]
    environment["command"] = first
    (run.path / "environment.json").write_text(json.dumps(environment), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        more = ["train", "--resume", "my run", "--epochs", "9"]
        patch.setattr("sys.argv", ["seqtasks", *more])
        record_resumption(run)
    card = model_card(run, run.config, {}, run.read_metrics(), 1, "accuracy")
    (row,) = [line for line in card.splitlines() if line.startswith("| command |")]
    code = row.removeprefix("| command | ``").removesuffix("`` |").strip()
    one, other = code.replace(chr(92) + "|", "|").split(" && ")
    assert shlex.split(one) == first
    assert shlex.split(other) == ["seqtasks", *more]
    assert f"seqtasks evaluate '{run.path}'" in card


def test_the_card_of_a_run_of_an_earlier_version_says_nothing_of_gradients(straight):
    known = ("epoch", "score", "validation_loss", "seconds")
    rows = [{name: row[name] for name in known} for row in straight.run.read_metrics()]
    card = model_card(straight.run, straight.run.config, {}, rows, 1, "accuracy")
    assert card.count("| time |") == 1
    assert "norm of the gradient" not in card


def test_the_size_of_the_network_is_written_down(straight):
    known = json.loads((straight.run.path / "network.json").read_text("utf-8"))
    D, H = 4, 3
    assert known["parameters"] == straight.parameters
    one_direction = 3 * (D * H + H * H) + 3 * H + 2 * H  # the last: m ⊙ h_{t-1}, (1 - m) ⊙ h~
    assert known["multiplications"] == {"token": 2 * one_direction, "example": 2 * H * 2}


def test_the_learning_curve_is_a_picture(straight):
    path = straight.run.plots / "learning_curve.png"
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = plt.imread(path)
    height, width = picture.shape[:2]
    assert min(height, width) >= 300
    assert picture[..., :3].std() > 0.05


def test_the_run_is_found_by_its_name(straight, runs):
    assert find_run(straight.run.path.relative_to(runs), runs).path == straight.run.path


# --- Nothing is written before everything is good -----------------------------------------------


def test_data_that_can_not_be_used_make_no_run(tmp_path, reviews):
    bad = load_config(options={"data.source": str(tmp_path / "none.tsv")})
    with pytest.raises(DataError, match=r"none\.tsv"):
        train(bad, tmp_path / "runs", False, Silent())
    other = write_reviews(tmp_path / "other.tsv")
    other.write_text("good film\tmaybe\n", encoding="utf-8")
    unknown = load_config(options={"data.source": str(reviews), "data.validation": str(other)})
    with pytest.raises(DataError, match="maybe"):
        train(unknown, tmp_path / "runs", False, Silent())
    assert not (tmp_path / "runs").exists()


def test_a_name_that_is_taken_is_refused_and_the_run_untouched(straight, configured, runs):
    before = sorted((p, p.stat().st_mtime_ns) for p in straight.run.path.rglob("*"))
    with pytest.raises(RunError, match="this run exists"):
        train(configured("straight"), runs, False, Silent())
    assert sorted((p, p.stat().st_mtime_ns) for p in straight.run.path.rglob("*")) == before


# --- Going on -----------------------------------------------------------------------------------


def test_a_run_that_is_done_can_not_be_resumed_without_more_epochs(straight, configured):
    with pytest.raises(RunError, match="all 4 epochs are done; ask for more, such as --epochs 9"):
        resume(straight.run, configured("straight"), Silent())


@pytest.mark.parametrize("lost", ["model_card.md", "plots/learning_curve.png"])
def test_a_run_that_lacks_only_its_card_or_its_curve_is_completed(
    straight, configured, runs, tmp_path, lost
):
    run = Run(Path(shutil.copytree(straight.run.path, tmp_path / "straight")))
    card, config = run.model_card.read_text("utf-8"), run.config_file.read_bytes()
    (run.path / lost).unlink()
    outcome = resume(run, run.config, Silent())
    assert outcome.state.finished == "4 epochs"
    assert (run.path / lost).is_file()
    assert run.model_card.read_text("utf-8") == card.replace(str(runs), str(tmp_path))
    assert run.config_file.read_bytes() == config
    assert_same_run(run, straight.run)
    with pytest.raises(RunError, match="all 4 epochs are done"):
        resume(run, run.config, Silent())


def test_more_epochs_that_are_killed_before_they_are_saved_leave_the_run_as_it_was(
    straight, configured, tmp_path, monkeypatch
):
    run = Run(Path(shutil.copytree(straight.run.path, tmp_path / "straight")))
    config, state = run.config_file.read_bytes(), run.last_state.read_bytes()

    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    more = configured("straight", epochs=6)
    with monkeypatch.context() as patched:
        patched.setattr("seqtasks.training.record.save_state", kill)
        with pytest.raises(Killed), without_graphs():
            resume(run, more, Silent())
    assert run.config_file.read_bytes() == config
    assert run.last_state.read_bytes() == state
    assert live_writer(run) is None
    with without_graphs():
        outcome = resume(run, more, Silent())
    assert outcome.state.finished == "6 epochs"
    assert run.config.training.epochs == 6
    assert "of 6)" in run.model_card.read_text("utf-8")


def test_other_data_than_the_run_was_begun_with_are_refused_or_accepted(
    straight, configured, reviews, tmp_path
):
    run = Run(Path(shutil.copytree(straight.run.path, tmp_path / "straight")))
    config, splits = configured("straight", epochs=5), load_splits(run.config)
    labels = [{"pos": "neg", "neg": "pos"}[label] for label in splits.train.labels]
    halved = splits.train.select(range(0, len(splits.train), 2))
    spaced = replace(splits.train, texts=[f" {text.upper()} " for text in splits.train.texts])
    for train_part, told in (
        (replace(splits.train, labels=labels), "as before, but not the same"),
        (halved, f"train has {len(halved)} examples instead of {len(splits.train)}"),
    ):
        with pytest.raises(RunError, match=told):
            resume(run, config, Silent(), replace(splits, train=train_part))
    assert check_data(run, config, replace(splits, train=spaced), ("train",)) == []
    assert "test" in str(check_data(run, config, replace(splits, test=halved), ("train",)))
    swapped = replace(splits, train=replace(splits.train, labels=labels))
    with without_graphs():
        assert resume(run, config, Silent(), swapped, accept_new_data=True).state.epoch == 5
    assert check_data(run, config, swapped, ("train",)) == []  # which are the run's from now on


def test_a_run_that_another_process_trains_is_not_resumed(straight, configured):
    with writing(straight.run), pytest.raises(RunError, match=r"process \d+ on .* trains this run"):
        resume(straight.run, configured("straight", epochs=9), Silent())
    with pytest.raises(RunError, match="all 4 epochs are done"):
        resume(straight.run, configured("straight"), Silent())


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.1}, {"batch_size": 4}, {"average_decay": 0.0}, {"clip_norm": 2.0}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_taught_can_not_change_on_the_way(straight, configured, change):
    before = straight.run.config_file.read_bytes()
    with pytest.raises(
        ConfigError, match=f"can't resume with another training.{next(iter(change))}"
    ):
        resume(straight.run, configured("straight", epochs=9, **change), Silent())
    assert straight.run.config_file.read_bytes() == before


def test_another_model_or_seed_can_not_change_on_the_way(straight):
    config = straight.run.config
    for part, field, value in (("model", "units", 5), ("text", "unit", "char"), (None, "seed", 7)):
        inner = value if part is None else getattr(config, part).model_copy(update={field: value})
        with pytest.raises(ConfigError, match=f"can't resume with another .*{field}"):
            resume(straight.run, config.model_copy(update={part or field: inner}), Silent())


@pytest.mark.slow
def test_two_epochs_and_two_more_are_four(straight, configured, runs):
    first = train(configured("halves", epochs=2), runs, False, Silent())
    assert np.allclose(losses(first.run), losses(straight.run)[:2], rtol=0, atol=1e-6)
    keras.utils.set_random_seed(123)
    second = resume(first.run, configured("halves", memory="small"), Silent())
    assert second.state.finished == "4 epochs"
    assert [row["epoch"] for row in second.run.read_metrics()] == [1, 2, 3, 4]
    assert second.run.config.training.epochs == 4
    environment = json.loads((second.run.path / "environment.json").read_text("utf-8"))
    assert len(environment["resumed"]) == 1
    assert_same_run(second.run, straight.run)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    straight, configured, runs, monkeypatch
):
    monkeypatch.setattr("seqtasks.training.fit._PROGRESS_SECONDS", -1.0)
    first = train(configured("broken"), runs, False, Silent(interrupt=(3, 2)))
    assert (first.state.epoch, first.state.batch, first.state.finished) == (2, 2, "")
    assert summary(first)["ended"] == "interrupted"
    assert not first.run.model_card.exists()
    assert not first.run.calibration.exists()
    second = resume(first.run, configured("broken"), Silent())
    assert second.run.model_card.exists()
    # What only went on made the run no other one.
    assert "resumed" not in json.loads((second.run.path / "environment.json").read_text("utf-8"))
    assert [row["epoch"] for row in second.run.read_metrics()] == [1, 2, 3, 4]
    assert_same_run(second.run, straight.run)


@pytest.mark.slow
def test_with_products_in_bfloat16_a_run_is_resumed_exactly(configured, runs):
    low = {"precision": "bfloat16_products", "model.arch": "rnn"}
    whole = train(configured("low", epochs=2, **low), runs, False, Silent())
    first = train(configured("low-halves", epochs=1, **low), runs, False, Silent())
    second = resume(first.run, configured("low-halves", epochs=2, **low), Silent())
    assert losses(second.run) == losses(whole.run)
    for a, b in zip(weights_of(second.run), weights_of(whole.run), strict=True):
        assert np.array_equal(a, b)
    of_float32 = {**low, "precision": "float32"}
    with pytest.raises(ConfigError, match=r"can't resume with another training\.precision"):
        resume(first.run, configured("low-halves", epochs=3, **of_float32), Silent())


@pytest.mark.slow
def test_another_seed_gives_another_model(straight, reviews, runs):
    config = config_of(reviews, "seed", epochs=1).model_copy(update={"seed": 2})
    other = train(config, runs, False, Silent())
    assert not np.allclose(losses(other.run), losses(straight.run)[:1], rtol=0, atol=1e-4)
