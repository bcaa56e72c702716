"""The networks and texts of the benchmarks: two configurations, and real or synthetic texts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtasks.config import RunConfig, load_config
from seqtasks.data.pairs import TextPairs
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.sources import read_part

# As `configs/nsmc-bilstm.yaml` and `configs/translation-en_fr-bigru.yaml` have them.
SENTIMENT: dict[str, Any] = {
    "task": "sentiment",
    "text.unit": "word+char",
    "text.max_words": 40_000,
    "text.min_count": 2,
    "text.max_word_length": 10,
    "model.arch": "bilstm",
    "model.units": 128,
    "model.embedding_units": 128,
    "model.character_units": 128,
    "model.token_dropout": 0.3,
    "model.pooling": "max",
    "model.dropout": 0.3,
    "model.output_dropout": 0.5,
    "training.batch_size": 128,
    "training.batch_tokens": 16_384,
    "training.label_smoothing": 0.05,
    "training.average_decay": 0.999,
}
TRANSLATION: dict[str, Any] = {
    "task": "translation",
    "text.unit": "word",
    "text.target_unit": "word",
    "text.min_count": 2,
    "text.unknown_weight": 0,
    "text.max_length": 60,
    "model.arch": "bigru",
    "model.units": 256,
    "model.embedding_units": 256,
    "model.attention": "additive",
    "model.dropout": 0.3,
    "model.output_dropout": 0.3,
    "training.batch_size": 96,
    "training.learning_rate": 0.002,
    "training.sampled_tokens": 2_048,
    "training.label_smoothing": 0.1,
    "training.average_decay": 0.999,
    "training.select_by": "bleu",
    "decoding.max_length": 60,
    "decoding.length_penalty": 2.0,
}

# Quantiles at these shares: words of an NSMC training review, syllables of its words, English words
# of a Tatoeba English-French pair, and the ratio of French words to English ones. The sizes of the
# vocabularies are those that the configurations give on the same data.
_SHARES = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1)
_REVIEW_WORDS = (1, 1, 2, 3, 5, 8, 13, 21, 29, 40, 49, 140)
_WORD_SYLLABLES = (1, 1, 1, 1, 1, 3, 4, 5, 6, 9, 10, 10)
_ENGLISH_WORDS = (2, 3, 4, 4, 5, 7, 8, 11, 12, 16, 22, 53)
_FRENCH_TO_ENGLISH = (0.31, 0.67, 0.82, 0.88, 1, 1.14, 1.29, 1.5, 1.6, 2, 2.5, 3.25)
_LONGEST = 60  # words of a sentence; the configuration cuts longer ones
REVIEW_VOCABULARY, REVIEW_SYLLABLES = 40_000, 2_244
ENGLISH_VOCABULARY, FRENCH_VOCABULARY = 5_859, 8_705

# All syllables of the vocabulary except padding, the unknown one and the space between words.
_HANGUL = "".join(chr(ord("가") + number) for number in range(REVIEW_SYLLABLES - 3))
_LATIN = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Corpus:
    """Examples to measure with, their configuration, and the codec that reads them."""

    config: RunConfig
    codec: Any
    part: Any  # `LabelledTexts` or `TextPairs`


def corpus(options: dict[str, Any], data: str | None, examples: int, seed: int = 1) -> Corpus:
    """Read or draw the examples of a task.

    Args:
        options: `SENTIMENT` or `TRANSLATION`, or a smaller network.
        data: a file in the task's format, all of which makes the vocabularies; None for synthetic
            texts.
        examples: the most examples to take, drawn by chance.
        seed: what chance starts from.

    Raises:
        DataError: where the file can't be used.
    """
    config = load_config(options=options)
    task = get_task(config.task)
    if data is None:
        listed, part = _SYNTHETIC[config.task](examples, seed)
        return Corpus(config, task.make_codec(config, Splits(listed, part, None)), part)
    whole = read_part(config, data)
    rows = np.random.default_rng(seed).permutation(len(whole))[:examples]
    codec = task.make_codec(config, Splits(whole, whole, None))
    return Corpus(config, codec, whole.select(rows.tolist()))


def as_splits(corpus: Corpus) -> Splits:
    """Give the examples as training data, and one of them as validation data, which isn't used."""
    return Splits(corpus.part, corpus.part.select(range(1)), None)


def reviews(examples: int, seed: int = 1) -> tuple[LabelledTexts, LabelledTexts]:
    """Draw reviews with NSMC's lengths and size of vocabulary; words follow Zipf's law.

    The labels are drawn by chance too, so there is nothing to learn. No word is unknown.

    Returns:
        The whole vocabulary, to make a codec from, and the reviews.
    """
    rng = np.random.default_rng(seed)
    words = _words(REVIEW_VOCABULARY - 2, _HANGUL, rng)
    texts = _texts(words, _drawn(_REVIEW_WORDS, examples, rng), rng)
    labels = [str(label) for label in rng.integers(0, 2, examples)]
    # Each word twice, since a word that comes once counts as unknown.
    listed = LabelledTexts([" ".join(words)] * 2, ["0", "1"], "vocabulary", [0, 1])
    drawn = LabelledTexts(texts, labels, "synthetic reviews", list(range(examples)))
    return listed, drawn


def sentence_pairs(examples: int, seed: int = 1) -> tuple[TextPairs, TextPairs]:
    """Draw pairs with the lengths and the sizes of vocabulary of Tatoeba's English-French pairs.

    Returns:
        Both whole vocabularies, to make a codec from, and the pairs.
    """
    rng = np.random.default_rng(seed)
    english = _words(ENGLISH_VOCABULARY - 2, _LATIN, rng)
    french = _words(FRENCH_VOCABULARY - 4, _LATIN, rng)
    lengths = _drawn(_ENGLISH_WORDS, examples, rng)
    times = np.interp(rng.random(examples), _SHARES, _FRENCH_TO_ENGLISH)
    target_lengths = np.clip(np.rint(lengths * times), 1, _LONGEST).astype(int)
    drawn = TextPairs(
        _texts(english, lengths, rng),
        _texts(french, target_lengths, rng),
        "synthetic pairs",
        list(range(examples)),
    )
    listed = TextPairs([" ".join(english)] * 2, [" ".join(french)] * 2, "vocabularies", [0, 1])
    return listed, drawn


def _words(count: int, letters: str, rng: np.random.Generator) -> list[str]:
    """Make different words; the first ones, which come most often, include the short ones."""
    lengths = _drawn(_WORD_SYLLABLES, count, rng)
    drawn = "".join(letters[number] for number in rng.integers(0, len(letters), lengths.sum()))
    words: dict[str, None] = {}
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        word = drawn[end - length : end]
        while word in words:
            word += letters[rng.integers(len(letters))]
        words[word] = None
    return list(words)


def _texts(words: list[str], lengths: np.ndarray, rng: np.random.Generator) -> list[str]:
    chances = 1 / np.arange(1, len(words) + 1)
    drawn = rng.choice(np.array(words), lengths.sum(), p=chances / chances.sum())
    return [" ".join(text) for text in np.split(drawn, np.cumsum(lengths)[:-1])]


def _drawn(quantiles: tuple[float, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw whole numbers that have these quantiles at `_SHARES`."""
    return np.rint(np.interp(rng.random(count), _SHARES, quantiles)).astype(int)


_SYNTHETIC = {"sentiment": reviews, "translation": sentence_pairs}
