"""How `bench layers` takes turns, chooses settings and tells busy rows. Never how long it takes."""

import json
import os
import re
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from seqtasks.benchmarks import layers, quiet
from seqtasks.benchmarks.layers import BFLOAT16, OURS, measure, ratio, settings, table, to_floor
from seqtasks.benchmarks.turns import Setting, Turns
from seqtasks.cli import main
from seqtasks.errors import DataError

HERE = "test_layers:"


@pytest.fixture(autouse=True)
def _found_by_contestants(monkeypatch):
    """Let new processes import this file."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


def written(what):
    """Runs that write down when they begin and end, and in which process."""

    def run():
        begin = time.monotonic()
        time.sleep(0.02)
        with Path(what["file"]).open("a") as file:
            line = [os.getpid(), os.environ.get("SETTING"), begin, time.monotonic()]
            file.write(json.dumps(line) + "\n")

    print("what a library prints is no answer")
    return {"one": run, "two": run}


def broken(what):
    raise ValueError("no such layer")


def ended(what):
    os._exit(3)


def test_contestants_are_processes_of_their_own_and_work_strictly_by_turns(tmp_path):
    file = tmp_path / "turns.jsonl"
    named = [Setting(who, f"{HERE}written", {"SETTING": who}) for who in ("a", "b", "c")]
    with Turns(named) as turns:
        turns.prepare({"file": str(file)})
        file.unlink()  # what warmed up
        times = turns.alternate(3)
        turns.alternate(1, only=["b"])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({process for process, *_ in lines} | {os.getpid()}) == 4
    assert {who for _, who, *_ in lines} == {"a", "b", "c"}
    for (*_, end), (_, _, begin, _) in pairwise(lines):
        assert end <= begin
    order = [who for _, who, *_ in lines]
    turns_taken = re.sub(r"(.)\1*", r"\1", "".join(order))
    assert turns_taken == "abc" * 3 + "b"
    assert set(times) == {(who, name) for who in "abc" for name in ("one", "two")}
    assert all(len(found) >= 3 for found in times.values())


@pytest.mark.parametrize(
    ("make", "told"), [("broken", "ValueError: no such layer"), ("ended", "its process ended")]
)
def test_a_contestant_that_fails_is_named(make, told):
    with (
        pytest.raises(RuntimeError, match=f"theirs: {told}"),
        Turns([Setting("theirs", HERE + make)]) as turns,
    ):
        turns.prepare({})


def telling(what):
    runs = []
    return {"run": lambda: runs.append(1), "told": lambda: [len(runs), what["text"]]}


def mistaken(what):
    raise DataError(f"{what['text']}: there is no such file")


def test_contestants_tell_what_they_found_and_are_warm_where_they_say_so():
    with Turns([Setting("ours", HERE + "telling")]) as turns:
        turns.prepare({"text": "영화"}, warm_up=0)
        assert turns.tell("ours", "told") == [0, "영화"]
        assert set(turns.alternate(1, but=["told"])) == {("ours", "run")}
        assert turns.tell("ours", "told")[0] > 0


def test_data_that_a_contestant_can_not_use_are_the_users_mistake():
    with (
        pytest.raises(DataError, match=r"^영화.tsv: there is no such file$"),
        Turns([Setting("ours", HERE + "mistaken")]) as turns,
    ):
        turns.prepare({"text": "영화.tsv"})


def test_peers_run_at_both_settings_and_ours_as_training_has_it(monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setattr(quiet, "cores", lambda: 12)
    monkeypatch.setattr(layers.importlib.util, "find_spec", lambda name: object())
    threads = {
        found.who: [found.environment.get(n) for n in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")]
        for found in settings()
    }
    assert threads == {
        OURS: ["6", None],
        BFLOAT16: ["6", None],
        "keras": ["0", None],
        "keras, 1 thread": ["1", None],
        "torch": [None, None],
        "torch, 1 thread": [None, "1"],
        "product": ["0", None],
    }
    monkeypatch.setattr(layers.importlib.util, "find_spec", lambda name: None)
    assert not [found.who for found in settings() if "torch" in found.who]


def row(shape=(2, 3, 4, 5), rates=(100.0, 100.0), scale=1.0, **times):
    def figures(number):
        return {"fastest": number, "median": 2 * number}

    ours = {OURS: figures(3.0 * scale), BFLOAT16: figures(1.0)}
    both = {
        **ours,
        **{who.replace("_", ", ").replace("1", "1 "): figures(n) for who, n in times.items()},
    }
    found = {"cell": "lstm", "shape": list(shape), "machine": "any", "gflops": list(rates)}
    return {**found, "forward": both, "training": both, "busy": False}


def test_a_peer_is_taken_at_its_better_setting():
    times = {"keras": 6.0, "keras_1thread": 4.0, "torch": 2.0, "torch_1thread": 5.0}
    found = row(**times)
    assert "keras, 1 thread" in found["training"]
    assert ratio(found, "training", "keras") == 3 / 4
    assert ratio(found, "training", "torch") == 3 / 2
    assert ratio(found, "training", "torch", "median") == 3 / 2


def test_the_floor_is_what_the_products_alone_would_take():
    # Of each step 4 gates' x W_x and h W_h, a multiplication and an addition for each entry.
    products = 2 * 4 * 5 * (4 + 5) * 2 * 3
    assert to_floor(row(), "forward") == pytest.approx(3e-3 / (products / 100e9))
    assert to_floor(row(), "training") == pytest.approx(3e-3 / (3 * products / 100e9))


def test_busy_rows_are_marked_and_left_out_of_means():
    quiet, other = row(keras=6.0), row(keras=6.0, scale=4.0)
    busy = {**row(keras=0.001), "busy": True}
    told = table([quiet, busy, other])
    assert told.count("(busy)") == 1
    assert "forward 1.00 of Keras" in told  # the geometric mean of 0.5 and 2
    assert "Of 3 rows 1 were measured" in told
    assert "busy" not in table([quiet, other])


def test_a_row_is_busy_where_the_product_was_slower_than_at_its_best(monkeypatch):
    rates = iter([100.0, 99.0, 100.0, 80.0, 95.0, 101.0])
    monkeypatch.setattr(layers, "rate", lambda turns: next(rates))
    monkeypatch.setattr(layers, "settings", lambda: [Setting(OURS, f"{HERE}quick")])
    monkeypatch.setattr(layers, "machine", lambda: "any")
    shapes = [(1, 2, 3, n) for n in (4, 5, 6)]
    rows = measure(["lstm"], shapes, 3, memory=False, say=lambda name: None)
    assert [found["busy"] for found in rows] == [False, True, False]
    assert [tuple(found["shape"]) for found in rows] == shapes


def quick(what):
    return {"forward": lambda: time.sleep(0.01), "training": lambda: time.sleep(0.01)}


@pytest.mark.parametrize("cell", layers.CELLS)
def test_all_layers_are_of_the_shape_that_was_asked_for(cell):
    makers = [layers.our_runs, layers.our_bfloat16_runs, layers.keras_runs]
    if layers.importlib.util.find_spec("torch"):
        makers.append(layers.torch_runs)
    for make in makers:
        runs = make({"cell": cell, "shape": [2, 3, 4, 5]})
        assert list(runs) == ["forward", "training"]
        for run in runs.values():
            found = run()
            assert found is None or np.isfinite(np.float32(found))


@pytest.mark.parametrize("shape", ["1,2,3", "1,2,3,0", "1,2,3,x", "1,2,3,4,5", "1, -2,3,4"])
def test_a_shape_that_is_none_is_refused_in_one_line(shape):
    done = CliRunner().invoke(main, ["bench", "layers", "--shape", shape])
    assert done.exit_code == 2
    assert "expected four whole numbers above 0" in done.output


def test_the_command_hands_its_options_on(monkeypatch, tmp_path):
    asked = {}

    def fake(cells, shapes, rounds, memory, say):
        asked.update(cells=cells, shapes=shapes, rounds=rounds, memory=memory)
        return [row(keras=6.0)]

    monkeypatch.setattr(layers, "measure", fake)
    options = ["--cell", "bilstm", "--shape", "1,2,3,4", "--rounds", "3", "--no-memory"]
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(main, ["bench", "layers", *options, "--json", str(file)])
    assert done.exit_code == 0, done.output
    assert asked == {"cells": ("bilstm",), "shapes": [(1, 2, 3, 4)], "rounds": 3, "memory": False}
    assert "| lstm | 2,3,4,5 | 3.0 | 0.50 (0.50) |" in done.output
    assert json.loads(file.read_text("utf-8"))[0]["shape"] == [2, 3, 4, 5]
