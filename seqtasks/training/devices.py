"""Several devices of one machine that train one network, each on its share of every batch.

Weights, Adam's moments and all else that a state has are kept once, on the first device. In a step
each device reads the weights and finds the gradient of its share; the first one adds the gradients
up, clips the sum and moves the weights. So a run looks the same whatever trained it, and goes on
with any number of devices. All of a step is one graph, of which TensorFlow runs the devices' parts
in parallel and copies what goes from one to another.

TensorFlow's MirroredStrategy keeps a copy of each variable on each device instead. It was tried
with this step: it finds the same losses in the same time, and it isn't here for what a state would
lack. Each copy of a dropout's seed starts alike, so that all devices draw the same masks, and of
states that are carried from batch to batch only the first device's copy is saved.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from seqtasks.data.batches import Share
from seqtasks.errors import ConfigError
from seqtasks.training.team import ALONE, Alone

ALL = "all"


class Devices(Alone):
    """Some devices of this process.

    Args:
        names: of the devices as TensorFlow calls them, such as "/device:GPU:0"; the first one has
            the weights.
    """

    def __init__(self, names: Sequence[str]):
        self.names = tuple(names)

    def batches(self, batches: Callable[..., Any], epoch: int, skip: int) -> Any:
        """The rest of an epoch: of each batch as many shares as devices."""
        devices = len(self.names)
        shares = [Share(index, devices, "devices") for index in range(devices)]
        parts = [batches(epoch, skip, share=share) for share in shares]
        return tf.data.Dataset.zip(tuple(data for data, _ in parts)), parts[0][1]

    def add_up(
        self, model: Any, find: Callable[[Any, Any], Any], parts: Sequence[Any]
    ) -> tuple[list[Any], list[tf.Tensor]]:
        """The gradient of the mean loss of a batch, each share's found on its device.

        Args:
            model: what is trained.
            find: from inputs and targets to the gradients of the sum of their losses, and sizes:
                that sum, how many losses they are, and more that is added up.
            parts: of each device: inputs, targets, and whether they count.

        Returns:
            The gradients, and the sizes of the whole batch.
        """
        found = []
        with _states_of_before(model):
            for index, (inputs, targets, counts) in enumerate(parts):
                with tf.device(self.names[index]):
                    if hasattr(model, "share"):
                        model.share = slice(index, None, len(parts))
                    gradients, sizes = find(inputs, targets)
                    gradients = [_times(g, tf.cast(counts, g.dtype)) for g in gradients]
                    sizes = [size * tf.cast(counts, size.dtype) for size in sizes]
                found.append((gradients, sizes))
        sizes = [tf.add_n(of_all) for of_all in zip(*(sizes for _, sizes in found), strict=True)]
        share = 1 / tf.maximum(tf.cast(sizes[1], tf.float32), 1)
        of_weights = zip(*(gradients for gradients, _ in found), strict=True)
        sums = [_sum(of_all) for of_all in of_weights]
        return [_times(g, tf.cast(share, g.dtype)) for g in sums], sizes

    def __str__(self) -> str:
        return ", ".join(name.removeprefix("/device:") for name in self.names)


def devices_of_machine(asked: str) -> Alone:
    """The devices that are asked for: GPUs, or where there is none what TensorFlow has of CPUs.

    Args:
        asked: how many, or "all".

    Raises:
        ConfigError: where there are fewer.
    """
    for kind in ("GPU", "CPU"):
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        if names:
            break
    count = len(names) if asked == ALL else int(asked)
    if count > len(names):
        raise ConfigError(
            f"--devices: TensorFlow finds {len(names)} here ({Devices(names)}), {count} are asked "
            f"for; use --devices {ALL}, or --workers to train with several processes"
        )
    return Devices(names[:count]) if count > 1 else ALONE


@contextlib.contextmanager
def _states_of_before(model: Any) -> Iterator[None]:
    """Let all devices go on from the states that the last batch left, at the same time.

    Else each would wait for the one before it, which writes what it reads.
    """
    carried = getattr(model, "carried", [])
    if not carried:
        yield
        return
    model.before = [tf.identity(state) for state in carried]
    try:
        yield
    finally:
        model.before = []


def _times(gradient: Any, factor: tf.Tensor) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        values = gradient.values * factor
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * factor


def _sum(gradients: Sequence[Any]) -> Any:
    """The sum of whole gradients, or the rows of all, one behind the other."""
    if not all(isinstance(gradient, tf.IndexedSlices) for gradient in gradients):
        return tf.add_n([tf.convert_to_tensor(gradient) for gradient in gradients])
    values = tf.concat([gradient.values for gradient in gradients], axis=0)
    rows = tf.concat([gradient.indices for gradient in gradients], axis=0)
    return tf.IndexedSlices(values, rows, gradients[0].dense_shape)
