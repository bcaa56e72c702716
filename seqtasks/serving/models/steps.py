"""A request in steps: what is read before a run of a model, and what is written after it.

Between its steps a request has no thread: it waits in a model's queue, and one thread goes on with
all that shared a run. So a request is a generator, which gives each run that it needs and is sent
what the run gave.
"""

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from seqtasks.serving.models.signature import Signature

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """A run that a request needs.

    Args:
        runner: what runs it: a `Servable`, or a `BatchedServable`, which also has `submit`.
        signature: the runner's own.
        feeds: an array for each input.
        outputs: the outputs to compute; None for all.
    """

    runner: Any
    signature: Signature
    feeds: Mapping[str, np.ndarray]
    outputs: Sequence[str] | None = None

    def now(self) -> dict[str, np.ndarray]:
        """Run it in this thread, or wait in this thread for a run that it shares."""
        return self.runner.run(self.signature, self.feeds, self.outputs)


Steps = Generator[Run, dict[str, np.ndarray], T]


def finish(steps: Steps[T], run: Run | None = None) -> T:
    """Take all steps in this thread, and give what the last returns.

    Args:
        steps: the request.
        run: the run that it has already asked for; None where it hasn't begun.
    """
    try:
        run = run or next(steps)
        while True:
            try:
                found = run.now()
            except Exception as error:
                run = steps.throw(error)
            else:
                run = steps.send(found)
    except StopIteration as end:
        return end.value
