"""The story that several claims are shown on: runs that learnt it, and one reading of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqtasks.lessons.workshop import Workshop

if TYPE_CHECKING:
    from seqtasks.inspection.trace_data import LayerTrace

_RATES = {"rnn": 3e-3, "lstm": 6e-3, "gru": 6e-3}


@dataclass(frozen=True)
class StoryRun:
    """A run that learnt the stories.

    Attributes:
        run: its directory.
        cell: its trained cell.
        text: the story that figures show.
    """

    run: Any
    cell: Any
    text: str


def story_keys(workshop: Workshop, arch: str) -> dict[str, Any]:
    """The configuration of a run that learns the stories."""
    return {
        "model__arch": arch,
        "model__units": workshop.size(32, 4),
        "model__embedding_units": workshop.size(16, 4),
        "data__distance": workshop.size(20, 3),
        "training__epochs": workshop.size(12, 1),
        "training__learning_rate": _RATES[arch],
        "training__target": 1.0,
    }


def story_run(workshop: Workshop, arch: str) -> StoryRun:
    """A run of an arch that learnt the stories."""

    def make() -> StoryRun:

        run = workshop.train(f"story-{arch}", "recall", **story_keys(workshop, arch)).run
        model = workshop.predictor(run).model
        (layer,) = (layer for layer in model.layers if hasattr(layer, "cell"))
        splits = workshop.splits(run.config)
        return StoryRun(run, layer.cell, (splits.test or splits.validation).texts[0])

    return workshop.once(("story", arch), make)


def read_story(workshop: Workshop, arch: str) -> LayerTrace:
    """What the recurrent layer of a run does while it reads the story."""

    def read() -> LayerTrace:
        from seqtasks.inspection.trace import trace

        story = story_run(workshop, arch)
        predictor = workshop.predictor(story.run)
        return trace(predictor, story.run.config.task, story.text).layers[0]

    return workshop.once(("reading", arch), read)
