"""What is chosen by the data where the configuration doesn't say: few sizes, few keys.

The plain defaults (`seqtasks.config`) suit the toy sets, small grammars in which every word counts.
A file of people's own texts is another thing: a fifth of its words come once, and a network knows
its training texts by heart long before it has learnt what they have in common. So for files, and
only for keys that nobody has set, values are chosen by what the task is and how much there is to
learn from. What was chosen is written into the run's config.yaml as if it had been given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from seqtasks.config import RunConfig, SentimentConfig, TaggingConfig, TranslationConfig
from seqtasks.data import look
from seqtasks.data.pairs import TextPairs
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.text.subword_library import can_learn_subwords

# Measured on 2026-11-30, on files that aren't the test data; one seed where no more are named.
# UCI SLS, 1,600 rows, accuracy on dev, 5 seeds: plain defaults 81.9; pooling max, words that come
# once left out, token dropout 0.1 and averages 81.3, with a lower loss (0.46 instead of 0.56). What
# is missing there is how words are spelled: on a fold of train and dev, 1,440 rows, the best epoch
# of words alone is 83.6, of words and letters 85.6, of pooling mean instead of max 83.9.
# Token dropout 0.5 there: no epoch above 84.4, but the last is the best; at 0.2 accuracy falls from
# 85.6 to 81.4 in nine epochs. 0.3 is between them.
# NSMC, accuracy on 1,500 other rows of train. 500 rows: plain defaults 61.6 and 62.6 (seeds 1, 2);
# letters alone 61.2 and 65.2; words and letters, batches of 16: 68.3 and 70.4; pooling mean or max,
# token dropout 0.2 or 0.5: 70 to 71.5, all alike. There accuracy stays while the loss doubles:
# choosing the epoch by loss would lose 1.6 points, and temperature is what mends the probabilities.
# With 4 epochs of patience a run ended after its first epoch, at 55 %.
# 2,000 rows: 128 units of letters read by windows 74.1, 256 units 75.1, with pooling mean 75.3; by
# pieces of up to 4 syllables 77.8 in a sixth of the time, of up to 3 or 5 77.0 and 76.9, with a
# third of the pieces dropped 77.8, pieces and windows 78.3. On UCI SLS' letters pieces are worse:
# 84.2, loss 0.41, where windows have 85.6 and 0.35. On NSMC's test data the network alone gives
# 68.3, 75.8 and 80.6 of 500, 2,000 and 8,000 rows, and with what stands beside it (`_BESIDE`) 74.0,
# 78.7 and 83.1; the linear peer has 71.6, 76.8 and 82.6.
# R-Drop (Liang et al. 2021, weight 1) is no gain at twice the time: the loss of other rows of NSMC
# is 0.456, 0.454 instead of 0.457, 0.453 (2,000 rows, seeds 1, 2) and 0.386 either way (8,000
# rows), accuracy on two folds of UCI SLS 85.6, 85.6 instead of 87.5, 86.4.
# More than 20,000 rows: what `configs/nsmc-bilstm.yaml` was tuned to, on NSMC.
_REGULARISED = {
    "text.min_count": 2,
    "model.pooling": "max",
    "model.dropout": 0.4,
    "model.output_dropout": 0.5,
    "model.token_dropout": 0.2,
    "training.average_decay": 0.99,
}
_TEXTS: tuple[tuple[float, dict[str, Any]], ...] = (
    (1_000, {**_REGULARISED, "training.batch_size": 16, "training.patience": 8}),
    (4_000, {**_REGULARISED, "training.batch_size": 32, "training.patience": 5}),
    (20_000, {**_REGULARISED, "training.epochs": 12, "training.patience": 3}),
    (
        math.inf,
        {
            **_REGULARISED,
            "text.max_words": 40_000,
            "model.units": 128,
            "model.embedding_units": 128,
            "model.dropout": 0.3,
            "training.average_decay": 0.999,
            "training.batch_size": 128,
            "training.batch_tokens": 16_384,
            "training.label_smoothing": 0.05,
            "training.epochs": 5,
            "training.patience": 2,
        },
    ),
)
_SPELLED = {
    "text.unit": "word+char",
    "model.character_encoder": "cnn",
    "model.character_units": 256,
}
_IN_SYLLABLES = {
    "text.unit": "word+char",
    "model.character_encoder": "ngrams",
    "model.character_units": 128,
}
# Beside the network a linear model of the same pieces, on NSMC, 4,000 other rows of train; in
# brackets the linear peer and the network alone. 500 rows 74.4 (73.0, 69.1), 2,000 rows 78.7 (77.3,
# 74.8), 8,000 rows 83.3 (82.4, 80.4). Nearly all of it is the linear model's: in its first epochs
# the network changes accuracy by 0.2 points at most, later it loses 2, which the loss shows at once
# and the accuracy of a small validation doesn't. The mean with a network of its own is better at
# 8,000 rows alone, by 0.5. Of English words that is no gain: a fold of UCI SLS has 84.2 (86.1,
# 85.8), where words matter more than pieces of them.
_BESIDE = {"model.beside": "ngrams", "training.select_by": "loss"}
_FEW_TO_STAND_BESIDE, _CLASSES_TO_STAND_BESIDE = 20_000, 20
_OF_ANY_TOPOLOGY = ("text.min_count", "training.average_decay", "training.patience")
# Vectors from outside, GloVe of 100 units, on UCI SLS: accuracy on dev with seeds 1 and 2 is 83.5,
# 85.0 without them; 85.5, 85.5 where they are trained further; 90.0, 89.5 where they stay.
_FEW_TO_TUNE = 4_000
_LONG = 60  # words of a text, on average, from which on reading their letters takes too long
# What `configs/tagging-ewt-bilstm.yaml` was tuned to at first. On two sets that it wasn't tuned on
# it gave 93.6 instead of 92.7 (Korean parts of speech) and an entity F1 of 18.2 instead of 7.5
# (noisy English), without features. Few sentences need more steps, and an average that is quicker
# to follow. Features: 2,000 sentences of EWT have, on dev with seeds 1 and 2, an accuracy of 91.2,
# 91.2 without and 91.7, 91.6 with them; all of EWT, on test, 95.8 instead of 95.4.
_TAGGED = {
    "text.features": ("shape", "prefix", "suffix"),
    "model.token_dropout": 0.15,
    "model.dropout": 0.3,
    "model.output_dropout": 0.4,
    "training.epochs": 12,
}
_TAGS: tuple[tuple[float, dict[str, Any]], ...] = (
    (3_000, {**_TAGGED, "training.batch_size": 16, "training.average_decay": 0.99}),
    (
        math.inf,
        {
            **_TAGGED,
            "model.units": 128,
            "model.embedding_units": 128,
            "model.character_units": 128,
            "training.batch_size": 32,
            "training.average_decay": 0.999,
        },
    ),
)
# What `configs/klue_ner-stacked-bilstm.yaml` was tuned to, on KLUE NER: F1 of entities on dev 73.2.
# Of its characters alone, without a CRF, F1 on test was 61.0. A CRF over words is no gain: of KLUE
# NER's words, 4,000 sentences, F1 on dev is 73.3 without and 73.4 with one, and 75.1 with features.
_TAGGED_CHARACTERS = {
    "text.unit": "word",
    "text.min_count": 2,
    "text.features": ("left_bigram", "right_bigram"),
    "model.head": "crf",
    "model.units": 128,
    "model.embedding_units": 128,
    "model.feature_units": 64,
    "model.token_dropout": 0.05,
    "model.dropout": 0.4,
    "model.output_dropout": 0.4,
    "training.epochs": 10,
    "training.batch_size": 32,
    "training.average_decay": 0.995,
    "training.patience": 5,
}

# Tatoeba English to Korean, 2,967 pairs, chrF: words 8.3, characters 13.8, subwords 15.7 on test;
# on dev subwords 15.3 where pairs that come 5 times are joined, 12.0 from 2 times on. There chrF
# chooses a worse epoch than the loss, and a rate halved after one bad epoch ends too early.
_FEW_PAIRS = {
    "text.unit": "subword",
    "text.target_unit": "subword",
    "training.select_by": "loss",
    "training.batch_size": 32,
    "training.epochs": 28,
    "training.patience": 5,
    "training.plateau_patience": 2,
}
# More: what `configs/translation-en_fr-bigru.yaml` was tuned to.
_MANY_PAIRS = {
    "text.min_count": 2,
    "text.unknown_weight": 0.0,
    "model.units": 256,
    "model.embedding_units": 256,
    "model.dropout": 0.3,
    "model.output_dropout": 0.3,
    "training.epochs": 14,
    "training.batch_size": 96,
    "training.sampled_tokens": 2_048,
    "training.average_decay": 0.999,
    "training.patience": 25,
    "training.plateau_patience": 2,
    "decoding.length_penalty": 2.0,
}
_PAIRS: tuple[tuple[float, dict[str, Any]], ...] = ((10_000, _FEW_PAIRS), (math.inf, _MANY_PAIRS))


@dataclass(frozen=True)
class Chosen:
    """A configuration, and what of it the data chose.

    Attributes:
        config: with the chosen values.
        values: they, by their dotted keys; none where everything was given, or nothing fits.
        why: what they were chosen by, such as "1,440 short texts"; "" where there are none.
    """

    config: RunConfig
    values: dict[str, Any]
    why: str

    def told(self) -> str | None:
        """A line for the user; None where there is nothing to say."""
        if not self.values:
            return None
        return f"Chosen for {self.why}, where you set nothing else: {self.flags}"

    @property
    def flags(self) -> str:
        """The values as options of the command."""
        return " ".join(f"--set {key}={_given(value)}" for key, value in self.values.items())


def choose(config: RunConfig, splits: Splits) -> Chosen:
    """Choose values for what the configuration doesn't say.

    Args:
        config: whose keys that were given stay as they are.
        splits: the data.
    """
    train = splits.train
    found: Mapping[str, Any] = {}
    why = ""
    if isinstance(train, LabelledTexts) and isinstance(config, SentimentConfig):
        found, why = _for_texts(train, config)
    elif isinstance(train, TaggedSentences) and isinstance(config, TaggingConfig):
        found, why = _for_tags(train, config)
    elif isinstance(train, TextPairs) and isinstance(config, TranslationConfig):
        found, why = _for_pairs(train, config)
    sections: dict[str, dict[str, Any]] = {}
    for key, value in found.items():
        section, name = key.split(".")
        if key == "model.embedding_units" and getattr(config.text, "vectors", None):
            continue  # the file's vectors have a width of their own
        if key == "training.average_decay" and config.training.average_last:
            continue  # which is another average of the weights
        unit = _unit(config, found)
        if name.startswith("character_") and unit != "word+char":
            continue  # which reads no characters of words
        if name == "features" and not unit.startswith("word"):
            continue  # which are of words
        if not _is_given(config, section, name) and getattr(config, section) is not None:
            sections.setdefault(section, {})[name] = value
    changed = {
        section: getattr(config, section).model_copy(update=values)
        for section, values in sections.items()
    }
    values = {
        f"{section}.{name}": value
        for section, some in sections.items()
        for name, value in some.items()
        if value != getattr(getattr(config, section), name)
    }
    return Chosen(config.model_copy(update=changed), values, why)


def _unit(config: RunConfig, found: Mapping[str, Any]) -> Any:
    """What a token is: as it was given, or is found."""
    given = getattr(config.text, "unit", None)
    return given if _is_given(config, "text", "unit") else found.get("text.unit", given)


def _given(value: Any) -> Any:
    """A value as it is given on the command line."""
    return f"[{','.join(value)}]" if isinstance(value, tuple) else value


def _is_given(config: RunConfig, section: str, name: str) -> bool:
    return name in getattr(config, section).model_fields_set


def _for_texts(train: LabelledTexts, config: SentimentConfig) -> tuple[dict[str, Any], str]:
    """For one of several classes, sets of labels and numbers alike."""
    count, length = len(train), _mean_words(train.texts)
    found = _size_of(_TEXTS, count)
    if config.model.topology == "hierarchical":
        # Words make sentences there, and what a sentence is decides how it is read.
        found = {key: value for key, value in found.items() if key in _OF_ANY_TOPOLOGY}
    elif look.are_unspaced(train.texts) and not (config.text.vectors or config.text.features):
        found = {**found, "text.unit": "char"}
    elif length < _LONG:
        in_syllables = look.have_syllables(train.texts)
        found = {**found, **(_IN_SYLLABLES if in_syllables else _SPELLED)}
        if in_syllables and _gains_by_pieces(train, config):
            found |= _BESIDE
    if config.text.vectors and count < _FEW_TO_TUNE:
        found = {**found, "text.tune_vectors": "never"}
    if train.kind == "number":  # which has no classes to share a target
        found = {key: value for key, value in found.items() if key != "training.label_smoothing"}
    return found, f"{count:,} texts of {length:.0f} words on average"


def _gains_by_pieces(train: LabelledTexts, config: SentimentConfig) -> bool:
    """Whether a linear model of pieces is to stand beside the network.

    Not where the network is to be one alone, reads no pieces, or is trained to a score.
    """
    model, training = config.model, config.training
    wanted = model.beside == "ngrams" or not _is_given(config, "model", "beside")
    reads_pieces = config.text.unit == "word+char" or not _is_given(config, "text", "unit")
    classes = len({*train.labels}) if train.kind == "category" else 1
    few = len(train) < _FEW_TO_STAND_BESIDE and classes <= _CLASSES_TO_STAND_BESIDE
    return wanted and reads_pieces and few and training.target is None


def _for_tags(train: TaggedSentences, config: TaggingConfig) -> tuple[dict[str, Any], str]:
    if _are_characters(train):
        found, what = _TAGGED_CHARACTERS, "sentences of tagged characters"
    else:
        found, what = _size_of(_TAGS, len(train)), "tagged sentences"
    if config.training.class_weight or config.training.label_smoothing:  # of each tag alone
        found = {key: value for key, value in found.items() if key != "model.head"}
    return found, f"{len(train):,} {what}"


def _are_characters(train: TaggedSentences) -> bool:
    """Whether tokens are single characters, but for a few such as numbers, by the first of them."""
    tokens = [token for sentence in train.tokens[:1_000] for token in sentence]
    return sum(len(token) == 1 for token in tokens) > 0.9 * len(tokens)


def _for_pairs(train: TextPairs, config: TranslationConfig) -> tuple[dict[str, Any], str]:
    found = _size_of(_PAIRS, len(train))
    units = [found.get(key) for key in ("text.unit", "text.target_unit")]
    needs_words = config.text.vectors or config.text.features  # of words they are
    if "subword" in units and needs_words:
        found = {key: value for key, value in found.items() if key != "text.unit"}
    if "subword" in units and not can_learn_subwords():
        found = {key: "char" if value == "subword" else value for key, value in found.items()}
    return found, f"{len(train):,} pairs of texts"


def _size_of(sizes: Sequence[tuple[float, dict[str, Any]]], count: int) -> dict[str, Any]:
    """The values of the first size that is larger than a count."""
    return next(values for below, values in sizes if count < below)


def _mean_words(texts: list[str]) -> float:
    some = texts[:: max(len(texts) // 1_000, 1)]
    return mean(len(text.split()) for text in some)
