"""Tiny data for every task in files, and a tiny network of each that was taught a few steps."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from graphs import as_traced, with_graphs, without_graphs
from once import once
from pictures import sketched

from seqtasks.config import RunConfig, load_config
from seqtasks.data.splits import Splits
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.sources import load_splits
from seqtasks.training.step import TrainingStep

STEPS = 20  # of an epoch at most


class Made(NamedTuple):
    """A configuration and what its task makes of it."""

    task: Any
    config: RunConfig
    splits: Splits
    codec: Any
    model: Any

    def predictor(self, **decoding: Any) -> Any:
        """What answers by the model, text being written as `decoding` says."""
        config = self.with_decoding(**decoding) if decoding else self.config
        return self.task.make_predictor(config, self.codec, self.model)

    def with_decoding(self, **options: Any) -> RunConfig:
        """The configuration, but for how text is written."""
        decoding = self.config.decoding.model_copy(update=options)
        return self.config.model_copy(update={"decoding": decoding})


class Taught(NamedTuple):
    """What a few epochs gave."""

    made: Made
    predictor: Any
    train_losses: list[float]  # of each epoch
    before: tuple[float, float]  # validation's loss and score
    after: tuple[float, float]


@pytest.fixture(autouse=True, scope="module")
def graphs_as_traced():
    """Rewrite no graph, which takes longer than all that these tests compute; sketch pictures."""
    with as_traced(), sketched():
        yield


@pytest.fixture(scope="module")
def no_graphs(graphs_as_traced):
    """Run networks as the Python that they are; what is taught for all tests has its graph."""
    with without_graphs():
        yield


@pytest.fixture
def graphs(no_graphs):
    """Run as graphs what takes many steps."""
    with with_graphs():
        yield


@pytest.fixture(scope="session")
def make(tmp_path_factory) -> Callable[..., Made]:
    """Make codec and network of a task on its tiny data; dotted options change the configuration.

    Each call makes a network of its own, which a test may change.
    """
    sources = {task: write(tmp_path_factory.mktemp(task)) for task, write in WRITE.items()}

    def made(task: str, options: dict[str, Any] | None = None) -> Made:
        config = load_config(
            options={
                "task": task,
                **sources[task],
                "model.units": 7,
                "model.embedding_units": 6,
                "model.dropout": 0.0,
                "model.output_dropout": 0.0,
                "training.batch_size": 8,
                "training.learning_rate": 0.03,
                **OPTIONS[task],
                **(options or {}),
            }
        )
        found = get_task(task)
        splits = load_splits(config)
        codec = found.make_codec(config, splits)
        keras.utils.set_random_seed(4)
        return Made(found, config, splits, codec, found.build(config, codec))

    return made


@pytest.fixture(scope="session")
def taught(make, tmp_path_factory) -> Callable[[str], Taught]:
    """A network of a task that was taught once for all tests, none of which may change it."""

    def of(task: str) -> Taught:
        done: list[Taught] = []

        def work(folder: Path) -> None:
            with with_graphs():
                done.append(teach(make(task), epochs=6))
            done[0].made.model.save_weights(folder / "of.weights.h5")
            figures = (done[0].train_losses, done[0].before, done[0].after)
            (folder / "figures.json").write_text(json.dumps(figures))

        folder = once(tmp_path_factory, f"taught-{task}", work)
        if done:
            return done[0]
        made = make(task)
        made.model.load_weights(folder / "of.weights.h5")
        losses, before, after = json.loads((folder / "figures.json").read_text())
        return Taught(made, made.predictor(), losses, tuple(before), tuple(after))

    return functools.cache(of)


def teach(made: Made, epochs: int) -> Taught:
    """Take some epochs of at most `STEPS` steps each, as `seqtasks.training.fit` would."""
    training = made.config.training
    fit = made.task.prepare_fit(made.config, made.codec, made.model, made.splits)
    loss, batches, validate = fit.loss, fit.batches, fit.validate
    before, losses = validate(), []
    step = TrainingStep(made.model, loss, training.learning_rate, training.clip_norm)
    for epoch in range(epochs):
        data, _ = batches(epoch, 0)
        for inputs, targets in data.take(STEPS):
            step(inputs, targets)
        losses.append(step.totals().mean_loss)
        step.reset_totals()
    return Taught(made, made.predictor(), losses, before, validate())


# --- The data: one word, or the order of words, decides ------------------------------------------


def write_lines(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def write_sentiment(folder: Path) -> dict[str, Any]:
    draw = np.random.default_rng(1)
    lines = []
    for n in range(60):
        words = [*draw.choice(["the", "film", "영화는", "정말"], n % 5), ("good", "나쁘다")[n % 2]]
        lines.append(f"{' '.join(draw.permutation(words))} {n}\t{('pos', 'neg')[n % 2]}")
    return {"data.source": write_lines(folder / "reviews.tsv", lines), "data.test_fraction": 0.2}


def write_documents(folder: Path) -> dict[str, Any]:
    draw = np.random.default_rng(2)
    others = ["We sat in row 9.", "It rained!", "밖에 비가 왔다.", "Why?", "She slept, I think."]
    files = {}
    for name, size in (("source", 40), ("validation", 12), ("test", 10)):
        lines = []
        for n in range(size):
            chosen = [*draw.choice(others, n % 4), ("I loved it.", "정말 나쁘다!")[n % 2]]
            text = " ".join(draw.permutation(chosen))
            lines.append(f"{text} {name} {n}.\t{('pos', 'neg')[n % 2]}")
        files[f"data.{name}"] = write_lines(folder / f"{name}.tsv", lines)
    return files


def write_recall(folder: Path) -> dict[str, Any]:
    return {"data.distance": 4}


def write_tagging(folder: Path) -> dict[str, Any]:
    draw = np.random.default_rng(3)
    phrases = [
        ["Marie B-PER", "Curie I-PER"],
        ["Paris B-LOC"],
        ["New B-LOC", "York I-LOC"],
        ["철수가 B-PER"],
        ["saw O"],
        ["in O", "the O"],
        ["갔다 O"],
    ]
    lines = []
    for n in range(50):
        chosen = draw.choice(len(phrases), 1 + n % 5)
        lines += [token for at in chosen for token in phrases[at]] + [f"{n} O", ""]
    source = write_lines(folder / "names.bio", lines)
    return {"data.source": source, "data.test_fraction": 0.3, "data.validation_fraction": 0.2}


ENGLISH = {"the": "le", "dog": "chien", "cat": "chat", "sees": "voit", "hears": "entend"}


def write_translation(folder: Path) -> dict[str, Any]:
    draw = np.random.default_rng(4)
    nouns, verbs = ["dog", "cat"], ["sees", "hears"]
    lines = []
    for n in range(180):
        words = ["the", draw.choice(nouns), draw.choice(verbs), "the", draw.choice(nouns)]
        words = words[: (2, 3, 5)[n % 3]]
        target = " ".join(ENGLISH[word] for word in words)
        mark = "!?."[n % 3]
        # The same source may come again, with an answer of its own.
        lines.append(f"{' '.join(words).capitalize()}{mark}\t{target}{mark if n % 4 else ''}")
    paths = {}
    for name, part in (
        ("source", lines[:150]),
        ("validation", lines[150:165]),
        ("test", lines[165:]),
    ):
        paths[f"data.{name}"] = write_lines(folder / f"{name}.tsv", part)
    return paths


IMAGE = (5, 7, 1)  # height, width, channels: no two equal
SHOWN = ("left", "right", "위쪽", "bottom row")


def picture(kind: int, draw: np.random.Generator) -> np.ndarray:
    """Bright on one side, (5, 7, 1) of uint8."""
    image = draw.integers(0, 60, IMAGE, np.uint8)
    side = [np.s_[:, :3], np.s_[:, 4:], np.s_[:2], np.s_[3:]][kind]
    image[side] += 180
    return image


def write_captioning(folder: Path) -> dict[str, Any]:
    draw = np.random.default_rng(5)
    kinds = [n % 4 for n in range(240)]
    images = np.stack([picture(kind, draw) for kind in kinds])
    np.savez(folder / "images.npz", pixels=images)
    captions = write_lines(folder / "captions.tsv", [SHOWN[kind] for kind in kinds])
    source = f"{folder / 'images.npz'},{captions}"
    return {"data.source": source, "data.validation_fraction": 0.1, "data.test_fraction": 0.1}


def write_language_model(folder: Path) -> dict[str, Any]:
    draw = np.random.default_rng(6)
    words = ["the dog", "좋다!", "Saw it", "no,"]
    lines = [" ".join(draw.choice(words, 1 + n % 4)) for n in range(120)]
    return {"data.source": write_lines(folder / "text.txt", lines), "data.test_fraction": 0.2}


WRITE: dict[str, Callable[[Path], dict[str, Any]]] = {
    "sentiment": write_sentiment,
    "tagging": write_tagging,
    "translation": write_translation,
    "captioning": write_captioning,
    "documents": write_documents,
    "language_model": write_language_model,
    "recall": write_recall,
}

OPTIONS: dict[str, dict[str, Any]] = {
    "sentiment": {"model.arch": "bigru", "text.unit": "char", "model.pooling": "max"},
    "tagging": {"model.arch": "bigru", "model.character_encoder": "sum"},
    "translation": {"model.arch": "bigru", "training.label_smoothing": 0.1},
    "captioning": {
        "model.arch": "gru",
        "training.learning_rate": 0.01,
        "decoding.max_length": 12,
        "decoding.beam": 3,
    },
    "documents": {"model.arch": "gru"},
    "language_model": {
        "model.arch": "lstm",
        "training.window": 16,
        "decoding.max_length": 9,
    },
    "recall": {"model.arch": "lstm", "training.batch_size": 64},
}
