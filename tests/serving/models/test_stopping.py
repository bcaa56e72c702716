"""Runs that are ended from outside, and those beside them, which go on."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from seqtasks.serving.models import brake
from seqtasks.serving.models.batching import BatchedServable, BatchingOptions
from seqtasks.serving.models.engine import EngineOptions, Servable
from seqtasks.serving.models.stopping import Stop, all_of, check_stop, current_stop
from seqtasks.serving.status import Code, StatusError

FOR_EVER = {"steps": np.array([2**31 - 1], np.int32)}
LATE = StatusError(Code.DEADLINE_EXCEEDED, "No answer within 1 seconds")
LEFT = StatusError(Code.CANCELLED, "The client went away")


@pytest.fixture(scope="module")
def servable(zoo):
    servable = Servable(zoo[2])
    yield servable
    servable.close()


@pytest.fixture
def threads():
    pool = ThreadPoolExecutor(16)
    yield pool
    pool.shutdown(wait=False)


def run(servable, stop, feeds, signature="count"):
    with stop.running():
        return servable.run(servable.signature(signature), feeds)


def small(servable, stop, number):
    feeds = {"text": np.array([b"a" * number], object)}
    return run(servable, stop, feeds, "serving_default")["score"].tolist()


def free_places(servable):
    return servable._brake._free.qsize()


def test_a_run_without_end_ends_at_an_order_with_its_error(servable, threads):
    stop = Stop()
    running = threads.submit(run, servable, stop, FOR_EVER)
    with pytest.raises(TimeoutError):
        running.result(0.3)
    stop.order(LATE)
    stop.order(LEFT)  # too late to matter
    assert running.exception(60) is LATE


def test_an_order_ends_its_own_run_alone(servable, threads):
    stops = [Stop() for _ in range(6)]
    endless = [threads.submit(run, servable, stop, FOR_EVER) for stop in stops]
    for number, stop in enumerate(stops):
        assert small(servable, Stop(), number + 1) == [2.0 * (number + 1)]
        assert not endless[number].done()
        stop.order(LEFT)
        assert endless[number].exception(60) is LEFT
        assert not any(other.done() for other in endless[number + 1 :])


def test_an_order_that_came_before_lets_nothing_run(servable):
    stop = Stop()
    stop.order(LATE)
    with pytest.raises(StatusError) as caught:
        run(servable, stop, FOR_EVER)
    assert caught.value is LATE
    assert free_places(servable) == brake.PLACES


def test_orders_of_any_moment_harm_no_run_after_them(servable, threads):
    """Orders race with the ends of runs, and places are used again at once."""
    answered = ended = 0
    for round_ in range(150):
        stop = Stop()
        job = threads.submit(small, servable, stop, 3)
        if round_ % 3:
            threading.Event().wait(0.0002 * (round_ % 7))
        stop.order(LEFT)
        error = job.exception(60)
        assert error in (None, LEFT)
        answered, ended = answered + (error is None), ended + (error is LEFT)
        assert small(servable, Stop(), 4) == [8.0]
    assert answered + ended == 150
    assert free_places(servable) == brake.PLACES


def test_errors_of_a_model_keep_their_words_and_leave_the_place_clean(servable):
    for _ in range(3):
        with pytest.raises(StatusError) as caught:
            run(servable, Stop(), {"x": np.array([1, -1], np.float32)}, "root")
        assert caught.value.code is Code.INVALID_ARGUMENT
        assert "negative number" in caught.value.message
    assert small(servable, Stop(), 2) == [4.0]
    assert free_places(servable) == brake.PLACES


def test_more_runs_than_places_wait_for_one(servable, threads, monkeypatch):
    taken = [servable._brake._free.get() for _ in range(brake.PLACES - 2)]
    jobs = [threads.submit(small, servable, Stop(), number) for number in range(1, 11)]
    assert [job.result(60) for job in jobs] == [[2.0 * number] for number in range(1, 11)]
    for place in taken:
        servable._brake._free.put(place)


def test_outputs_in_too_many_choices_are_still_computed(zoo, monkeypatch):
    monkeypatch.setattr(brake, "_MOST_ENDS", 1)
    servable = Servable(zoo[1])
    feeds = {"a": np.ones((1, 2), np.float32), "b": np.array([3])}
    for outputs in (["sum"], ["product"], ["sum", "product"], ["sum"]):
        with Stop().running():
            found = servable.run(servable.signature("pair"), feeds, outputs)
        assert {name: value.tolist() for name, value in found.items()} == {
            name: {"sum": [4.0], "product": [3]}[name] for name in outputs
        }
    assert len(servable._brake._ends) == 1
    servable.close()


def test_a_session_with_threads_of_its_own_is_ended_too(zoo, threads):
    servable, stop = Servable(zoo[1], options=EngineOptions(inter_op_threads=2)), Stop()
    running = threads.submit(run, servable, stop, FOR_EVER)
    threading.Event().wait(0.2)
    stop.order(LATE)
    assert running.exception(60) is LATE
    servable.close()


# --- Requests that share a run ------------------------------------------------------------------


def test_a_shared_run_ends_when_all_its_requests_have_ended(zoo, threads):
    options = BatchingOptions(batch_timeout_micros=300_000, max_batch_size=2, num_batch_threads=1)
    joined = BatchedServable(Servable(zoo[1]), options)
    stops = Stop(), Stop()
    jobs = [threads.submit(run, joined, stop, FOR_EVER) for stop in stops]
    threading.Event().wait(0.5)
    stops[0].order(LEFT)
    assert jobs[0].exception(60) is LEFT
    with pytest.raises(TimeoutError):
        jobs[1].result(0.3)
    stops[1].order(LATE)
    assert jobs[1].exception(60) is LATE
    # The only thread is free again.
    assert run(joined, Stop(), {"steps": np.array([5], np.int32)})["steps"].tolist() == [5]
    joined.close()


def test_a_request_that_ended_while_it_waited_never_runs(zoo, threads):
    ran = []

    class Counting(Servable):
        def run(self, signature, feeds, outputs=None):
            ran.append(len(feeds["steps"]))
            return super().run(signature, feeds, outputs)

    options = BatchingOptions(batch_timeout_micros=800_000, max_batch_size=9, num_batch_threads=1)
    joined = BatchedServable(Counting(zoo[1]), options)
    stop = Stop()
    gone = threads.submit(run, joined, stop, FOR_EVER)
    stays = threads.submit(run, joined, Stop(), {"steps": np.array([4, 4], np.int32)})
    threading.Event().wait(0.1)
    stop.order(LEFT)
    assert gone.exception(60) is LEFT
    assert stays.result(60)["steps"].tolist() == [4, 4]
    assert ran == [2]
    joined.close()


# --- The order itself ---------------------------------------------------------------------------


def test_watchers_are_called_once_and_only_within_their_block():
    called, stop = [], Stop()
    with stop.watched(lambda: called.append("before")):
        pass
    with stop.watched(lambda: called.append("within")):
        stop.order(LATE)
        stop.order(LEFT)
    assert (called, stop.error) == (["within"], LATE)
    with pytest.raises(StatusError), stop.watched(lambda: called.append("after")):
        pass


def test_a_thread_knows_what_ends_it_only_while_it_runs_under_it():
    stop = Stop()
    check_stop()
    with stop.running():
        assert current_stop() is stop
        check_stop()
        stop.order(LEFT)
        with pytest.raises(StatusError):
            check_stop()
    assert current_stop() is None
    check_stop()


def test_what_is_shared_can_not_be_ended_if_one_part_can_not():
    one = Stop()
    with all_of([one, None]) as joint:
        assert joint is None
    with all_of([]) as joint:
        assert joint is None
    other = Stop()
    one.order(LEFT)
    with all_of([one, other]) as joint:
        assert joint.error is None
        other.order(LATE)
        assert joint.error is LEFT
    with all_of([one, other]) as joint:  # all ended before
        assert joint.error is LEFT
