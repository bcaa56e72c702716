"""The whole configuration: its sections, what each task begins with, and what must agree."""

from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from seqtasks.config.arch import Arch
from seqtasks.config.sections import (
    CLASSIFYING,
    DECODING,
    TASKS,
    DataConfig,
    DecodingConfig,
    ModelConfig,
    Strict,
    TextConfig,
    TrainingConfig,
)

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


class RunConfig(Strict):
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
        if self.model.residual and self.task in CLASSIFYING and self.model.pooling == "last":
            raise ValueError(
                "model.residual needs the outputs of all steps; use pooling mean, max or attention"
            )
        if self.model.topology == "hierarchical" and self.model.pooling == "last":
            raise ValueError(
                "model.topology 'hierarchical' makes a vector of each sentence; "
                "use pooling mean, max or attention"
            )
        if self.task in DECODING and self.decoding.beam > self.text.max_words - 4:
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
