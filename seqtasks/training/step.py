"""One training step: loss, gradients, clipping, Adam, running totals."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from seqtasks.training.adam import FusedAdam, summed_rows
from seqtasks.training.devices import Devices
from seqtasks.training.levels import Levels
from seqtasks.training.sharing import add_up_gradients, set_apart, settle
from seqtasks.training.team import ALONE, Alone, Team


@dataclass(frozen=True)
class Totals:
    """Sums over the steps of an epoch so far."""

    loss: float
    examples: int
    tokens: int
    losses: int  # of which `loss` is the sum: one for each example, or for each real token
    gradient_norm: float = 0.0  # of the whole gradient before it is clipped to a norm
    largest_gradient_norm: float = 0.0
    clipped: int = 0  # steps whose gradient was clipped
    steps: int = 0  # whose gradients these are

    @property
    def mean_loss(self) -> float:
        """Loss per example, or per real token where each has one, as validation's is."""
        return self.loss / max(self.losses, 1)

    @property
    def mean_gradient_norm(self) -> float | None:
        """Mean over the steps; None before the first one."""
        return self.gradient_norm / self.steps if self.steps else None

    @property
    def clipped_share(self) -> float | None:
        """The share of the steps whose gradient was clipped; None before the first one."""
        return self.clipped / self.steps if self.steps else None


class TrainingStep:
    """Trains a model on one batch per call, and reads nothing back from the device until asked.

    The gradient is clipped by the rule of page 002, "기울기 클리핑": with ĝ all parameters'
    gradients taken as one vector, if ‖ĝ‖ ≥ threshold then ĝ = threshold / ‖ĝ‖ · ĝ.

    Args:
        model: built; called as model(inputs, training=True).
        loss: (targets, outputs) to the loss of each example or each real token, (any,); their mean
            is minimised.
        learning_rate: Adam's step size (Kingma & Ba 2015).
        clip_norm: the threshold.
        average_decay: the decay of the running average of the weights, 0 for no average.
        average_last: the epochs whose last weights are averaged instead, 0 for none.
        clip_value: the limit on the size of each entry of a gradient, before its norm is taken.
        late: vectors that are trained from some epoch on, a `weight` and whether it is by now,
            `tuning`.
        levels: which weights are trained by when, and how fast; None: all alike.
        tables: of which only the rows are moved that a batch reads (`tables_by_rows`).
        team: the processes, or the devices of this one, that train the model together, each on its
            share of a batch.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Callable[[Any, Any], tf.Tensor],
        learning_rate: float,
        clip_norm: float,
        average_decay: float = 0.0,
        clip_value: float | None = None,
        late: Any = None,
        average_last: int = 0,
        levels: Levels | None = None,
        tables: Sequence[Any] = (),
        team: Alone = ALONE,
    ):
        self.model = model
        self._team = team if isinstance(team, Team) else None
        by_devices = functools.partial(self._train_by_devices, team)
        self._trains = by_devices if isinstance(team, Devices) else self._train
        self._tables = tables
        self.loss = loss
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.optimizer = FusedAdam(learning_rate)
        self.optimizer.build(model.trainable_variables)
        self.average_decay = average_decay
        self.averages = self._copies() if average_decay or average_last else []
        self._last = [self._copies() for _ in range(average_last)]
        self._loss = tf.Variable(tf.zeros((), tf.float64), trainable=False)
        self._examples = tf.Variable(tf.zeros((), tf.int64), trainable=False)
        self._tokens = tf.Variable(tf.zeros((), tf.int64), trainable=False)
        self._losses = tf.Variable(tf.zeros((), tf.int64), trainable=False)
        self._norms = tf.Variable(tf.zeros((), tf.float64), trainable=False)
        self._largest_norm = tf.Variable(tf.zeros((), tf.float64), trainable=False)
        self._clipped = tf.Variable(tf.zeros((), tf.int64), trainable=False)
        self._steps = tf.Variable(tf.zeros((), tf.int64), trainable=False)
        self._late = late
        self._waited = tf.Variable(tf.zeros((), tf.int64), trainable=False)
        self._levels, self._lowest = levels, 0
        # In how many steps each level wasn't trained.
        several = 1 + levels.top if levels and levels.every else 0
        self._closed = tf.Variable(tf.zeros([several], tf.int64), trainable=False)
        self._closable = several
        places = [late is not None and weight is late.weight for weight in self._weights()]
        if late or levels:
            self.optimizer.waited = lambda index: (
                self._waited if places[index] else self._steps_closed(index)
            )
        if levels:
            self.optimizer.rate = lambda index: levels.rate(levels.of[index])
        self._step: Any = None

    def _weights(self) -> list[Any]:
        """The weights that are trained at some time."""
        return self.model.trainable_variables

    def _steps_closed(self, index: int) -> Any:
        levels = self._levels
        return self._closed[levels.of[index]] if levels and levels.every else 0

    def begin(self, epoch: int) -> None:
        """Note that an epoch begins, counted from 0, from which on other weights may be trained."""
        lowest = self._levels.lowest(epoch) if self._levels else 0
        if lowest != self._lowest:
            self._lowest, self._step = lowest, None

    def _open(self) -> list[Any]:
        """The weights that are trained in this epoch."""
        levels = self._levels
        return [
            weight
            for index, weight in enumerate(self._weights())
            if levels is None or levels.of[index] >= self._lowest
        ]

    def __call__(self, *batch: Any) -> None:
        """Take one step on a batch: inputs and targets.

        With a team of processes, a third thing says whether this one's share counts; with one of
        devices, a batch is three such things of each.
        """
        if self._step is None:
            # A signature from the first batch's ranks: lengths and sizes vary without retracing.
            signature = tf.nest.map_structure(_any_size, batch)
            self._step = tf.function(self._trains, input_signature=signature, autograph=False)
        self._step(*batch)

    def _train(self, inputs, targets, counts: Any = None):
        # Of a share only the sum is known: the mean is over all workers' losses.
        of_losses = tf.reduce_mean if self._team is None else tf.reduce_sum
        gradients, sizes = self._find(inputs, targets, of_losses)
        gradients = self._summed(gradients)
        if self._team:
            gradients, sizes = add_up_gradients(self._team, gradients, sizes, counts)
        self._move(gradients, sizes)

    def _train_by_devices(self, devices, *parts):
        find = functools.partial(self._find, of_losses=tf.reduce_sum)
        gradients, sizes = devices.add_up(self.model, find, parts)
        self._move(self._summed(gradients), sizes)

    def _find(self, inputs, targets, of_losses):
        """The gradients of the losses' mean or sum, as they come, and the batch's sizes."""
        with tf.GradientTape() as tape:
            losses = self.loss(targets, self.model(inputs, training=True))
            loss = of_losses(losses)
        gradients = tape.gradient(loss, [weight.value for weight in self._open()])
        return gradients, self._sizes(losses, inputs, targets)

    def _move(self, gradients, sizes):
        """Clip the gradient of a whole batch, move the weights and add to the running totals."""
        weights = self._open()
        if self.clip_value is not None:
            limit = self.clip_value
            gradients = [tf.clip_by_value(gradient, -limit, limit) for gradient in gradients]
        gradients, norm = tf.clip_by_global_norm(gradients, self.clip_norm)
        self.optimizer.apply(gradients, weights)
        if self._late:
            trained = self._late.tuning & any(w is self._late.weight for w in weights)
            self._waited.assign_add(tf.where(trained, tf.zeros((), tf.int64), 1))
        if self._lowest:
            self._closed.assign_add(tf.cast(tf.range(self._closable) < self._lowest, tf.int64))
        self._update_averages()
        self._add_up(*sizes)
        self._add_norm(norm)

    def _summed(self, gradients):
        """Gradients in which each number of a weight is once, as clipping and Adam need them."""
        by_rows = [any(weight is table for table in self._tables) for weight in self._open()]
        return [
            summed_rows(gradient)
            if rows and isinstance(gradient, tf.IndexedSlices)
            else tf.convert_to_tensor(gradient)
            for gradient, rows in zip(gradients, by_rows, strict=True)
        ]

    def _add_norm(self, norm):
        """Add a gradient's norm, as clipping has just found it, to the running totals."""
        size = tf.cast(norm, tf.float64)
        self._norms.assign_add(size)
        self._largest_norm.assign(tf.maximum(self._largest_norm, size))
        self._clipped.assign_add(tf.cast(norm >= self.clip_norm, tf.int64))
        self._steps.assign_add(1)

    def _sizes(self, losses, inputs, targets) -> tuple[Any, ...]:
        """Of a batch: the sum of its losses, and how many losses, examples and tokens it has."""
        # Where the model writes a text, the tokens it writes count, else those it reads.
        ids = inputs.get("target_ids", inputs.get("ids"))
        loss = tf.reduce_sum(tf.cast(losses, tf.float64))
        examples = tf.shape(tf.nest.flatten(targets)[0], tf.int64)[0]
        return loss, tf.size(losses, tf.int64), examples, tf.math.count_nonzero(ids)

    def _add_up(self, loss, losses, examples, tokens):
        """Add a batch to the running totals."""
        self._loss.assign_add(loss)
        self._losses.assign_add(losses)
        self._examples.assign_add(examples)
        self._tokens.assign_add(tokens)

    def _update_averages(self):
        """Move the averages towards the weights, faster at first, while they are far from them."""
        if not self.average_decay:
            return
        steps = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(self.average_decay, (1 + steps) / (10 + steps))
        for average, weight in zip(self.averages, self.model.trainable_variables, strict=True):
            average.assign_sub((1 - decay) * (average - weight.value))

    def _copies(self) -> list[tf.Variable]:
        return [tf.Variable(w.value, trainable=False) for w in self.model.trainable_variables]

    def end_epoch(self, epoch: int) -> None:
        """Take the weights as they are into the mean of the last epochs', if there is one.

        Args:
            epoch: counted from 0.
        """
        if not self._last:
            return
        for kept, weight in zip(
            self._last[epoch % len(self._last)], self.model.trainable_variables, strict=True
        ):
            kept.assign(weight)
        filled = self._last[: epoch + 1]
        for average, *kept in zip(self.averages, *filled, strict=True):
            average.assign(tf.add_n([one.value() for one in kept]) / len(kept))

    def swap_averages(self) -> None:
        """Exchange the weights and their averages, if there are any; again, to change back."""
        if not self.averages:
            return
        for average, weight in zip(self.averages, self.model.trainable_variables, strict=True):
            trained = tf.identity(weight.value)
            weight.assign(average)
            average.assign(trained)

    @property
    def learning_rate(self) -> float:
        """Adam's step size."""
        return float(self.optimizer.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.optimizer.learning_rate = value

    def totals(self) -> Totals:
        """Read the running totals; waits for the device."""
        return Totals(*(total.numpy().item() for total in self._totals()))

    def reset_totals(self) -> None:
        """Set the running totals to zero."""
        for total in self._totals():
            total.assign(tf.zeros_like(total))

    def _totals(self) -> list[tf.Variable]:
        """The running totals, in the order of `Totals`; new ones go to the end (`load_state`)."""
        return [
            *(self._loss, self._examples, self._tokens, self._losses),
            *(self._norms, self._largest_norm, self._clipped, self._steps),
        ]

    def set_apart(self) -> None:
        """Begin with what worker 0 has; only the draws of dropout and the like differ from it."""
        if self._team:
            set_apart(self._team, self.model, self.variables())

    def settle(self) -> None:
        """Let worker 0 have all that later steps depend on; each worker calls it before a save."""
        if self._team:
            settle(self._team, self.model)

    def variables(self) -> list[Any]:
        """Everything that a later step depends on, dropout's random state included."""
        carried = getattr(self.model, "carried", [])  # the states of truncated back-propagation
        waited = [self._waited] if self._late else []
        waited += [self._closed] if self._closable else []
        return [
            *self.model.variables,
            *self.optimizer.variables,
            *self.averages,
            *(kept for epoch in self._last for kept in epoch),
            *carried,
            *waited,
            *self._totals(),
        ]


def _any_size(tensor: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)
