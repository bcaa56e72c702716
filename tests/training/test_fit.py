"""The loop over epochs on a network small enough to be taught in a blink.

The score is scripted wherever only decisions are looked at, and the model's own where weights are.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqtasks.config import SentimentConfig, TrainingConfig
from seqtasks.errors import RunError, TrainingError
from seqtasks.layers.bidirectional import Bidirectional
from seqtasks.layers.recurrent import GRU
from seqtasks.runs import create_run
from seqtasks.runs.checksums import check_files
from seqtasks.training.fit import fit
from seqtasks.training.state import read_state


def no_vocabulary(folder):
    """Nothing to save."""


V, CLASSES, BATCHES = 8, 2, 5
CONFIG = TrainingConfig(epochs=4, learning_rate=0.05, average_decay=0.7, patience=9)


def network(seed=1):
    keras.utils.set_random_seed(seed)
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(V, 3)(ids))
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model({"ids": ids}, keras.layers.Dense(CLASSES)(x))


def cross_entropy(targets, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)


def batches(epoch, skip):
    """The same for one epoch, different for another: is the mean of the ids large?"""
    draw = np.random.default_rng([3, epoch])
    ids = draw.integers(1, V, (BATCHES, 4, 6)).astype("int32")
    labels = (ids.mean(axis=2) > (V / 2)).astype("int32")
    examples: Any = ({"ids": ids}, labels)
    return tf.data.Dataset.from_tensor_slices(examples).skip(skip), BATCHES


def own_score(model):
    """Validation by the model itself: its mean loss, and minus that as its score."""
    dataset, _ = batches(999, 0)

    def validate():
        losses = [cross_entropy(labels, model(inputs)).numpy() for inputs, labels in dataset]
        return float(np.mean(losses)), -float(np.mean(losses))

    return validate


def scripted(scores, losses=None):
    """Validation that gives these scores, one after the other."""
    losses = losses or [1.0] * len(scores)
    pairs = iter(zip(losses, scores, strict=True))
    return lambda: next(pairs)


class Diary:
    """A watcher that writes down what it is told, and may do something on the way."""

    def __init__(self, act=None):
        self.progress, self.results, self.act = [], [], act

    def progressed(self, progress):
        self.progress.append(progress)
        if self.act:
            self.act(progress)

    def epoch_ended(self, result):
        self.results.append(result)


def interrupt_at(epoch, batch, number=signal.SIGINT):
    def act(progress):
        if (progress.epoch, progress.batch) == (epoch, batch):
            os.kill(os.getpid(), number)

    return act


@pytest.fixture
def every_batch(monkeypatch):
    """Have the watcher told after every batch."""
    monkeypatch.setattr("seqtasks.training.fit._PROGRESS_SECONDS", -1.0)


@pytest.fixture
def new_run(tmp_path):
    def new_run(name="run"):
        return create_run(tmp_path / name, SentimentConfig(name=name), no_vocabulary)

    return new_run


def teach(run, validate=None, config=CONFIG, watcher=None, resume=False, loss=cross_entropy, **kw):
    model = network(**kw)
    watcher = watcher or Diary()
    validate = validate or own_score(model)
    return model, fit(model, loss, batches, validate, config, run, watcher, resume)


def changed(**options):
    return CONFIG.model_copy(update=options)


def weights_of(model):
    return [w.numpy() for w in model.trainable_variables]


def same(one, other):
    return all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(one, other, strict=True))


def last_variables(run):
    with np.load(run.last_state) as saved:
        return [saved[key] for key in sorted(saved.files) if key != "state"]


def without_times(rows):
    times = ("seconds", "examples_per_second", "tokens_per_second")
    return [{key: value for key, value in row.items() if key not in times} for row in rows]


# --- What is decided ----------------------------------------------------------------------------


def test_all_epochs_are_taught_and_written_down(new_run):
    run, watcher = new_run(), Diary()
    _, state = teach(run, scripted([0.1, 0.2, 0.3, 0.4]), watcher=watcher)
    assert (state.epoch, state.batch, state.finished) == (4, 0, "4 epochs")
    rows = run.read_metrics()
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["score"] for row in rows] == [0.1, 0.2, 0.3, 0.4]
    assert rows == [result.row() for result in watcher.results]
    assert all(row["train_loss"] > 0 and row["examples_per_second"] > 0 for row in rows)
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)


def test_the_train_loss_is_the_mean_over_the_examples_of_the_epoch(new_run):
    run = new_run()

    def given(targets, outputs):
        return tf.cast(targets, tf.float32) + 0 * tf.reduce_sum(outputs, axis=1)

    teach(run, scripted([0.1, 0.2]), changed(epochs=2), loss=given)
    for epoch, row in enumerate(run.read_metrics()):
        labels = [label for _, labels in batches(epoch, 0)[0] for label in labels.numpy()]
        assert row["train_loss"] == pytest.approx(np.mean(labels))


def test_it_stops_when_patience_ends_and_lowers_the_rate_on_a_plateau(new_run):
    run = new_run()
    config = changed(epochs=20, patience=4, plateau_patience=2, plateau_factor=0.5)
    scores = [0.5, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5, 0.5, 0.9]
    _, state = teach(run, scripted(scores), config)
    assert state.finished == "no better score in 4 epochs"
    assert (state.epoch, state.schedule.best_epoch) == (8, 4)
    rows = run.read_metrics()
    assert [row["best"] for row in rows] == [n in (0, 3) for n in range(8)]
    rates = [row["learning_rate"] for row in rows]
    assert rates == pytest.approx([0.05] * 3 + [0.025] * 3 + [0.0125] * 2)


def test_it_stops_as_soon_as_the_target_is_reached(new_run):
    run = new_run()
    _, state = teach(run, scripted([0.1, 0.8, 0.9]), changed(target=0.8))
    assert (state.epoch, state.finished) == (2, "the score reached 0.8")


def test_the_best_weights_are_left_in_the_run_and_in_the_model(new_run):
    run, history, averages = new_run(), [], iter([0.2, 0.9, 0.3, 0.4])
    model = network()

    def validate():
        history.append(weights_of(model))
        return 1.0, next(averages)

    fit(model, cross_entropy, batches, validate, CONFIG, run, Diary())
    assert same(weights_of(model), history[1])
    assert not same(history[1], history[3])
    other = network(seed=5)
    other.load_weights(run.best_weights)
    assert same(weights_of(other), history[1])


def test_the_averaged_weights_are_validated_and_kept_and_the_others_go_on(new_run):
    plain, averaged = new_run("plain"), new_run("averaged")
    model, _ = teach(plain, scripted([0.1, 0.2]), changed(epochs=2, average_decay=0.0))
    smooth, _ = teach(averaged, scripted([0.1, 0.2]), changed(epochs=2))
    assert not same(weights_of(model), weights_of(smooth))
    losses = [[row["train_loss"] for row in run.read_metrics()] for run in (plain, averaged)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_the_mean_of_the_last_epochs_is_kept_also_after_an_interruption(new_run, every_batch):
    config = changed(epochs=4, average_decay=0.0, average_last=2)
    straight, once = new_run("straight"), new_run("once")
    model, _ = teach(straight, scripted([0.1, 0.2, 0.3, 0.2]), config)
    with_last = weights_of(model)
    plain, _ = teach(
        new_run("plain"), scripted([0.1, 0.2, 0.3, 0.2]), changed(epochs=4, average_decay=0.0)
    )
    assert not same(with_last, weights_of(plain))
    teach(once, scripted([0.1, 0.2]), config, Diary(interrupt_at(3, 1)))
    model, _ = teach(once, scripted([0.3, 0.2]), config, resume=True)
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(model), with_last, strict=True))


def test_tensorboard_has_what_the_metrics_have(new_run):
    run = new_run()
    teach(run, scripted([0.1, 0.2]), changed(epochs=2))
    (path,) = run.tensorboard.glob("events.out.tfevents.*")
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    names = ("train_loss", "validation_loss", "score", "learning_rate", "gradient_norm", "clipped")
    for row in run.read_metrics():
        for name in names:
            assert found[name, row["epoch"]] == pytest.approx(row[name])


def test_metrics_and_tensorboard_have_the_singular_values_of_each_recurrent_layer(new_run):
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int32", name="ids")
    layer = Bidirectional(GRU(3, name="gru_1"), name="bigru_1")
    x = layer(keras.layers.Embedding(V, 3)(ids))
    model = keras.Model({"ids": ids}, keras.layers.Dense(CLASSES)(x))
    run, found = new_run(), []

    def validate():
        weights = {each.name: each.cell.W_h for each in (layer.layer, layer.backward_layer)}
        found.append({name: np.linalg.svd(W_h.numpy())[1] for name, W_h in weights.items()})
        return 1.0, 0.5

    config = changed(epochs=2, average_decay=0.0)
    fit(model, cross_entropy, batches, validate, config, run, Diary())
    for row, values in zip(run.read_metrics(), found, strict=True):
        assert [*values] == ["gru_1", "gru_1_backward"]
        for name, at in (("largest_singular_values", 0), ("smallest_singular_values", -1)):
            expected = {layer: pytest.approx(each[at], rel=1e-5) for layer, each in values.items()}
            assert row[name] == expected
    assert found[0]["gru_1"][0] != found[1]["gru_1"][0]
    assert_points_are_those_of_the_metrics(run)


def test_the_watcher_is_told_how_far_an_epoch_is(new_run, every_batch):
    watcher = Diary()
    teach(new_run(), scripted([0.1, 0.2]), changed(epochs=2), watcher)
    told = [(p.epoch, p.batch, p.epochs, p.batches) for p in watcher.progress]
    assert told == [(e, b, 2, BATCHES) for e in (1, 2) for b in range(1, BATCHES + 1)]
    examples = [p.totals.examples for p in watcher.progress]
    assert examples == [4 * b for b in range(1, BATCHES + 1)] * 2


# --- What goes wrong ----------------------------------------------------------------------------


def explosive(targets, logits):
    return cross_entropy(targets, logits) * float("nan")


def test_a_loss_that_is_no_number_stops_with_advice_and_keeps_no_weights(new_run):
    run = new_run()
    with pytest.raises(TrainingError) as error:
        teach(run, loss=explosive)
    message = str(error.value)
    assert "epoch 1, batch" in message
    assert "--set training.learning_rate=0.0125" in message
    assert "--set training.clip_norm=0.25" in message
    assert not run.best_weights.exists()
    assert run.read_metrics() == []
    assert read_state(run.last_state).batch == 0  # from which it can begin anew


def test_a_loss_that_explodes_later_leaves_the_state_of_the_epoch_before(new_run):
    run = new_run()
    steps = tf.Variable(tf.constant(0))

    def later(targets, logits):
        broken = tf.where(steps.assign_add(1) > 2 * BATCHES, float("nan"), 1.0)
        return cross_entropy(targets, logits) * broken

    with pytest.raises(TrainingError, match="epoch 3"):
        teach(run, loss=later)
    assert [row["epoch"] for row in run.read_metrics()] == [1, 2]
    _, state = teach(run, resume=True)
    assert state.epoch == 4
    assert all(np.isfinite(v).all() for v in last_variables(run))


@pytest.mark.parametrize(("weights", "factor"), [(None, 3e6), ({"a": 0.5, "b": 40}, 1.2e8)])
def test_a_loss_out_of_all_bounds_stops_with_advice(new_run, weights, factor):
    class Config(TrainingConfig):
        class_weight: dict[str, float] | None = None

    run = new_run()

    def wild(targets, logits):
        return 0 * cross_entropy(targets, logits) + factor

    config = Config(**{**changed(learning_rate=1e20).model_dump(), "class_weight": weights})
    with pytest.raises(TrainingError) as error:
        teach(run, config=config, loss=wild)
    message = str(error.value)
    assert f"out of all bounds, {factor:.1e} on average (epoch 1, batch " in message
    assert message.endswith("--set training.learning_rate=0.002")  # not a quarter of 1e20
    assert not run.best_weights.exists()
    assert run.read_metrics() == []


@pytest.mark.parametrize(("weights", "factor"), [(None, 9e5), ({"a": 5, "b": 4000}, 3e9)])
def test_a_large_loss_that_is_in_bounds_goes_on(new_run, weights, factor):
    class Config(TrainingConfig):
        class_weight: dict[str, float] | None = None

    def large(targets, logits):
        return 0 * cross_entropy(targets, logits) + factor

    config = Config(**{**CONFIG.model_dump(), "class_weight": weights, "epochs": 1})
    _, state = teach(new_run(), config=config, loss=large)
    assert state.finished


def test_weights_whose_validation_loss_is_no_number_are_never_the_best(new_run):
    run = new_run()
    with pytest.raises(TrainingError):
        teach(run, scripted([0.5] * 4, [float("inf")] * 4))
    assert not run.best_weights.exists()


def test_a_full_disk_while_the_best_weights_are_written_leaves_no_half_of_them(
    new_run, monkeypatch
):
    run = new_run()
    teach(run, scripted([0.5]), changed(epochs=1))
    before = run.best_weights.read_bytes()

    def write_half(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", write_half)
    with pytest.raises(RunError, match="No space left on device"):
        teach(run, scripted([0.9]), changed(epochs=2), resume=True)
    assert run.best_weights.read_bytes() == before
    assert sorted(p.name for p in run.best_weights.parent.iterdir()) == [
        "best.weights.h5",
        "last.npz",
    ]


@pytest.mark.parametrize("content", [None, b"", b"damaged"], ids=["missing", "empty", "damaged"])
def test_going_on_from_a_state_that_is_not_there_is_an_error_of_ours(new_run, content):
    run = new_run()
    if content is not None:
        run.last_state.write_bytes(content)
    with pytest.raises(RunError, match=r"last\.npz"):
        teach(run, resume=True)


# --- Going on as if nothing had happened --------------------------------------------------------


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    run = create_run(tmp_path_factory.mktemp("straight") / "run", SentimentConfig(), no_vocabulary)
    model, state = teach(run)
    return run, weights_of(model), state


def assert_as_straight(straight, run, model, state):
    whole, weights, end = straight
    assert same(weights_of(model), weights)
    assert same(last_variables(run), last_variables(whole))
    assert state.schedule == end.schedule
    rows, expected = without_times(run.read_metrics()), without_times(whole.read_metrics())
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    for row, other in zip(rows, expected, strict=True):
        assert row == pytest.approx(other, abs=1e-6)


def test_one_seed_gives_one_model_and_another_seed_another(new_run, straight):
    again, _ = teach(new_run("again"))
    other, _ = teach(new_run("other"), seed=2)
    assert same(weights_of(again), straight[1])
    assert not same(weights_of(other), straight[1])


def test_more_epochs_later_are_the_same_as_all_at_once(new_run, straight):
    run = new_run()
    teach(run, config=changed(epochs=2))
    model, state = teach(run, resume=True, seed=9)
    assert_as_straight(straight, run, model, state)


@pytest.mark.parametrize(("epoch", "batch"), [(2, 3), (3, BATCHES), (4, BATCHES)], ids=str)
def test_an_interruption_anywhere_changes_nothing(new_run, straight, every_batch, epoch, batch):
    run = new_run()
    _, state = teach(run, watcher=Diary(interrupt_at(epoch, batch)))
    assert (state.epoch, state.batch, state.finished) == (epoch - 1, batch, "")
    assert len(run.read_metrics()) == epoch - 1
    watcher = Diary()
    model, state = teach(run, watcher=watcher, resume=True, seed=9)
    told = [(p.epoch, p.batch) for p in watcher.progress]
    assert told[:1] == ([(epoch, batch + 1)] if batch < BATCHES else [(epoch + 1, 1)][: 4 - epoch])
    assert_as_straight(straight, run, model, state)


def test_two_interruptions_of_one_epoch_change_nothing(new_run, straight, every_batch):
    run = new_run()
    teach(run, watcher=Diary(interrupt_at(2, 2)))
    teach(run, watcher=Diary(interrupt_at(2, 4)), resume=True)
    model, state = teach(run, resume=True)
    assert_as_straight(straight, run, model, state)


@pytest.mark.parametrize("change", ["one too many", "none", "a torn line"])
def test_the_metrics_are_those_of_the_saved_state_whatever_a_crash_left(new_run, straight, change):
    run = new_run()
    teach(run, config=changed(epochs=2))
    rows = run.read_metrics()
    if change == "one too many":
        run.write_metrics([*rows, {**rows[-1], "epoch": 3}])
    elif change == "none":
        run.metrics.unlink()
    else:
        run.metrics.write_text('{"epoch": 1, "sco')
    model, state = teach(run, resume=True)
    assert_as_straight(straight, run, model, state)


def test_the_state_of_an_earlier_version_has_its_metrics_in_their_file(new_run, straight):
    run = new_run()
    _, state = teach(run, config=changed(epochs=2))
    rows = run.read_metrics()
    with np.load(run.last_state) as saved:
        values = dict(saved)
    fields = {key: value for key, value in vars(state).items() if key != "rows"}
    fields["schedule"] = vars(state.schedule)
    values["state"] = np.array(json.dumps(fields))
    with run.last_state.open("wb") as file:
        np.savez(file, **values)
    run.write_metrics([*rows, {**rows[-1], "epoch": 3}])
    model, state = teach(run, resume=True)
    assert_as_straight(straight, run, model, state)


def test_the_state_of_a_version_without_norms_goes_on_in_the_middle_of_an_epoch(
    new_run, straight, every_batch
):
    run = new_run()
    teach(run, watcher=Diary(interrupt_at(2, 3)))
    with np.load(run.last_state) as saved:
        values = dict(saved)
    fields = json.loads(str(values["state"]))
    del fields["version"]
    values["state"] = np.array(json.dumps(fields))
    for key in sorted(values.keys() - {"state"})[-4:]:
        del values[key]
    np.savez(run.last_state, **values)
    model, _ = teach(run, resume=True)
    whole, weights, _ = straight
    assert same(weights_of(model), weights)
    for row, other in zip(run.read_metrics(), whole.read_metrics(), strict=True):
        for name in ("train_loss", "score", *(("gradient_norm",) if row["epoch"] != 2 else ())):
            assert row[name] == pytest.approx(other[name], abs=1e-6)
        assert 0 < row["gradient_norm"] <= row["largest_gradient_norm"]


class Killed(BaseException):
    """Stands for a kill: nothing of the package catches it."""


KILLS = [  # the how-manieth time that this file is put in its place, and on which side of it
    ("last.npz", 1, "before"),
    ("last.npz", 1, "after"),
    ("checksums.json", 2, "after"),
    ("best.weights.h5", 2, "after"),
    ("last.npz", 3, "before"),
    ("last.npz", 3, "after"),
    ("metrics.jsonl", 3, "before"),
    ("last.npz", 5, "after"),
]


@pytest.mark.parametrize(("name", "number", "side"), KILLS, ids=str)
def test_a_kill_anywhere_changes_nothing(new_run, straight, monkeypatch, name, number, side):
    run, real, seen = new_run(), Path.replace, []

    def replace(self, target):
        seen.append(Path(target).name)
        hit = seen[-1] == name and seen.count(name) == number
        if hit and side == "before":
            raise Killed
        real(self, target)
        if hit:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(Killed):
            teach(run)
    begun = run.last_state.exists()
    assert begun == ((name, number, side) != KILLS[0])
    model, state = teach(run, resume=begun)
    assert_as_straight(straight, run, model, state)
    check_files(run.path, "checkpoints")
    assert_points_are_those_of_the_metrics(run)


def points(run):
    """What TensorBoard shows: of each name and step all values, in all files."""
    found = {}
    for path in run.tensorboard.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault((value.tag, event.step), []).append(tf.make_ndarray(value.tensor))
    return found


def assert_points_are_those_of_the_metrics(run):
    expected = {}
    for row in run.read_metrics():
        for name, value in row.items():
            if isinstance(value, float):
                expected[name, row["epoch"]] = [pytest.approx(value)]
            elif isinstance(value, dict):
                for part, number in value.items():
                    expected[f"{name}/{part}", row["epoch"]] = [pytest.approx(number)]
    assert points(run) == expected


def test_a_state_is_saved_before_the_first_batch_and_inside_an_epoch(
    new_run, straight, every_batch
):
    run, watched = new_run(), []

    def look(progress):
        state = read_state(run.last_state)
        watched.append((state.epoch, state.batch))
        if len(watched) == 8:
            raise Killed

    with pytest.raises(Killed):
        teach(run, config=changed(save_minutes=1e-9), watcher=Diary(look))
    # Each batch is shown before it is saved, and an epoch's last one is saved at its end.
    assert watched == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2)]
    model, state = teach(run, resume=True, seed=9)
    assert_as_straight(straight, run, model, state)


def test_inside_an_epoch_nothing_is_saved_before_its_time(new_run, every_batch):
    for minutes in (0, 5):
        run, watched = new_run(f"run{minutes}"), set()
        look = Diary(lambda _, run=run, w=watched: w.add(read_state(run.last_state).batch))
        teach(run, config=changed(save_minutes=minutes, epochs=2), watcher=look)
        assert watched == {0}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
def test_the_signals_of_a_machine_and_a_terminal_that_end_save_as_ctrl_c_does(
    new_run, straight, every_batch, number
):
    before = signal.getsignal(number)
    run = new_run()
    teach(run, watcher=Diary(interrupt_at(2, 3, number)))
    assert signal.getsignal(number) is before
    assert read_state(run.last_state).batch == 3
    model, state = teach(run, resume=True)
    assert_as_straight(straight, run, model, state)


def test_a_signal_that_is_ignored_stays_ignored(new_run, every_batch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _, state = teach(new_run(), watcher=Diary(interrupt_at(2, 3, signal.SIGHUP)))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert state.finished


def test_an_interruption_in_the_validation_ends_training_after_it(new_run, straight):
    run, asked = new_run(), iter([False, True])
    model = network()
    own = own_score(model)

    def validate():
        if next(asked):
            os.kill(os.getpid(), signal.SIGTERM)
        return own()

    state = fit(model, cross_entropy, batches, validate, CONFIG, run, Diary())
    assert (state.epoch, state.batch, state.finished) == (2, 0, "")
    model, state = teach(run, resume=True)
    assert_as_straight(straight, run, model, state)


def test_the_lowered_rate_is_still_low_after_going_on(new_run):
    run = new_run()
    config = changed(epochs=2, plateau_patience=1)
    teach(run, scripted([0.5, 0.4]), config)
    teach(run, scripted([0.4, 0.4]), config.model_copy(update={"epochs": 4}), resume=True)
    rates = [row["learning_rate"] for row in run.read_metrics()]
    assert rates == pytest.approx([0.05, 0.05, 0.025, 0.0125])


def test_ctrl_c_works_as_before_when_training_is_over(new_run, every_batch):
    before = signal.getsignal(signal.SIGINT)
    teach(new_run(), watcher=Diary(interrupt_at(1, 1)))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_breaks_off_at_once(new_run, every_batch):
    def twice(progress):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    run = new_run()
    with pytest.raises(KeyboardInterrupt):
        teach(run, watcher=Diary(twice))
    assert not list(run.best_weights.parent.glob(".*"))
