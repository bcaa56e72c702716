"""What a task is: all that training, evaluation, prediction and export ask of it.

To add one, write a module with a final class of `Task`, its configuration (a subclass of
`RunConfig`), a line in `seqtasks.tasks.TASKS`, and a file in `configs/`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
import tensorflow as tf

from seqtasks.data.batches import WHOLE, Share, loaded, plan_batches
from seqtasks.data.splits import Splits
from seqtasks.errors import RunError
from seqtasks.tasks.calibration import Calibration
from seqtasks.tasks.endpoints import Endpoint
from seqtasks.tasks.evaluation import Peer
from seqtasks.text.unknown import UnknownTokens, count_ids
from seqtasks.text.vocabulary import Vocabulary

Batches = tuple[tf.data.Dataset, int]
"""The rest of an epoch, (inputs, targets) each, and how many batches the whole epoch has."""


class BatchesOfEpoch(Protocol):
    """Makes the batches of an epoch, always the same for the same numbers."""

    def __call__(self, epoch: int, skip: int, share: Share = WHOLE) -> Batches:
        """Make them.

        Args:
            epoch: counted from 0.
            skip: how many of its batches to leave out.
            share: which rows of each; of several processes a batch is (inputs, targets, whether
                it counts).
        """
        ...


class Codec(Protocol):
    """Examples to tensors and back; what training learns of the data before the weights."""

    def save(self, folder: Path) -> None:
        """Write what `Task.load_codec` reads."""
        ...


class Predictor(Protocol):
    """A trained model with its codec, ready to answer."""

    model: keras.Model
    codec: Any

    def predict(self, texts: Iterable[str]) -> Iterator[Any]:
        """Give a prediction, a dataclass, for each text (or image file), as they come."""
        ...


@dataclass(frozen=True)
class Fit:
    """What training needs of a task.

    Attributes:
        loss: from targets and the model's outputs to the loss of each example or real token.
        batches: from an epoch, counted from 0, and how many of its batches to leave out, to the
            rest; always the same for the same numbers.
        validate: the mean loss and the score, higher is better, of the model as it is.
        score: what the score is called, where it is another than `Task.score` for these data.
    """

    loss: Callable[[Any, Any], tf.Tensor]
    batches: BatchesOfEpoch
    validate: Callable[[], tuple[float, float]]
    score: str | None = None


class Task(ABC):
    """A task, abstract: one final subclass each, without state.

    `config` is the task's own class of `RunConfig`, `codec` what `make_codec` or `load_codec` made,
    and `splits` and `part` have the form that the configuration's data section names
    (`seqtasks.tasks.sources`).

    Attributes:
        score: what the validation's score is called; `Fit.score` may say otherwise.
    """

    score: ClassVar[str]

    @abstractmethod
    def make_codec(self, config: Any, splits: Splits) -> Any:
        """Build vocabularies and the like from the training split.

        Raises:
            DataError: examples that can't be learnt from.
        """

    @abstractmethod
    def load_codec(self, config: Any, folder: Path) -> Any:
        """Read what the codec's `save` wrote.

        Raises:
            RunError: a file that is missing or damaged.
        """

    @abstractmethod
    def build(self, config: Any, codec: Any) -> keras.Model:
        """Build the network, from the codec's inputs to its outputs."""

    @abstractmethod
    def prepare_fit(self, config: Any, codec: Any, model: Any, splits: Splits) -> Fit:
        """Say how `model` is trained on `splits`.

        Raises:
            DataError: examples that the codec doesn't know.
        """

    @abstractmethod
    def make_predictor(self, config: Any, codec: Any, model: Any) -> Any:
        """Make a `Predictor` of a trained model."""

    def average(self, predictors: Sequence[Any]) -> Any:
        """Make a `Predictor` that answers by the mean of what several say, the first one's way.

        Its `members` are they.

        Raises:
            RunError: where the task's answers have no mean.
        """
        raise RunError("runs of this task answer alone: there is no mean of what they write")

    @abstractmethod
    def evaluate(self, config: Any, predictor: Any, part: Any, splits: Splits | None) -> Any:
        """Say how good the model is on a part, and a baseline trained on `splits`, if given.

        Returns:
            One of the classes of `seqtasks.tasks.evaluation`.

        Raises:
            DataError: examples that the codec doesn't know.
        """

    @abstractmethod
    def endpoints(self, predictor: Any) -> list[Endpoint]:
        """The signatures of an export, `serving_default` first."""

    @abstractmethod
    def describe(self, config: Any, splits: Splits) -> dict[str, dict[str, Any]]:
        """What is in each split, as training with this configuration would read it."""

    def calibrate(self, config: Any, predictor: Any, splits: Splits) -> Calibration | None:
        """Learn on validation how sure answers may be; None where they have no probabilities."""
        return None

    def peer(self, config: Any, codec: Any, splits: Splits, part: Any) -> Peer | None:
        """Train another method on the same examples and judge it on a part; None where none is."""
        return None

    def judge(self, config: Any, predictor: Any, splits: Splits) -> Any:
        """Evaluate the model on validation for its card, where that costs little; else None."""
        return None

    @abstractmethod
    def facts(self, codec: Any) -> dict[str, str]:
        """What the model card says of the data."""


def mean(rows: Sequence[Any]) -> Any:
    """The mean of what several models say, (any, size) each; of one it is that, to the last bit."""
    return rows[0] if len(rows) == 1 else sum(rows[1:], rows[0]) / len(rows)


def planned_batches(
    config: Any,
    lengths: np.ndarray,
    load: Callable[[tf.Tensor], Any],
    vocabularies: Mapping[str, Vocabulary] | None = None,
) -> BatchesOfEpoch:
    """Make `Fit.batches` of examples of like length, shuffled by the run's seed and the epoch.

    Args:
        lengths: (examples,) in tokens.
        load: from row numbers (rows,) to a batch, (inputs, targets).
        vocabularies: of the inputs that are ids, by their names: rare tokens are read as unknown
            now and then, as `text.unknown_weight` says. None where no token becomes unknown.
    """
    training, weight = config.training, config.text.unknown_weight if vocabularies else 0.0
    unknown: Any = None
    if vocabularies and weight:
        plan = plan_batches(lengths, training.batch_tokens, training.batch_size)
        counts = count_ids((inputs for inputs, _ in loaded(load, plan)), vocabularies)
        unknown = UnknownTokens(vocabularies, counts, weight, config.seed)

    def batches(epoch: int, skip: int, share: Share = WHOLE) -> Batches:
        rng = np.random.default_rng([config.seed, epoch])
        planned = plan_batches(lengths, training.batch_tokens, training.batch_size, rng)

        def load_some(rows: tf.Tensor) -> Any:
            batch = load(rows)
            return unknown(*batch, rows, epoch) if unknown else batch

        return loaded(load_some, planned[skip:], share), len(planned)

    return batches
