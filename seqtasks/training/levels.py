"""Which weights are trained by when and how fast: the lower ones later, and more slowly.

What a network has from another run is worth keeping at first, while what is new above it knows
nothing yet: layers are trained one after the other from the highest on, and lower ones at a lower
rate (Howard and Ruder 2018, sections 3.2 and 3.3: gradual unfreezing, discriminative fine-tuning).
"""

from dataclasses import dataclass

import keras

from seqtasks.config import TrainingConfig
from seqtasks.training.parts import is_of_vectors, reads_texts, recurrent_part


@dataclass(frozen=True)
class Levels:
    """How high each weight is, and what follows from it.

    Attributes:
        of: the level of each trainable weight, in their order: 0 of vectors, then the recurrent
            layers from the lowest, and above them all the rest.
        every: epochs after which one more level is trained, from the highest on; 0: all are at
            once.
        decay: what the rate is multiplied with from each level to the one below.
    """

    of: tuple[int, ...]
    every: int
    decay: float

    @property
    def top(self) -> int:
        """The highest level."""
        return max(self.of)

    def lowest(self, epoch: int) -> int:
        """The lowest level that is trained in an epoch, counted from 0.

        >>> [Levels((0, 1, 2), 2, 1.0).lowest(epoch) for epoch in range(6)]
        [2, 2, 1, 1, 0, 0]
        """
        return max(self.top - epoch // self.every, 0) if self.every else 0

    def rate(self, level: int) -> float:
        """What the learning rate of a level is multiplied with."""
        return self.decay ** (self.top - level)


def levels_of(model: keras.Model, config: TrainingConfig) -> Levels | None:
    """The levels of a network that is trained by them; None where all are trained alike."""
    if not config.unfreeze_every and config.layer_decay == 1.0:
        return None
    paths = [weight.path for weight in model.trainable_variables]
    reads = reads_texts(paths)
    found = [_level(path, reads) for path in paths]
    top = 1 + max((level for level in found if level is not None), default=0)
    of = tuple(top if level is None else level for level in found)
    return Levels(of, config.unfreeze_every, config.layer_decay)


def _level(path: str, reads: bool) -> int | None:
    """The level of a weight by its name; None of what is above all layers."""
    if is_of_vectors(path, reads):
        return 0
    recurrent = recurrent_part(path, reads)
    return recurrent[0] if recurrent else None
