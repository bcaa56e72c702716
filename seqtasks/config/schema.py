"""The configuration's keys: types, limits, defaults, and the tasks that each is for."""

from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from seqtasks.arch import ARCHS, STACKED_LAYERS, Arch
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
_CLASSIFYING = ("sentiment", "documents", "recall")
_DECODING = ("translation", "captioning")
_WRITING = (*_DECODING, "language_model")
_READING = (*_CLASSIFYING, "tagging", "translation")


def _for(*tasks: str) -> dict[str, Any]:
    """Mark a field as one that only these tasks look at."""
    return {"tasks": list(tasks)}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Strict):
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


class TextConfig(_Strict):
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
        json_schema_extra=_for(*_READING, "captioning"),
    )
    max_word_length: Count = Field(
        default=24,
        description="characters of a word that word+char reads",
        json_schema_extra=_for(*_READING),
    )
    max_sentences: Count = Field(
        default=5_000,
        description="of a document, for topology hierarchical; more are cut off",
        json_schema_extra=_for("sentiment", "documents"),
    )


class ModelConfig(_Strict):
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
        json_schema_extra=_for(*_READING),
    )
    character_encoder: Literal["bilstm", "sum"] = Field(
        default="bilstm", json_schema_extra=_for(*_READING)
    )
    token_dropout: Rate = Field(
        default=0.0,
        description="share of tokens read as unknown",
        json_schema_extra=_for(*_READING),
    )
    pooling: Literal["last", "mean", "max", "attention"] = Field(
        default="last", json_schema_extra=_for(*_CLASSIFYING)
    )
    attention: Literal["additive", "multiplicative", "none"] = Field(
        default="additive",
        description="how the decoder looks at the source",
        json_schema_extra=_for("translation"),
    )
    tied: bool = Field(
        default=True,
        description="the vectors of the tokens to write are the weights that choose them",
        json_schema_extra=_for(*_WRITING),
    )
    dropout: Rate = Field(
        default=0.2, description="on every layer's inputs, one mask for all steps"
    )
    weight_drop: Rate = Field(default=0.0, description="on W_h, one mask per batch")
    output_dropout: Rate = Field(default=0.2, description="before the classes or tokens")
    residual: bool = Field(
        default=False,
        description="from the third layer on",
        json_schema_extra=_for(*_CLASSIFYING, "tagging"),
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


class TrainingConfig(_Strict):
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
    clip_norm: Positive = Field(default=1.0, description="global norm of gradients")
    clip_value: Positive | None = Field(
        default=None, description="each entry of a gradient, before the norm; default: none"
    )
    label_smoothing: Rate = 0.0
    sampled_tokens: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="tokens that the loss compares the right one with; 0: the whole vocabulary",
        json_schema_extra=_for(*_WRITING),
    )
    scheduled_sampling: Rate = Field(
        default=0.0,
        description="share of the target's tokens that the decoder reads from its own guesses",
        json_schema_extra=_for(*_DECODING),
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


class DecodingConfig(_Strict):
    """How text is written."""

    beam: Count = Field(
        default=5,
        description="hypotheses at once; 1: greedy",
        json_schema_extra=_for(*_DECODING),
    )
    n_best: Count = Field(
        default=1, description="answers to show", json_schema_extra=_for(*_DECODING)
    )
    length_penalty: NotNegative = Field(
        default=1.0,
        description="0: plain probability; more favours longer answers",
        json_schema_extra=_for(*_DECODING),
    )
    max_length: Count = Field(
        default=100, description="tokens to write at most", json_schema_extra=_for(*_WRITING)
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


# What differs from the fields' own defaults, by task.
_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "tagging": {
        "data": {"source": "toy_tagging"},
        "text": {"unit": "word+char"},
        "training": {"epochs": 10},
    },
    "translation": {
        "data": {"source": "toy_translation"},
        "model": {"arch": "bigru", "units": 128, "embedding_units": 128},
        "training": {"label_smoothing": 0.1},
    },
    "captioning": {
        "data": {"source": "digits"},
        "text": {"unit": "char"},
        "model": {"arch": "gru"},
        "training": {"epochs": 40, "patience": 8},
    },
    "documents": {
        "data": {"source": "toy_documents"},
        "model": {"topology": "hierarchical"},
    },
    "language_model": {
        "data": {"source": "toy_text"},
        "text": {"unit": "char"},
        "model": {"arch": "lstm", "units": 128},
    },
    "recall": {
        "data": {"source": "toy_recall"},
        "model": {"arch": "lstm"},
    },
}


class RunConfig(_Strict):
    """Everything a run depends on, besides the data themselves.

    >>> RunConfig(task="translation").data.source
    'toy_translation'
    """

    task: Literal[TASKS] = "sentiment"  # pyright: ignore[reportInvalidTypeForm]
    name: str | None = Field(
        default=None, description="of the run, a folder's name; default: data set and arch"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: DataConfig = Field(default_factory=DataConfig)
    text: TextConfig = Field(default_factory=TextConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    decoding: DecodingConfig = Field(default_factory=DecodingConfig)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_task_s_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("task", ""), str):
            return given
        filled = dict(given)
        for section, defaults in _DEFAULTS.get(given.get("task", ""), {}).items():
            options = given.get(section, {})
            if isinstance(options, dict):
                filled[section] = {**defaults, **options}
        model = filled.get("model")
        if isinstance(model, dict) and model.get("topology") == "hierarchical":
            filled["model"] = {"pooling": "attention", **model}
        return filled

    @field_validator("name")
    @classmethod
    def _name_is_of_one_folder(cls, name: str | None) -> str | None:
        if name is not None and (name in ("", ".", "..") or set(name) & set("/\\\0")):
            raise ValueError("a name is that of one folder, without slashes")
        return name

    @model_validator(mode="after")
    def _sections_agree(self) -> "RunConfig":
        arch, unit = self.model.arch, self.text.unit
        if self.task in ("captioning", "language_model"):
            if Arch.parse(arch).bidirectional:
                raise ValueError(
                    f"model.arch {arch!r} reads in both directions, but the task {self.task!r} "
                    f"writes from the left to the right; use arch {arch.replace('bi', '', 1)}"
                )
            if unit == "word+char":
                raise ValueError(
                    f"text.unit 'word+char' can be read but not written, which the task "
                    f"{self.task!r} does; use unit word or char"
                )
        if self.task == "tagging" and unit == "char":
            raise ValueError("text.unit 'char' has no words to tag; use unit word or word+char")
        if self.model.residual and self.task in _CLASSIFYING and self.model.pooling == "last":
            raise ValueError(
                "model.residual needs the outputs of all steps; use pooling mean, max or attention"
            )
        if self.model.topology == "hierarchical" and self.model.pooling == "last":
            raise ValueError(
                "model.topology 'hierarchical' makes a vector of each sentence; "
                "use pooling mean, max or attention"
            )
        if self.task in _DECODING and self.decoding.beam > self.text.max_words - 4:
            raise ValueError(
                f"decoding.beam {self.decoding.beam} is wider than the vocabulary, "
                f"text.max_words {self.text.max_words} with 4 special tokens"
            )
        return self

    def to_yaml(self) -> str:
        """Write the resolved configuration, every default of the task spelled out."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def to_dict(self) -> dict[str, Any]:
        """All keys that the task looks at, with their values."""
        dumped = self.model_dump()
        for section, options in dumped.items():
            if isinstance(options, dict):
                kept = {key: v for key, v in options.items() if is_for(self.task, section, key)}
                dumped[section] = kept
        return {key: value for key, value in dumped.items() if value != {}}


def tasks_of(section: str, key: str) -> list[str]:
    """The tasks that look at an option; all, where nothing else is said.

    >>> tasks_of("model", "attention")
    ['translation']
    """
    annotation: Any = RunConfig.model_fields[section].annotation
    extra: Any = annotation.model_fields[key].json_schema_extra
    return extra["tasks"] if extra else list(TASKS)


def is_for(task: str, section: str, key: str) -> bool:
    """Whether a task looks at an option."""
    return task in tasks_of(section, key)
