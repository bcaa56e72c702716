"""Where runs happen, and for what they wait: alone and short at once, in a crowd together."""

import threading
import time
from typing import Any

import numpy as np
import pytest

from seqtasks.serving.models import batching, pace
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.pace import Crowd, Durations
from seqtasks.serving.models.signature import Signature, TensorSpec
from seqtasks.serving.models.steps import Run


class Doubling:
    """Doubles numbers, takes as long as it is told to, and writes down by whom it was run."""

    path, name, version = None, "doubling", 1

    def __init__(self):
        spec = TensorSpec("x:0", np.dtype(np.float32), (None,))
        self.signatures = {"": Signature("", {"x": spec}, {"y": spec})}
        self.signature_defs = {}
        self.seconds, self.sizes, self.threads = 0.0, [], []
        self.opened = threading.Event()
        self.opened.set()

    def signature(self, name):
        return self.signatures[name]

    def run(self, signature, feeds, outputs=None):
        self.sizes.append(len(feeds["x"]))
        self.threads.append(threading.get_ident())
        assert self.opened.wait(60)
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        return {"y": 2 * feeds["x"]}

    def close(self):
        pass


@pytest.fixture
def pair(monkeypatch):
    """A servable, whose runs are all short by the clock, and its engine."""
    monkeypatch.setattr(pace, "SHORT_SECONDS", 60.0)
    engine: Any = Doubling()
    servable = BatchedServable(engine, BatchingOptions(num_batch_threads=2, careful=True))
    yield servable, engine
    engine.opened.set()
    servable.close()


class Loop:
    """An event loop without end: what is to be done later is done when `turn` is called."""

    def __init__(self):
        self.later, self.due = lambda work: self.due.append(work), []

    def turn(self):
        due, self.due = self.due, []
        for work in due:
            work()


class Asked:
    """Requests of numbers, and their answers."""

    def __init__(self, servable):
        self._servable, self._done = servable, threading.Semaphore(0)
        self.found: dict = {}

    def submit(self, number, later=None, rows=1):
        feeds = {"x": np.full(rows, number, np.float32)}
        run = Run(self._servable, self._servable.signature(""), feeds)

        def then(found, error):
            assert error is None
            self.found[number] = found["y"].tolist()
            self._done.release()

        self._servable.submit(run, None, then, later)

    def wait(self, count):
        for _ in range(count):
            assert self._done.acquire(timeout=60)


def warm(servable, engine):
    """Let it be known how long a run takes, and nobody ask any more."""
    asked = Asked(servable)
    asked.submit(0)
    asked.wait(1)
    engine.sizes.clear()
    engine.threads.clear()


def test_what_is_alone_and_short_runs_in_the_event_loop(pair):
    servable, engine = pair
    warm(servable, engine)
    asked, loop = Asked(servable), Loop()
    for number in range(3):
        asked.submit(number, loop.later)
        assert number not in asked.found  # others may come in the same turn of the loop
        loop.turn()
        assert asked.found[number] == [2.0 * number]
    assert engine.threads == [threading.get_ident()] * 3


def test_runs_of_unknown_length_run_elsewhere(pair):
    servable, engine = pair
    asked, loop = Asked(servable), Loop()
    for rows in (1, 2, 4, 8):  # of each of which there was none before
        asked.submit(rows, loop.later, rows)
        assert loop.due == []
        asked.wait(1)
    assert threading.get_ident() not in engine.threads


def test_after_a_long_run_none_is_run_in_the_event_loop_for_a_while(pair):
    servable, engine = pair
    warm(servable, engine)
    asked, loop = Asked(servable), Loop()
    engine.seconds = 0.02
    asked.submit(1, loop.later)
    loop.turn()
    engine.seconds = 0.0
    assert engine.threads == [threading.get_ident()]
    for number in range(2, 2 + pace._RUNS_AFTER_A_LONG_ONE):
        asked.submit(number, loop.later)
        assert loop.due == []
        asked.wait(1 if number > 2 else 2)
    asked.submit(-1, loop.later)
    loop.turn()
    assert engine.threads.count(threading.get_ident()) == 2


def test_what_comes_in_the_same_turn_is_joined_and_leaves_the_event_loop_free(pair):
    servable, engine = pair
    warm(servable, engine)
    asked, loop = Asked(servable), Loop()
    asked.submit(1, loop.later)
    asked.submit(2, loop.later)
    loop.turn()
    asked.wait(2)
    assert asked.found == {1: [2.0], 2: [4.0]}
    assert engine.sizes == [2]
    assert threading.get_ident() not in engine.threads


def test_a_loop_that_never_comes_back_keeps_no_other_waiting(pair):
    servable, engine = pair
    warm(servable, engine)
    asked, lost, loop = Asked(servable), Loop(), Loop()
    asked.submit(1, lost.later)
    asked.submit(2, loop.later)
    asked.wait(2)
    assert asked.found == {1: [2.0], 2: [4.0]}
    lost.turn()  # too late, and there is nothing to do


def asked_of_a_run_under_way(servable, engine):
    """Begin a run for number 1, which goes on until `engine.opened` is set."""
    asked = Asked(servable)
    engine.opened.clear()
    asked.submit(1)
    while not engine.sizes:
        time.sleep(0.001)
    return asked


def test_a_crowd_waits_for_the_run_of_its_kind_and_shares_the_next(pair, monkeypatch):
    monkeypatch.setattr(batching, "LONGEST_SECONDS", 60.0)
    servable, engine = pair
    warm(servable, engine)
    asked = asked_of_a_run_under_way(servable, engine)
    for number in range(2, 12):
        asked.submit(number)
    time.sleep(0.05)  # longer than they would wait for others
    assert engine.sizes == [1]  # though a second thread has nothing to do
    engine.opened.set()
    asked.wait(11)
    assert engine.sizes == [1, 10]
    assert asked.found == {number: [2.0 * number] for number in range(1, 12)}


def test_a_run_that_takes_longer_than_expected_keeps_no_other_waiting(pair):
    servable, engine = pair
    warm(servable, engine)
    asked = asked_of_a_run_under_way(servable, engine)
    asked.submit(2)
    while len(engine.sizes) < 2:  # in the second thread
        time.sleep(0.001)
    engine.opened.set()
    asked.wait(2)


def test_nothing_that_is_asked_for_by_name_waits_for_a_crowd():
    engine: Any = Doubling()
    servable = BatchedServable(engine, BatchingOptions(num_batch_threads=1))
    asked, loop = Asked(servable), Loop()
    for number in range(20):
        asked.submit(number, loop.later)
        loop.turn()
    asked.wait(20)
    assert asked.found == {number: [2.0 * number] for number in range(20)}
    servable.close()


def test_no_request_is_lost_by_threads_and_loops_that_ask_at_once(pair):
    servable, engine = pair
    warm(servable, engine)
    asked, turning = Asked(servable), threading.Event()

    def ask(first):
        loop = Loop()
        for number in range(first, first + 200):
            asked.submit(number, loop.later if number % 3 else None)
            if number % 5 == 0:
                loop.turn()
        loop.turn()

    threads = [threading.Thread(target=ask, args=(1000 * n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked.wait(800)
    turning.set()
    assert all(found == [2.0 * number] for number, found in asked.found.items())
    assert len(asked.found) == 800
    assert sum(engine.sizes) == 800
    assert servable._crowd._present == servable._running == 0
    assert not servable._under_way


def test_one_interrupted_run_does_not_make_its_kind_long():
    durations = Durations()
    for _ in range(10):
        durations.note("a", 0.001, 0.001)
    durations.note("a", 3.0, 0.001)
    assert durations.are_short("a")
    for _ in range(3):
        durations.note("a", 3.0, 0.001)
    assert not durations.are_short("a")
    assert durations.gathering("a") == 0.0


def test_kinds_are_kept_in_bounds():
    durations = Durations()
    for number in range(10_000):
        durations.note(number, 0.001, 1.0)
    assert len(durations._means) + len(durations._to_go) <= 2 * pace._KINDS


def test_a_crowd_is_forgotten_little_by_little():
    crowd = Crowd()
    for _ in range(32):
        crowd.come(0.0)
    crowd.go(32)
    seen = []
    for step in range(1, 9):
        crowd.come(0.2 * step)
        crowd.go(1)
        seen.append(crowd.most(0.2 * step))
    assert seen == [16, 8, 4, 2, 1, 1, 1, 1]
