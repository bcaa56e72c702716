"""Ends a run of a Session from outside, which TensorFlow's API can't.

A run that fails anywhere ends as a whole: a loop at its next step. So each run has a second part
beside the model's: it waits at a queue, and fails if what it gets says so. The last thing that the
model's part does is to put there that all is well.

    beside:  find the queue -> take -> fail unless it is "go on"
    model:   the queue was found: inputs -> ... -> outputs -> put "go on"
    order:   put "stop"

The model's part begins later than the other, since a run may have one thread, which would else
reach the queue when all is done. A run has its place, which is its queue, to itself. Taking and
putting cost 0.02 ms.
"""

import contextlib
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions

from seqtasks.serving.models.stopping import Stop

PLACES = 64  # runs of a model at the same time; more wait
_MOST_ENDS = 256  # choices of outputs; each keeps an operation in the graph
# An order must not wait for the runs that it ends, which have the threads of the Session.
_IN_THIS_THREAD = tf.compat.v1.RunOptions(inter_op_thread_pool=-1)
# Orders come from an event loop, which must not wait for the Session.
_orders = ThreadPoolExecutor(2, thread_name_prefix="stop")


class Brake:
    """Ends the runs of a Session.

    Args:
        session: the Session, whose graph gets a few operations more.
    """

    def __init__(self, session: tf.compat.v1.Session):
        self._session = session
        self._ends: dict[frozenset[str], str] = {}
        self._inputs: dict[str, tuple[str, str]] = {}
        self._free: queue.SimpleQueue[np.int32] = queue.SimpleQueue()
        with self._building():
            handles = [_queue(f"seqtasks_brake_{place}") for place in range(PLACES)]
            kept = tf.raw_ops.VarHandleOp(
                dtype=tf.resource, shape=[PLACES], shared_name="seqtasks_brake_places"
            )
            keep = tf.raw_ops.AssignVariableOp(resource=kept, value=tf.stack(handles))
            self._place: Any = tf.compat.v1.placeholder(tf.int32, [])
            places = tf.raw_ops.ReadVariableOp(resource=kept, dtype=tf.resource)
            self._own: Any = tf.gather(places, self._place)
            (go_on,) = _take(self._own)
            beside = tf.debugging.Assert(go_on, ["The run was ended"])
            self._beside: str = beside.name
            order = _put(self._own, False)
            size = tf.raw_ops.QueueSizeV2(handle=self._own)
            session.run(keep)
        self._order, self._size = self._call(target=[order.name]), self._call(fetch=[size.name])
        self._take = self._call(fetch=[go_on.name])
        for place in range(PLACES):
            self._free.put(np.int32(place))

    def call(self, feeds: Sequence[str], fetches: Sequence[str]) -> Any | None:
        """Make the handle of a run, to be called with values and a place; None for one too many.

        Args:
            feeds: the names of the tensors to feed.
            fetches: those to compute.
        """
        end = self._end_of(fetches)
        if end is None:
            return None
        inputs = [self._input(name) for name in feeds]
        wanted = CallableOptions(
            feed=[*(fed for fed, _ in inputs), self._place.name],
            fetch=fetches,
            target=[end, self._beside],
        )
        for name, (_, gate) in zip(feeds, inputs, strict=True):
            wanted.tensor_connection.add(from_tensor=gate, to_tensor=name)
        return self._session._make_callable_from_options(wanted)

    def _input(self, name: str) -> tuple[str, str]:
        """Name a tensor to feed instead of an input, and the one that takes the input's place."""
        if name not in self._inputs:
            with self._building() as graph:
                tensor = graph.get_tensor_by_name(name)
                fed: Any = tf.compat.v1.placeholder(tensor.dtype, tensor.shape)
                with tf.control_dependencies([self._own]):
                    gate: Any = tf.identity(fed)
            self._inputs[name] = fed.name, gate.name
        return self._inputs[name]

    def _end_of(self, fetches: Sequence[str]) -> str | None:
        """Name the operation that says that these tensors are computed."""
        key = frozenset(fetches)
        if key not in self._ends and len(self._ends) < _MOST_ENDS:
            with self._building() as graph:
                # A dependency on a function's call alone doesn't wait for what it gives.
                given = [tf.identity(graph.get_tensor_by_name(name)) for name in sorted(key)]
                with tf.control_dependencies(given):
                    end = _put(self._own, True)
            self._ends[key] = end.name
        return self._ends.get(key)

    @contextlib.contextmanager
    def _building(self) -> Iterator[tf.Graph]:
        graph = self._session.graph
        with graph.as_default(), tf.name_scope("seqtasks_brake"), tf.device("CPU:0"):
            yield graph

    @contextlib.contextmanager
    def held(self, stop: Stop) -> Iterator[np.int32]:
        """Give a place for one run, which `stop` ends.

        Raises:
            StatusError: if the order came before.
        """
        place, orders = self._free.get(), []

        def end() -> None:
            orders.append(_orders.submit(self._order, place))

        ended_well = False
        try:
            with stop.watched(end):
                yield place
            ended_well = not orders
        finally:
            if not ended_well:
                self._clear(place, orders)
            self._free.put(place)

    def _clear(self, place: np.int32, orders: list[Future]) -> None:
        """Take what is left at a place: an order that came too late."""
        for order in orders:
            order.result()
        for _ in range(int(self._size(place)[0])):
            self._take(place)

    def _call(self, **wanted: Any) -> Any:
        options = CallableOptions(feed=[self._place.name], run_options=_IN_THIS_THREAD, **wanted)
        return self._session._make_callable_from_options(options)


def _queue(name: str) -> Any:
    return tf.raw_ops.FIFOQueueV2(component_types=[tf.bool], shared_name=name, capacity=4)


def _put(handle: Any, goes_on: bool) -> Any:
    return tf.raw_ops.QueueEnqueueV2(handle=handle, components=[tf.constant(goes_on)])


def _take(handle: Any) -> Any:
    return tf.raw_ops.QueueDequeueV2(handle=handle, component_types=[tf.bool])
