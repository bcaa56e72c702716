"""Tiny data for every task, and options that train it in a second."""

import numpy as np
from PIL import Image

# Options for a network that is trained in a second.
TINY = (
    *("--units", "4", "--set", "model.embedding_units=5"),
    *("--set", "training.batch_size=16", "--set", "training.learning_rate=0.01"),
)


def words(rng, least=1):
    return " ".join(rng.choices(["red", "cat", "sees", "dogs", "big"], k=rng.randint(least, 5)))


def write(path, lines):
    path.write_text("".join(lines), encoding="utf-8")
    return path


def make_sentiment(folder, rng):
    lines = [f"{words(rng)} {n}\t{'ab'[n % 2]}\n" for n in range(40)]
    return write(folder / "texts.tsv", lines), ["red cat"]


def make_documents(folder, rng):
    lines = [f"{words(rng)}. {words(rng)} {n}!\t{'ab'[n % 2]}\n" for n in range(40)]
    return write(folder / "documents.tsv", lines), ["red cat. big dogs!"]


def make_tagging(folder, rng):
    sentences = [f"{words(rng)} {n}".split() for n in range(40)]
    rows = ["".join(f"{w}\t{'NX'[len(w) % 2]}\n" for w in s) + "\n" for s in sentences]
    return write(folder / "tagged.tsv", rows), ["big dogs"]


def make_translation(folder, rng):
    texts = [f"{words(rng)} {n}" for n in range(40)]
    pairs = [f"{text}\t{' '.join(text.upper().split()[::-1])}\n" for text in texts]
    return write(folder / "pairs.tsv", pairs), ["red cat"]


def make_captioning(folder, rng):
    images = np.random.default_rng(1).random((40, 8, 6, 1), np.float32)
    np.savez(folder / "images.npz", images=images)
    captions = write(folder / "captions.txt", [f"{words(rng)}\n" for _ in images])
    Image.fromarray((images[0, :, :, 0] * 255).astype(np.uint8)).save(folder / "one.png")
    return f"{folder / 'images.npz'},{captions}", [str(folder / "one.png")]


def make_language_model(folder, rng):
    return write(folder / "book.txt", [f"{words(rng)}.\n" for _ in range(200)]), ["red "]


def make_recall(folder, rng):
    return None, ["Anna is watching TV in the room . door rain who ?"]


MORE = {
    "documents": ("model.arch=gru",),
    "recall": ("data.distance=3", "data.examples=80"),
    "sentiment": ("text.unit=word",),
    "tagging": ("model.character_units=4",),
    "translation": (
        "text.unit=word",
        "text.target_unit=word",
        "decoding.beam=2",
        "decoding.max_length=5",
        "decoding.n_best=2",
        "decoding.max_n_best=4",
    ),
    "captioning": ("decoding.max_length=5", "decoding.max_n_best=6"),
    "language_model": (
        *("decoding.max_length=7", "training.window=16"),
        *("decoding.max_continuation=20", "decoding.max_prompt=30"),
    ),
}
