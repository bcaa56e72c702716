"""The sections that several tasks share: text, network, training and writing.

Where the data come from is in `data_sections`, what values may be in `values`, and what one task
alone has in that task's class, in `tasks`.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from seqtasks.config.arch import ARCHS, RULE, STACKED_LAYERS, Arch
from seqtasks.config.values import (
    ERRORS,
    LARGEST,
    SMALLEST,
    ClassWeight,
    Count,
    CountOrZero,
    Feature,
    Fraction,
    NotNegative,
    Number,
    Pooling,
    Positive,
    Rate,
    Size,
    Strict,
    Threshold,
)
from seqtasks.errors import did_you_mean


def _label(key: Any) -> str:
    """A label as it stands in a file, of what YAML makes of it: 1 and true are no strings there."""
    return key if isinstance(key, str) else json.dumps(key, default=str)


def _is_weight(weight: Any) -> bool:
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    return number and SMALLEST <= weight <= LARGEST


class TextConfig(Strict):
    """How text becomes ids."""

    unit: Literal["word", "char", "word+char", "subword"] = Field(
        default="word",
        description="what a token is; word+char: a word and how it is spelled; subword: what of "
        "words comes often, so that none is unknown",
    )
    max_words: Size = Field(default=20_000, description="the size of a vocabulary of words")
    max_characters: Size = Field(
        default=4_000, description="the size of a vocabulary of characters"
    )
    max_subwords: Annotated[int, Field(ge=300)] | None = Field(
        default=None,
        description="the size of a vocabulary of subwords; by default what comes often enough in "
        "the training texts, up to 8,000 joined ones",
    )
    min_count: Count = Field(default=1, description="tokens that occur less often are unknown")
    unknown_weight: NotNegative = Field(
        default=1.0,
        description="in training a token that comes n times is read as unknown with the "
        "probability weight / (weight + n), so that unknown ones are learnt; 0: never; no subword "
        "is unknown",
    )


class BoundedTextConfig(TextConfig):
    """How text becomes ids, up to a length."""

    max_length: Count = Field(
        default=1_000, description="tokens that are read; a longer text is cut at its end"
    )


class ReadTextConfig(BoundedTextConfig):
    """How a text that is read becomes ids."""

    max_word_length: Count = Field(
        default=24, description="characters of a word that word+char reads, or subwords in tagging"
    )
    features: tuple[Feature, ...] = Field(
        default=(),
        description="what a word has beside its vector: shape (Xx, XX, d), prefix, suffix; "
        "left_bigram, right_bigram: it and the word before or behind it, for tokens of a character",
    )
    vectors: str | None = Field(
        default=None,
        min_length=1,
        description="a file of word vectors, .vec, GloVe's text or word2vec's .bin, also gzipped; "
        "model.embedding_units is its width then",
    )
    max_vectors: CountOrZero = Field(
        default=50_000,
        description="words that training lacks and the file of vectors has, its first ones, so "
        "many at most: answers and exports know them too",
    )
    tune_vectors: Literal["always", "never"] | Count = Field(
        default="always",
        description="when vectors of the file are trained further: always, never, or after so "
        "many epochs",
    )

    @model_validator(mode="after")
    def _what_words_have_needs_words(self) -> "ReadTextConfig":
        for key in ("features", "vectors"):
            if getattr(self, key) and not self.unit.startswith("word"):
                raise ValueError(
                    f"text.{key} are of words, but text.unit is {self.unit!r}; use unit word or "
                    "word+char"
                )
        return self

    @field_validator("features")
    @classmethod
    def _features_are_different(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        if len({*features}) < len(features):
            raise ValueError("expected each feature once")
        return features


class DocumentTextConfig(ReadTextConfig):
    """How a text, or a document of sentences, becomes ids."""

    max_sentences: Count = Field(
        default=5_000,
        description="sentences of a document that topology hierarchical reads; more are cut off",
    )


class ModelConfig(Strict):
    """The network."""

    arch: str = Field(default="bilstm", description=RULE, examples=["bilstm"])
    layers: Count | None = Field(
        default=None,
        description=f"recurrent layers; by default 1, and {STACKED_LAYERS} of a stacked arch",
    )
    units: Count = Field(default=64, description="H, hidden units per direction")
    embedding_units: Count = Field(
        default=64, description="D, the width of a word's or character's vector"
    )
    dropout: Rate = Field(
        default=0.2, description="on every layer's inputs, one mask for all steps"
    )
    weight_drop: Rate = Field(default=0.0, description="on W_h, one mask per batch")
    zoneout: Rate = Field(
        default=0.0, description="on the units of each state that keep the old one, at each step"
    )
    output_dropout: Rate = Field(default=0.2, description="before the classes or tokens")

    @field_validator("arch")
    @classmethod
    def _arch_is_known(cls, arch: str) -> str:
        if arch not in ARCHS:
            raise ValueError(
                f"unknown arch {arch!r}{did_you_mean(arch, ARCHS)}; "
                f"expected one of {', '.join(ARCHS)}"
            )
        return arch

    @field_validator("layers")
    @classmethod
    def _one_layer_unless_stacked(cls, layers: int | None, info: ValidationInfo) -> int | None:
        arch = info.data.get("arch")
        if layers is not None and layers > 1 and arch and not Arch.parse(arch).stacked:
            raise ValueError(
                f"arch {arch!r} has one layer, but layers is {layers}; use arch stacked-{arch}"
            )
        return layers

    @property
    def depth(self) -> int:
        """How many recurrent layers there are."""
        return self.layers or (STACKED_LAYERS if Arch.parse(self.arch).stacked else 1)


class ReaderConfig(ModelConfig):
    """A network that reads text: words, their spelling, or both."""

    character_units: Count = Field(
        default=32, description="the width of the characters' part, for word+char"
    )
    character_encoder: Literal["bilstm", "sum", "cnn", "ngrams"] = Field(
        default="bilstm", description="what reads a word's characters, for word+char"
    )
    character_buckets: Count = Field(
        default=50_000, description="how many vectors the pieces of words share, for ngrams"
    )
    feature_units: Count = Field(
        default=16, description="the width of the vector of each of text.features"
    )
    token_dropout: Rate = Field(default=0.0, description="the share of tokens read as unknown")

    @model_validator(mode="after")
    def _characters_go_both_ways(self) -> "ReaderConfig":
        if self.character_encoder == "bilstm" and self.character_units % 2:
            raise ValueError(
                f"character_units must be even for character_encoder bilstm, half for each "
                f"direction; received {self.character_units}"
            )
        return self


class TaggerConfig(ReaderConfig):
    """A network that answers at each token."""

    residual: bool = Field(
        default=False, description="a layer's inputs are added to its outputs, from the third on"
    )


class ClassifierConfig(TaggerConfig):
    """A network that answers once, at a text's end."""

    pooling: Pooling = Field(default="last", description="how the steps' outputs become one vector")
    beside: Literal["none", "ngrams"] = Field(
        default="none",
        description="ngrams: a linear model of words, pairs of words and, with word+char, pieces "
        "of words, to whose outputs the network adds; it is trained first",
    )
    beside_buckets: Count = Field(
        default=524_288, description="how many weights the n-grams share, of each class"
    )


class WriterConfig(ModelConfig):
    """A network that writes text."""

    tied: bool = Field(
        default=True,
        description="the vectors of the tokens to write are the weights that choose them",
    )


class TranslatorConfig(ReaderConfig, WriterConfig):
    """A network that reads a text and writes another."""

    attention: Literal["additive", "multiplicative", "none"] = Field(
        default="additive", description="how the decoder looks at the source"
    )


class TrainingConfig(Strict):
    """How the network is trained."""

    epochs: Count = Field(default=20, description="epochs at most")
    batch_size: Count = Field(default=64, description="examples per batch at most")
    batch_tokens: Count = Field(
        default=8_192, description="examples per batch times its longest one's tokens, at most"
    )
    learning_rate: Positive = Field(default=2e-3, description="Adam's step size at the beginning")
    precision: Literal["float32", "bfloat16_products", "mixed_bfloat16"] = Field(
        default="float32",
        description="bfloat16_products: training's matrix products in recurrent layers are of "
        "numbers rounded to bfloat16, which new CPUs multiply faster, and all else is float32; "
        "mixed_bfloat16: all products but h's in the loops over time, and what is between layers",
    )
    memory: Literal["auto", "fast", "small"] = Field(
        default="auto",
        description="small: a third to a half of the memory of recurrent layers, and more time; "
        "auto: small where what they keep of a batch would take a quarter of what is free",
    )
    embedding_update: Literal["auto", "dense", "rows"] = Field(
        default="auto",
        description="dense: Adam moves all rows of a table of vectors; rows: only those that the "
        "batch reads, which is another rule and faster where tables are large; auto: rows of "
        "tables of more than 2 million numbers, else dense",
    )
    clip_norm: Threshold = Field(
        default=1.0, description="the global norm that the gradients are clipped to"
    )
    clip_value: Threshold | None = Field(
        default=None,
        description="what each entry of a gradient is clipped to, before the norm; default: none",
    )
    label_smoothing: Rate = Field(
        default=0.0, description="the share of the target that all classes or tokens divide"
    )
    average_decay: Rate = Field(
        default=0.0, description="the decay of a running average of the weights; 0: none"
    )
    average_last: Annotated[int, Field(ge=0, le=100, strict=True)] = Field(
        default=0,
        description="so many epochs' last weights are averaged, which validation judges and the "
        "run keeps; 0: none",
    )
    unfreeze_every: CountOrZero = Field(
        default=0,
        description="with from_run: epochs after which one more layer is trained, from the highest "
        "to the vectors; 0: all from the start",
    )
    layer_decay: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="what the learning rate is multiplied with from each layer to the one below; "
        "1: the same for all",
    )
    patience: Count = Field(default=4, description="epochs without a better score before stopping")
    plateau_patience: Count = Field(
        default=1, description="epochs without a better score before the rate is lowered"
    )
    plateau_factor: Fraction = Field(
        default=0.5, description="what the learning rate is multiplied with then"
    )
    select_by: Literal["loss"] | None = Field(
        default=None,
        description="what of validation chooses the best epoch; default: the task's own score",
    )
    save_minutes: NotNegative = Field(
        default=10.0,
        description="minutes after which training is saved inside an epoch too; 0: only after it",
    )
    target: Positive | None = Field(
        default=None, description="training stops as soon as the score reaches it; default: none"
    )

    @model_validator(mode="after")
    def _one_average(self) -> "TrainingConfig":
        if self.average_last and self.average_decay:
            raise ValueError(
                f"average_last is {self.average_last} and average_decay {self.average_decay:g}, "
                "which are two averages of the weights; set one of them to 0"
            )
        return self

    @field_validator("target")
    @classmethod
    def _no_score_is_above_1(cls, target: float | None, info: ValidationInfo) -> float | None:
        if target is not None and target > 1 and info.data.get("select_by") not in ERRORS:
            raise ValueError("input should be less than or equal to 1")
        return target

    @property
    def target_score(self) -> float | None:
        """The score that `target` stands for: an error is less than nothing, so more is better."""
        if self.target is None or self.select_by not in ERRORS:
            return self.target
        return -self.target


class WeightedTrainingConfig(TrainingConfig):
    """How a network is trained whose answers are classes, which may be rare ones."""

    class_weight: ClassWeight = Field(
        default=None,
        description="what each class counts in the loss of training: balanced, or label: weight",
    )
    calibrate: bool = Field(
        default=True,
        description="whether validation chooses a temperature at the end, by which probabilities "
        "say how often answers are right; no answer changes",
    )

    @field_validator("class_weight", mode="before")
    @classmethod
    def _weights_are_positive(cls, given: Any) -> Any:
        if given is None or given == "balanced":
            return given
        if isinstance(given, dict) and given:
            named = {_label(key): weight for key, weight in given.items()}
            if all(_is_weight(weight) for weight in named.values()):
                return named
        raise ValueError(
            "expected balanced, or a positive number for some labels, such as {spam: 5}"
        )


class ClassifierTrainingConfig(WeightedTrainingConfig):
    """How a classifier is trained; which scores there are depends on what the labels are."""

    select_by: (
        Literal[
            "accuracy", "macro_f1", "micro_f1", "exact", "r2", "spearman", "mae", "rmse", "loss"
        ]
        | None
    ) = Field(
        default=None,
        description="what of validation chooses the best epoch; default: accuracy, the micro F1 of "
        "sets, the R2 of numbers",
    )


class TaggerTrainingConfig(WeightedTrainingConfig):
    """How a tagger is trained."""

    select_by: Literal["accuracy", "macro_f1", "entity_f1", "loss"] | None = Field(
        default=None,
        description="what of validation chooses the best epoch; default: entity F1 where tags mark "
        "entities, else accuracy",
    )


class WritingTrainingConfig(TrainingConfig):
    """How a network that writes is trained."""

    sampled_tokens: CountOrZero = Field(
        default=0,
        description="tokens that the loss compares the right one with; 0: the whole vocabulary",
    )


class DecoderTrainingConfig(WritingTrainingConfig):
    """How a network that decodes is trained."""

    select_by: Literal["bleu", "chrf", "exact", "loss"] | None = Field(
        default=None,
        description="what of validation chooses the best epoch; default: the task's own score",
    )

    scheduled_sampling: Rate = Field(
        default=0.0,
        description="the share of the target's tokens that the decoder reads as it guessed them",
    )


class WritingConfig(Strict):
    """How text is written."""

    max_length: Count = Field(default=100, description="tokens to write at most")


class DecodingConfig(WritingConfig):
    """How text is searched for."""

    beam: Count = Field(default=5, description="hypotheses at once; 1: greedy")
    n_best: Count = Field(default=1, description="answers to show")
    max_n_best: Count = Field(
        default=20,
        description="answers that a request to an export may ask for at most; as many as the beam "
        "always",
    )
    length_penalty: NotNegative = Field(
        default=1.0, description="0: plain probability; more favours longer answers"
    )
    no_repeat: CountOrZero = Field(
        default=0, description="so many tokens never come twice in the same order; 0: they may"
    )
    min_length: CountOrZero = Field(default=0, description="tokens to write at least")

    @model_validator(mode="after")
    def _answers_fit_the_beam(self) -> "DecodingConfig":
        if self.n_best > self.beam:
            raise ValueError(f"n_best is {self.n_best}, but beam is {self.beam}; widen the beam")
        return self

    @model_validator(mode="after")
    def _the_least_is_less_than_the_most(self) -> "DecodingConfig":
        if self.min_length >= self.max_length:
            raise ValueError(
                f"min_length is {self.min_length}, but max_length is {self.max_length}, with the "
                "end; expected a smaller min_length"
            )
        return self
