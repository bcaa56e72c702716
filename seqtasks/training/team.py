"""What workers that train one network together tell each other while they train.

All of it is sums of vectors over the workers, by TensorFlow's MultiWorkerMirroredStrategy. Each
worker has a whole network of its own and takes the same steps, so that weights stay the same:
worker 0's are given to all at the start, and a step adds up what each found of its share.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.data.batches import WHOLE, Share
from seqtasks.errors import TrainingError
from seqtasks.training.cluster import Cluster

# What TensorFlow raises where another worker ended or can't be reached any more.
_OF_OTHERS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class Alone:
    """One process that trains by itself."""

    share: Share = WHOLE
    several = False
    leads = True

    def batches(self, batches: Callable[..., Any], epoch: int, skip: int) -> Any:
        """The rest of an epoch, of several processes this one's share of each batch.

        Args:
            batches: makes them (`seqtasks.tasks.task.BatchesOfEpoch`).
            epoch: counted from 0.
            skip: how many of its batches to leave out.
        """
        return batches(epoch, skip)

    def agree(self, *wishes: Callable[[], bool]) -> list[bool]:
        """Whether any of the workers wishes each of several things."""
        return [wish() for wish in wishes]

    def told(self, said: Callable[[], Any]) -> Any:
        """What worker 0 says: anything of JSON."""
        return said()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Say in one line that another worker has ended, if one does meanwhile."""
        yield


class Team(Alone):
    """Some workers, each a process; to be made before TensorFlow has done anything.

    Args:
        cluster: who they are. All have met (`seqtasks.training.cluster.meet`).
    """

    several = True

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.share = Share(cluster.index, cluster.size)
        self.leads = cluster.index == 0
        gpus = tf.config.list_physical_devices("GPU")
        if gpus:  # one for each worker, of those that a machine has
            tf.config.set_visible_devices(gpus[cluster.index % len(gpus)], "GPU")
        os.environ["TF_CONFIG"] = cluster.to_json()
        options = tf.distribute.experimental.CommunicationOptions(
            implementation=tf.distribute.experimental.CommunicationImplementation.RING
        )
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        any_size = tf.TensorSpec([None], tf.float32)
        self._sum = tf.function(self.sum, input_signature=[any_size], autograph=False)

    def batches(self, batches: Callable[..., Any], epoch: int, skip: int) -> Any:
        """The rest of an epoch: this process' share of each batch."""
        return batches(epoch, skip, share=self.share)

    def sum(self, vector: tf.Tensor) -> tf.Tensor:
        """The sum over all workers of a vector, (any,) of float32; each must call it in turn."""

        def of_this(part):
            # Where it has no device, TensorFlow doesn't know where the sum should be.
            return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(part))

        return self._strategy.run(of_this, args=(vector,))

    def joined(self, rows: tf.Tensor) -> tf.Tensor:
        """The rows of all workers, (any, ...), one behind the other."""

        def of_this(part):
            return tf.distribute.get_replica_context().all_gather(tf.identity(part), axis=0)

        return self._strategy.run(of_this, args=(rows,))

    def agree(self, *wishes: Callable[[], bool]) -> list[bool]:
        """Whether any of the workers wishes each of several things."""
        own = tf.constant([float(wish()) for wish in wishes])
        return [bool(wished) for wished in self._sum(own).numpy()]

    def total(self, array: np.ndarray) -> np.ndarray:
        """The sum over all workers of an array, which is the same where all but one have 0."""
        flat = self._sum(tf.constant(array.astype(np.float32).ravel())).numpy()
        return flat.reshape(array.shape).astype(array.dtype)

    def told(self, said: Callable[[], Any]) -> Any:
        """What worker 0 says: anything of JSON. The others aren't asked."""
        words = json.dumps(said()).encode() if self.leads else b""
        return json.loads(self._given(words))

    def give(self, variables: Sequence[Any]) -> None:
        """Set variables to worker 0's values, to the last bit."""
        for variable in variables:
            value = variable.numpy()
            if value.size:
                found = self._given(value.tobytes())
                variable.assign(np.frombuffer(found, value.dtype).reshape(value.shape))

    def _given(self, words: bytes) -> bytes:
        """Worker 0's bytes. As numbers of 16 bits they are sums of themselves and zeros."""
        (size,) = self._sum(tf.constant([float(len(words)) if self.leads else 0.0])).numpy()
        numbers = np.zeros(int(size + 1) // 2, np.uint16)
        if self.leads:
            numbers = np.frombuffer(words + bytes(len(words) % 2), np.uint16)
        found = self._sum(tf.constant(numbers, tf.float32)).numpy()
        return found.astype(np.uint16).tobytes()[: int(size)]

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Say in one line that another worker has ended, if one does meanwhile."""
        try:
            yield
        except _OF_OTHERS as error:
            others = [i for i in range(self.cluster.size) if i != self.cluster.index]
            named = [i for i in others if f"/task:{i}" in str(error)]
            who = self.cluster.name((named or others)[0]) if len(named or others) == 1 else ""
            raise TrainingError(
                f"{who or 'another worker'} ended, so training ends here too; what worker 0 saved "
                "last is kept. Go on with --resume, with as many workers as you like"
            ) from error


ALONE = Alone()
