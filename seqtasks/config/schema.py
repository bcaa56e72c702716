"""The whole configuration of a run, abstract: a task's own is in `seqtasks.config.tasks`."""

from typing import Annotated, Any, ClassVar, Union

import yaml
from pydantic import Field, TypeAdapter, field_validator, model_validator

from seqtasks.config.data_sections import DataConfig
from seqtasks.config.sections import ModelConfig, TextConfig, TrainingConfig
from seqtasks.config.sweep import SECTION
from seqtasks.config.sweep import json_schema as sweep_schema
from seqtasks.config.values import Seed, Strict

CONFIGS: dict[str, type["RunConfig"]] = {}
"""The configurations that there are, by task, in the order of their definition."""


class RunConfig(Strict):
    """Everything a run depends on, besides the data themselves.

    Abstract: a task has a subclass, whose `task` is a `Literal` of its name and whose sections may
    have more keys and other defaults. Defining it makes it known, by that name.

    Attributes:
        SOURCES: what the task takes as `data.source`, with what each is, for `seqtasks data list`.
        READS_IMAGES: whether what is answered is an image, and not a text.
    """

    SOURCES: ClassVar[tuple[tuple[str, str], ...]] = ()
    READS_IMAGES: ClassVar[bool] = False

    task: str = Field(description="what is learnt")
    name: str | None = Field(
        default=None, description="the run's name, a folder's; by default data set and arch"
    )
    seed: Seed = Field(default=1, description="the seed of weights, batches, dropout and splits")
    from_run: str | None = Field(
        default=None,
        description="a run whose weights training begins from, as far as they fit; see `train "
        "--from`",
    )
    from_digest: str | None = Field(
        default=None, description="the checksum of those weights, which training writes here"
    )
    data: DataConfig
    text: TextConfig = Field(default_factory=TextConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        CONFIGS[cls.model_fields["task"].default] = cls

    @field_validator("name")
    @classmethod
    def _name_is_of_one_folder(cls, name: str | None) -> str | None:
        if name is not None and (name in ("", ".", "..") or set(name) & set("/\\\0")):
            raise ValueError("a name is that of one folder, without slashes")
        return name

    @model_validator(mode="after")
    def _something_is_there_to_unfreeze(self) -> "RunConfig":
        if self.training.unfreeze_every and self.from_run is None:
            raise ValueError(
                "training.unfreeze_every keeps the layers of another run as they are at first, but "
                "there is none; give one with --from RUN, or leave it out"
            )
        return self

    def to_yaml(self) -> str:
        """Write the resolved configuration, every default of the task spelled out."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    def to_dict(self) -> dict[str, Any]:
        """All keys that the task looks at, with their values."""
        return self.model_dump(mode="json")  # lists, as YAML has them, and no tuples


def json_schema() -> dict[str, Any]:
    """The JSON schema of all tasks' configuration files, told apart by `task`."""
    union: Any = Union[tuple(CONFIGS.values())]  # noqa: UP007, of classes known at run time only
    schema = TypeAdapter(Annotated[union, Field(discriminator="task")]).json_schema()
    for place in schema["discriminator"]["mapping"].values():
        schema["$defs"][place.rsplit("/", 1)[1]]["properties"][SECTION] = sweep_schema()
    return schema


def tasks_of(section: str, key: str) -> list[str]:
    """The tasks whose configuration has a key.

    >>> tasks_of("model", "attention")
    ['translation']
    """
    found = []
    for task, config in CONFIGS.items():
        field = config.model_fields.get(section)
        annotation: Any = field and field.annotation
        if key in getattr(annotation, "model_fields", ()):
            found.append(task)
    return found
