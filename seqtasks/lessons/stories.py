"""The story that several claims are shown on: runs that learnt it, and one reading of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtasks.lessons.workshop import Workshop

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


@dataclass(frozen=True)
class Reading:
    """What happened in a trained layer while it read a story: (T, H) each.

    Attributes:
        tokens: the story's tokens.
        vectors: what the layer read, (T, D).
        gates: those of the cell, by name.
        h: the states.
        c: the LSTM's memory, else None.
        left: |∂h_T/∂x_t| of each token, (T,).
        passed: |∂c_T/∂c_t| of each token, (T,), of an LSTM.
    """

    tokens: list[str]
    vectors: Any
    gates: dict[str, Any]
    h: Any
    c: Any
    left: Any
    passed: Any


_GATES = {"lstm": ("f", "g", "i", "o"), "gru": ("z", "r", "h~"), "rnn": ()}


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


def read_story(workshop: Workshop, arch: str) -> Reading:
    """Read the story step by step."""
    return workshop.once(("reading", arch), lambda: _read(workshop, arch))


def _read(workshop: Workshop, arch: str) -> Reading:
    import tensorflow as tf

    story = story_run(workshop, arch)
    predictor, cell = workshop.predictor(story.run), story.cell
    encoder = predictor.codec.encoder
    text = tf.constant([story.text])
    tokens = [token.decode() for token in encoder.split(text).to_list()[0]]
    vectors = tf.convert_to_tensor(predictor.model.get_layer("text")(encoder(text)))[0]
    states = tuple(tf.zeros((1, cell.units)) for _ in cell.state_size)
    weights = cell.recurrent_weights(tf.convert_to_tensor(cell.W_h))
    all_states, all_saved = [], []
    with tf.GradientTape(persistent=True) as tape:
        steps = tf.unstack(vectors[:, tf.newaxis], axis=0)
        tape.watch(steps)
        for x_t in steps:
            states, saved = cell.step(cell.project(x_t), states, weights)
            all_states.append(states)
            all_saved.append(saved)
        last = all_states[-1]
    left = [_size(tape.jacobian(last[0], x_t)) for x_t in steps]
    passed = None
    if len(last) > 1:
        passed = [_size(tape.jacobian(last[1], c_t)) for _, c_t in all_states]

    def stacked(values: Any) -> Any:
        return np.stack([value.numpy()[0] for value in values])

    names = _GATES[arch]
    return Reading(
        tokens,
        vectors.numpy(),
        {name: stacked(s[n] for s in all_saved) for n, name in enumerate(names)},
        stacked(s[0] for s in all_states),
        stacked(s[1] for s in all_states) if len(last) > 1 else None,
        np.array(left),
        None if passed is None else np.array(passed),
    )


def _size(jacobian: Any) -> float:
    return 0.0 if jacobian is None else float(np.linalg.norm(jacobian.numpy()))
