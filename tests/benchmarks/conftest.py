"""Data for the benchmarks' tests, and contestants that are no processes."""

import importlib
import json

import numpy as np
import pytest
from graphs import without_graphs

from seqtasks.benchmarks import cost, epochs, measuring
from seqtasks.benchmarks.quiet import PRODUCT


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


class InOneProcess:
    """`Turns` without processes, whose runs take 1 ms, 2 ms and so on, whatever they take."""

    def __init__(self, settings):
        self.settings, self.names, self._runs = settings, {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def prepare(self, what, warm_up=1):
        what = json.loads(json.dumps(what))
        made = {}  # once, whatever the settings of its threads
        for setting in self.settings:
            module, _, name = setting.make.partition(":")
            if setting.who == PRODUCT:
                made[setting.make] = {"product": lambda: None}
            elif setting.make not in made:
                made[setting.make] = getattr(importlib.import_module(module), name)(what)
            runs = self._runs[setting.who] = made[setting.make]
            self.names[setting.who] = list(runs)
            for run in runs.values():
                for _ in range(warm_up):
                    run()

    def tell(self, who, name):
        return json.loads(json.dumps(self._runs[who][name]()))

    def alternate(self, rounds, only=None, but=()):
        times = {}
        for turn in range(rounds):
            for who, runs in self._runs.items():
                for name in [] if only is not None and who not in only else runs:
                    if name not in but:
                        runs[name]()
                        times.setdefault((who, name), []).append(1.0 + turn)
        return times


@pytest.fixture
def in_one_process(monkeypatch):
    """Measure without new processes and graphs, as if each turn took so many milliseconds."""
    for module in (cost, epochs):
        monkeypatch.setattr(module, "Turns", InOneProcess)
    with without_graphs():
        yield
