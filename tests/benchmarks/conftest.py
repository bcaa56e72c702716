"""Data for the benchmarks' tests."""

import numpy as np
import pytest

from seqtasks.benchmarks import measuring


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory):
    rng = np.random.default_rng(4)

    def sentence():
        return " ".join(rng.choice(list("abcdefg"), rng.integers(1, 9)))

    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    path.write_text("".join(f"{sentence()}\t{sentence()}\n" for _ in range(40)), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    """Measure without the rests between runs, which only times need."""
    monkeypatch.setattr(measuring, "_REST", 0.0)
