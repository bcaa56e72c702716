"""The stories that several claims are shown on: runs that learnt them, and one reading of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqtasks.lessons.workshop import Workshop

if TYPE_CHECKING:
    from seqtasks.experiments.facts import Facts
    from seqtasks.inspection.trace_data import LayerTrace

CELLS = ("rnn", "lstm", "gru")
GREETING, MOOD = "toy_greeting", "toy_mood"


@dataclass(frozen=True)
class StoryRun:
    """A run that learnt stories.

    Attributes:
        run: its directory.
        cell: its trained cell.
        text: the story that figures show.
    """

    run: Any
    cell: Any
    text: str


def distance(workshop: Workshop) -> int:
    """How many sentences the stories have in between."""
    return workshop.size(5, 1)


def story_keys(workshop: Workshop, source: str) -> dict[str, Any]:
    """The configuration of a run that learns stories in the language of the pages."""
    return {
        "model__units": workshop.size(32, 4),
        "model__embedding_units": workshop.size(16, 4),
        "model__dropout": 0.0,
        "model__output_dropout": 0.0,
        "data__source": source,
        "data__language": workshop.told_in,
        "data__distance": distance(workshop),
        "training__batch_size": 32,
        "training__epochs": workshop.size(12, 1),
        "training__learning_rate": 3e-3,
        "training__patience": 12,
        "training__plateau_patience": 12,
        "training__target": 1.0,
    }


def compare_stories(workshop: Workshop, source: str, *archs: str) -> list[Facts]:
    """What is known of runs of some archs that learnt the same stories."""
    name = f"{source.removeprefix('toy_')}-{workshop.told_in}"
    keys = story_keys(workshop, source)
    return workshop.compare(name, "recall", [("model.arch", archs)], **keys)


def story_run(workshop: Workshop, arch: str, source: str = GREETING) -> StoryRun:
    """A run of an arch that learnt stories."""

    def make() -> StoryRun:
        from seqtasks.runs import find_run

        (found,) = compare_stories(workshop, source, arch)
        run = find_run(found.path)
        model = workshop.predictor(run).model
        (layer,) = (layer for layer in model.layers if hasattr(layer, "cell"))
        splits = workshop.splits(run.config)
        return StoryRun(run, layer.cell, (splits.test or splits.validation).texts[0])

    return workshop.once(("story", source, workshop.told_in, arch), make)


def read_story(workshop: Workshop, arch: str, source: str = GREETING) -> LayerTrace:
    """What the recurrent layer of a run does while it reads a story."""

    def read() -> LayerTrace:
        from seqtasks.inspection.trace import trace

        story = story_run(workshop, arch, source)
        predictor = workshop.predictor(story.run)
        return trace(predictor, story.run.config.task, story.text).layers[0]

    return workshop.once(("reading", source, workshop.told_in, arch), read)
