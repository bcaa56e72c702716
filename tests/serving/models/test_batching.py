"""Batching: joined requests get the answers that they get alone."""

import contextlib
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqtasks.errors import ConfigError
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.status import Code, StatusError


class Watched(Servable):
    """Writes down how many rows each run had; may be held up."""

    def __init__(self, path):
        super().__init__(path)
        self.sizes, self.opened = [], threading.Event()
        self.entered = threading.Semaphore(0)
        self.opened.set()

    def run(self, signature, feeds, outputs=None):
        self.sizes.append(max(array.shape[0] if array.ndim else 0 for array in feeds.values()))
        self.entered.release()
        assert self.opened.wait(60)
        return super().run(signature, feeds, outputs)


@contextlib.contextmanager
def batched(path, **options):
    servable = BatchedServable(Watched(path), BatchingOptions(**options))
    try:
        yield servable, servable.servable
    finally:
        servable.servable.opened.set()
        servable.close()


def together(batched, signature, requests, outputs=None):
    """Run requests in threads of their own: a list of their answers or errors."""
    found: list = [None] * len(requests)

    def run(number):
        try:
            found[number] = batched.run(batched.signature(signature), requests[number], outputs)
        except StatusError as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def held(batched, watched, signature, requests, eventually, waiting):
    """Hold the one thread up with a request, until the others wait; give their answers."""
    watched.opened.clear()
    found = []
    first = threading.Thread(target=together, args=(batched, "numbers", [numbers(1)]))
    first.start()
    watched.entered.acquire()
    rest = threading.Thread(target=lambda: found.extend(together(batched, signature, requests)))
    rest.start()
    eventually(lambda: sum(b.size for q in batched._queue.values() for b in q) == waiting)
    watched.opened.set()
    rest.join()
    first.join()
    return found


def numbers(*values):
    return {"x": np.array(values, np.float32)}


def texts(*values):
    return {"text": np.array([value.encode() for value in values], object)}


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture(scope="module")
def plain(zoo):
    servable = Servable(zoo[3])
    yield servable
    servable.close()


@pytest.fixture(scope="module")
def joining(zoo):
    with batched(
        zoo[3], batch_timeout_micros=20_000, max_batch_size=9, num_batch_threads=2
    ) as pair:
        yield pair[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4), max_size=7)
)
def test_joined_texts_get_the_answers_they_get_alone(joining, plain, requests):
    feeds = [texts(*request) for request in requests]
    for signature in ("serving_default", "echo"):
        found = together(joining, signature, feeds)
        for answer, alone in zip(found, feeds, strict=True):
            same(answer, plain.run(plain.signature(signature), alone))


def test_requests_of_different_signatures_and_widths_stay_apart(joining, plain):
    rng = np.random.default_rng(2)
    feeds = [{"x": rng.random((n, w)).astype("f")} for n, w in [(1, 2), (2, 3), (3, 2), (1, 3)]]
    found = together(joining, "widths", feeds)
    for answer, alone in zip(found, feeds, strict=True):
        same(answer, plain.run(plain.signature("widths"), alone))


def test_requests_that_wait_share_a_run(zoo, eventually, plain):
    with batched(zoo[3], num_batch_threads=1, max_batch_size=6) as (joined, watched):
        feeds = [numbers(1, 2), numbers(3), numbers(4, 5, 6)]
        found = held(joined, watched, "numbers", feeds, eventually, waiting=6)
        assert watched.sizes == [1, 6]
        for answer, alone in zip(found, feeds, strict=True):
            same(answer, plain.run(plain.signature("numbers"), alone))


def test_a_batch_never_has_more_rows_than_it_may(zoo, eventually):
    with batched(zoo[1], num_batch_threads=1, max_batch_size=4) as (joined, watched):
        held(joined, watched, "numbers", [numbers(1, 2, 3)] * 3, eventually, waiting=9)
        assert watched.sizes == [1, 3, 3, 3]
        with pytest.raises(StatusError, match=r"Task size 5 is larger than .* size 4") as caught:
            joined.run(joined.signature("numbers"), numbers(1, 2, 3, 4, 5))
        assert caught.value.code is Code.INVALID_ARGUMENT


def test_a_batch_waits_for_others_until_it_is_full(zoo):
    """Its time-out is an hour, so only its size can have started it."""
    hour = 3_600_000_000
    with batched(zoo[1], batch_timeout_micros=hour, max_batch_size=4) as (joined, watched):
        found = together(joined, "numbers", [numbers(float(n)) for n in range(4)])
        assert watched.sizes == [4]
        assert [answer["y"].tolist() for answer in found] == [[0.0], [1.0], [2.0], [3.0]]


def test_a_batch_that_is_not_full_runs_after_its_time_out(zoo):
    options = {"batch_timeout_micros": 1000, "max_batch_size": 100, "num_batch_threads": 3}
    with batched(zoo[1], **options) as (joined, _):
        for _ in range(3):
            found = together(joined, "numbers", [numbers(2.0)]) + together(
                joined, "serving_default", [texts("ab"), texts("abc", "")]
            )
            assert found[0]["y"].tolist() == [2.0]
            assert [a["score"].tolist() for a in found[1:]] == [[2.0], [3.0, 0.0]]


def test_sizes_are_padded_to_those_allowed(zoo, eventually, plain):
    options = {"num_batch_threads": 1, "max_batch_size": 8, "allowed_batch_sizes": (1, 4, 8)}
    with batched(zoo[3], **options) as (joined, watched):
        feeds = [numbers(7, 2), numbers(3)]
        found = held(joined, watched, "numbers", feeds, eventually, waiting=3)
        assert watched.sizes == [1, 4]
        for answer, alone in zip(found, feeds, strict=True):
            same(answer, plain.run(plain.signature("numbers"), alone))
        together(joined, "numbers", [numbers(*range(5))])
        assert watched.sizes[-1] == 8


def test_one_request_at_fault_spoils_no_other(zoo, eventually):
    with batched(zoo[1], num_batch_threads=1) as (joined, watched):
        feeds = [numbers(4, 9), numbers(-1), numbers(16)]
        found = held(joined, watched, "root", feeds, eventually, waiting=4)
        assert found[0]["root"].tolist() == [2.0, 3.0]
        assert found[2]["root"].tolist() == [4.0]
        assert isinstance(found[1], StatusError)
        assert found[1].code is Code.INVALID_ARGUMENT


def test_outputs_without_a_row_for_each_row_make_requests_run_alone(zoo, eventually, plain):
    with batched(zoo[3], num_batch_threads=1) as (joined, watched):
        for signature in ("uneven", "mean"):
            feeds = [numbers(1, 2), numbers(3), numbers(4, 5, 6)]
            found = together(joined, signature, feeds)
            for answer, alone in zip(found, feeds, strict=True):
                same(answer, plain.run(plain.signature(signature), alone))
        found = held(joined, watched, "uneven", [], eventually, waiting=0)
        assert found == []


def test_only_the_outputs_asked_for_are_given(joining):
    found = together(joining, "echo", [texts("a"), texts("b", "c")], ["raw_bytes"])
    assert [list(answer) for answer in found] == [["raw_bytes"], ["raw_bytes"]]


def test_a_full_queue_turns_requests_away(zoo, eventually):
    options = {"num_batch_threads": 1, "max_batch_size": 1, "max_enqueued_batches": 2}
    with batched(zoo[1], **options) as (joined, watched):
        watched.opened.clear()
        found: list = []
        threads = [
            threading.Thread(target=lambda: found.extend(together(joined, "numbers", [numbers(3)])))
            for _ in range(3)
        ]
        threads[0].start()
        watched.entered.acquire()
        for thread in threads[1:]:
            thread.start()
        eventually(lambda: sum(len(q) for q in joined._queue.values()) == 2)
        with pytest.raises(StatusError, match=r"queue .* is full") as caught:
            joined.run(joined.signature("numbers"), numbers(4))
        assert caught.value.http == 503
        watched.opened.set()
        for thread in threads:
            thread.join()
        assert [answer["y"].tolist() for answer in found] == [[3.0]] * 3


def test_feeds_are_checked_before_they_are_joined(joining):
    with pytest.raises(StatusError, match="Missing but required"):
        joining.run(joining.signature("numbers"), {})


@pytest.mark.parametrize(
    "options",
    [
        {"max_batch_size": 0},
        {"max_enqueued_batches": 0},
        {"num_batch_threads": -1},
        {"batch_timeout_micros": -1},
        {"max_batch_size": 8, "allowed_batch_sizes": (2, 4)},
        {"max_batch_size": 8, "allowed_batch_sizes": (4, 2, 8)},
        {"max_batch_size": 8, "allowed_batch_sizes": (0, 8)},
    ],
)
def test_options_that_contradict_each_other_are_refused(options):
    with pytest.raises(ConfigError, match=next(reversed(options))):
        BatchingOptions(**options)
