"""Two processes that share each batch take the steps that one process takes."""

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
    """Each case's configuration, and what two workers made of it."""
    folder = tmp_path_factory.mktemp("shared")
    for task, options in CASES.items():
        config = make(task, options).config
        (folder / f"{task}.yaml").write_text(config.to_yaml(), "utf-8")
    cluster = local_cluster(2)
    paths = os.pathsep.join([str(Path(shared_steps.__file__).parents[1]), *sys.path])
    workers = [
        subprocess.Popen(
            [sys.executable, shared_steps.__file__, folder, ",".join(cluster.addresses), str(n)],
            env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        for n in range(2)
    ]
    try:
        assert [worker.wait(300) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_workers_take_the_steps_of_one_process(name, folder):
    with without_graphs():
        alone = shared_steps.trained(folder / f"{name}.yaml", ALONE)
    with np.load(folder / "0.npz") as first, np.load(folder / "1.npz") as second:
        for key, value in alone.items():
            shared = first[f"{name}/{key}"]
            assert shared.shape == value.shape
            if value.dtype == np.int64:
                assert np.array_equal(shared, value), key
            else:
                assert np.allclose(shared, value, rtol=1e-4, atol=2e-5), key
        assert np.allclose(first[f"{name}/losses"], alone["losses"], rtol=1e-5)
        assert len(alone["losses"]) > 1
        # And the second one has the same weights, to the last bit.
        same = [k for k, v in alone.items() if k.isdecimal() and v.dtype == np.float32]
        assert len(same) > 3
        for key in same:
            assert np.array_equal(first[f"{name}/{key}"], second[f"{name}/{key}"]), key


def test_two_workers_stop_and_go_on_together_and_make_the_run_of_one_process(folder):
    with without_graphs():
        assert shared_steps.run_of(folder, "alone", ALONE) == [2, 0, True, 2, True]
    for worker in range(2):  # asked of worker 1 when it had done two batches
        with np.load(folder / f"{worker}.npz") as found:
            assert found["stopped"].tolist() == [1, 2, False, 2, True]
    alone, together = Run(folder / "runs/alone"), Run(folder / "runs/together")
    for one, other in zip(alone.read_metrics(), together.read_metrics(), strict=True):
        for key in ("train_loss", "validation_loss", "score", "gradient_norm"):
            assert one[key] == pytest.approx(other[key], rel=1e-5), key
        assert one["best"] == other["best"]
    assert together.model_card.is_file()
    assert not (folder / "none").exists()
