"""Two processes, or devices, that share each batch take the steps that one of them takes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shared_steps
from graphs import without_graphs

from seqtasks.runs import Run
from seqtasks.training.cluster import local_cluster
from seqtasks.training.team import ALONE

# Of seven tasks those whose batches are shared in ways of their own.
CASES: dict[str, dict] = {
    # Some rows are alone in their batch: only one worker has any.
    "sentiment": {"model.arch": "rnn", "text.unit": "word", "training.batch_tokens": 6},
    "tagging": {"training.embedding_update": "rows"},
    "language_model": {"training.average_decay": 0.7},  # of which states are carried
}


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory) -> Path:
    """Each case's configuration, and what two workers and two devices made of it."""
    folder = tmp_path_factory.mktemp("shared")
    for task, options in CASES.items():
        config = make(task, options).config
        (folder / f"{task}.yaml").write_text(config.to_yaml(), "utf-8")
    cluster = local_cluster(2)
    paths = os.pathsep.join([str(Path(shared_steps.__file__).parents[1]), *sys.path])
    addresses = ",".join(cluster.addresses)
    workers = [
        subprocess.Popen(
            [sys.executable, shared_steps.__file__, folder, *who],
            env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        for who in ((addresses, "0"), (addresses, "1"), ("devices", "2"))
    ]
    try:
        assert [worker.wait(600) for worker in workers] == [0, 0, 0]
    finally:
        for worker in workers:
            worker.kill()
    return folder


@pytest.fixture(scope="module")
def alone(folder) -> dict[str, dict[str, np.ndarray]]:
    """What one device of one process made of each case."""
    with without_graphs():
        return {name: shared_steps.trained(folder / f"{name}.yaml", ALONE) for name in CASES}


@pytest.mark.parametrize("who", ["0", "devices"])
@pytest.mark.parametrize("name", CASES)
def test_two_workers_or_devices_take_the_steps_of_one(name, who, folder, alone):
    with np.load(folder / f"{who}.npz") as found:
        for key, value in alone[name].items():
            shared = found[f"{name}/{key}"]
            assert shared.shape == value.shape
            if value.dtype == np.int64:
                assert np.array_equal(shared, value), key
            else:
                assert np.allclose(shared, value, rtol=1e-4, atol=2e-5), key
        assert np.allclose(found[f"{name}/losses"], alone[name]["losses"], rtol=1e-5)
        assert len(alone[name]["losses"]) > 1


@pytest.mark.parametrize("name", CASES)
def test_the_second_worker_has_the_weights_of_the_first_to_the_last_bit(name, folder, alone):
    with np.load(folder / "0.npz") as first, np.load(folder / "1.npz") as second:
        weights = alone[name].items()
        same = [k for k, v in weights if k.isdecimal() and v.dtype == np.float32]
        assert len(same) > 3
        for key in same:
            assert np.array_equal(first[f"{name}/{key}"], second[f"{name}/{key}"]), key


@pytest.fixture(scope="module")
def run_alone(folder) -> Run:
    """A run that one device of one process trained, without a stop."""
    with without_graphs():
        assert shared_steps.run_of(folder, "alone", ALONE) == [2, 0, True, 2, True]
    return Run(folder / "runs/alone")


@pytest.mark.parametrize("name", ["together", "then-one"])
def test_what_stopped_and_went_on_together_is_the_run_of_one(name, folder, run_alone):
    together = Run(folder / f"runs/{name}")
    for one, other in zip(run_alone.read_metrics(), together.read_metrics(), strict=True):
        for key in ("train_loss", "validation_loss", "score", "gradient_norm"):
            assert one[key] == pytest.approx(other[key], rel=1e-5), key
        assert one["best"] == other["best"]
    assert together.model_card.is_file()
    assert not (folder / "none").exists()


@pytest.mark.parametrize("who", ["0", "1", "devices"])
def test_all_stop_when_one_is_asked_to(who, folder):
    with np.load(folder / f"{who}.npz") as found:  # when two batches were done
        for stopped in found["stopped"].reshape(-1, 5).tolist():
            assert stopped == [1, 2, False, 2, True]


def test_devices_that_go_on_draw_the_masks_that_they_would_have_drawn(folder, run_alone):
    once, again = (Run(folder / f"runs/{name}").read_metrics() for name in ("drawn", "drawn-again"))
    kept = [{k: v for k, v in row.items() if "second" not in k} for row in once]
    assert kept == [{k: v for k, v in row.items() if "second" not in k} for row in again]
    assert kept[0]["train_loss"] != run_alone.read_metrics()[0]["train_loss"]
