"""The sections of the configuration: types, limits, defaults, and the tasks each key is for."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from seqtasks.config.arch import ARCHS, STACKED_LAYERS, Arch
from seqtasks.errors import did_you_mean

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, strict=True)]  # strict: true is not 1

TASKS = (
    "sentiment",
    "tagging",
    "translation",
    "captioning",
    "documents",
    "language_model",
    "recall",
)
CLASSIFYING = ("sentiment", "documents", "recall")
DECODING = ("translation", "captioning")
WRITING = (*DECODING, "language_model")
READING = (*CLASSIFYING, "tagging", "translation")


def _for(*tasks: str) -> dict[str, Any]:
    """Mark a field as one that only these tasks look at."""
    return {"tasks": list(tasks)}


class Strict(BaseModel):
    """A section that refuses unknown keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Strict):
    """Where the examples come from."""

    source: str = Field(
        default="toy_sentiment",
        description="a toy data set's name, a file of the task's format, or tfds:NAME",
    )
    validation: str | None = Field(
        default=None, description="a file; else a part of the training data"
    )
    test: str | None = Field(default=None, description="a file; else a part of the training data")
    text_column: str | int | None = Field(
        default=None,
        description="name, or number counted from 0; of a translation the source's",
        json_schema_extra=_for("sentiment", "documents", "translation"),
    )
    label_column: str | int | None = Field(
        default=None,
        description="name, or number counted from 0; of a translation the target's",
        json_schema_extra=_for("sentiment", "documents", "translation"),
    )
    header: bool | None = Field(
        default=None,
        description="first row is names; default: only in CSV",
        json_schema_extra=_for("sentiment", "documents", "translation"),
    )
    tag_column: str | int | None = Field(
        default=None,
        description="CoNLL-U's name of the column, or number counted from 0; default upos, or last",
        json_schema_extra=_for("tagging"),
    )
    image_key: str | None = Field(
        default=None,
        description="which array of the .npz holds the images, where it has several",
        json_schema_extra=_for("captioning"),
    )
    distance: Count = Field(
        default=100,
        description="T, distracting steps between what is said and what is asked",
        json_schema_extra=_for("recall"),
    )
    validation_fraction: Fraction = 0.1
    test_fraction: Rate = Field(default=0.1, description="0: no test data")


class TextConfig(Strict):
    """How text becomes ids."""

    unit: Literal["word", "char", "word+char"] = "word"
    target_unit: Literal["word", "char"] = Field(
        default="word", description="of the target language", json_schema_extra=_for("translation")
    )
    max_words: Annotated[int, Field(ge=5)] = 20_000
    max_characters: Annotated[int, Field(ge=5)] = 4_000
    min_count: Count = Field(default=1, description="rarer tokens are unknown")
    max_length: Count = Field(
        default=1_000,
        description="tokens; a longer text is cut at its end",
        json_schema_extra=_for(*READING, "captioning"),
    )
    max_word_length: Count = Field(
        default=24,
        description="characters of a word that word+char reads",
        json_schema_extra=_for(*READING),
    )
    max_sentences: Count = Field(
        default=5_000,
        description="of a document, for topology hierarchical; more are cut off",
        json_schema_extra=_for("sentiment", "documents"),
    )


class ModelConfig(Strict):
    """The network."""

    arch: str = Field(
        default="bilstm", description="[stacked-][bi]rnn|lstm|gru", examples=["bilstm"]
    )
    layers: Count | None = Field(
        default=None, description=f"recurrent layers; default 1, for stacked archs {STACKED_LAYERS}"
    )
    topology: Literal["flat", "hierarchical"] = Field(
        default="flat",
        description="hierarchical: words make sentences, and sentences the document",
        json_schema_extra=_for("sentiment", "documents"),
    )
    units: Count = Field(default=64, description="H, hidden units per direction")
    embedding_units: Count = Field(
        default=64, description="D, width of a word's or character's vector"
    )
    character_units: Count = Field(
        default=32,
        description="word+char: width of the characters' part",
        json_schema_extra=_for(*READING),
    )
    character_encoder: Literal["bilstm", "sum"] = Field(
        default="bilstm", json_schema_extra=_for(*READING)
    )
    token_dropout: Rate = Field(
        default=0.0,
        description="share of tokens read as unknown",
        json_schema_extra=_for(*READING),
    )
    pooling: Literal["last", "mean", "max", "attention"] = Field(
        default="last", json_schema_extra=_for(*CLASSIFYING)
    )
    attention: Literal["additive", "multiplicative", "none"] = Field(
        default="additive",
        description="how the decoder looks at the source",
        json_schema_extra=_for("translation"),
    )
    tied: bool = Field(
        default=True,
        description="the vectors of the tokens to write are the weights that choose them",
        json_schema_extra=_for(*WRITING),
    )
    dropout: Rate = Field(
        default=0.2, description="on every layer's inputs, one mask for all steps"
    )
    weight_drop: Rate = Field(default=0.0, description="on W_h, one mask per batch")
    output_dropout: Rate = Field(default=0.2, description="before the classes or tokens")
    residual: bool = Field(
        default=False,
        description="from the third layer on",
        json_schema_extra=_for(*CLASSIFYING, "tagging"),
    )

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

    @model_validator(mode="after")
    def _fields_agree(self) -> "ModelConfig":
        if self.character_encoder == "bilstm" and self.character_units % 2:
            raise ValueError(
                f"character_units must be even for character_encoder bilstm, half for each "
                f"direction; received {self.character_units}"
            )
        return self

    @property
    def depth(self) -> int:
        """How many recurrent layers there are."""
        return self.layers or (STACKED_LAYERS if Arch.parse(self.arch).stacked else 1)


class TrainingConfig(Strict):
    """How the network is taught."""

    epochs: Count = 20
    batch_size: Count = Field(default=64, description="examples per batch at most")
    batch_tokens: Count = Field(default=8_192, description="examples times longest example at most")
    window: Count = Field(
        default=64,
        description="steps that gradients go back: truncated back-propagation through time",
        json_schema_extra=_for("language_model"),
    )
    learning_rate: Positive = 2e-3
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32",
        description="of matrix products outside the loops over time; the rest is float32",
    )
    clip_norm: Positive = Field(default=1.0, description="global norm of gradients")
    clip_value: Positive | None = Field(
        default=None, description="each entry of a gradient, before the norm; default: none"
    )
    label_smoothing: Rate = 0.0
    sampled_tokens: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="tokens that the loss compares the right one with; 0: the whole vocabulary",
        json_schema_extra=_for(*WRITING),
    )
    scheduled_sampling: Rate = Field(
        default=0.0,
        description="share of the target's tokens that the decoder reads from its own guesses",
        json_schema_extra=_for(*DECODING),
    )
    average_decay: Rate = Field(
        default=0.0, description="of a running average of the weights; 0: none"
    )
    patience: Count = Field(default=4, description="epochs without a better score before stopping")
    plateau_patience: Count = Field(default=1, description="such epochs before the rate is lowered")
    plateau_factor: Fraction = Field(
        default=0.5, description="what the learning rate is multiplied with"
    )
    target: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="stop as soon as the score reaches it"
    )


class DecodingConfig(Strict):
    """How text is written."""

    beam: Count = Field(
        default=5,
        description="hypotheses at once; 1: greedy",
        json_schema_extra=_for(*DECODING),
    )
    n_best: Count = Field(
        default=1, description="answers to show", json_schema_extra=_for(*DECODING)
    )
    length_penalty: NotNegative = Field(
        default=1.0,
        description="0: plain probability; more favours longer answers",
        json_schema_extra=_for(*DECODING),
    )
    max_length: Count = Field(
        default=100, description="tokens to write at most", json_schema_extra=_for(*WRITING)
    )
    copy_unknown: bool = Field(
        default=True,
        description="write the source's word that attention looks at for an unknown word",
        json_schema_extra=_for("translation"),
    )
    temperature: NotNegative = Field(
        default=1.0,
        description="0: always the likeliest token; more is bolder",
        json_schema_extra=_for("language_model"),
    )
    top_k: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="draw from so many of the likeliest tokens; 0: from all",
        json_schema_extra=_for("language_model"),
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        default=1, description="of the drawing", json_schema_extra=_for("language_model")
    )

    @model_validator(mode="after")
    def _answers_fit_the_beam(self) -> "DecodingConfig":
        if self.n_best > self.beam:
            raise ValueError(f"n_best is {self.n_best}, but beam is {self.beam}; widen the beam")
        return self
