"""The whole run in one typed object: from defaults, files and options to a checked `RunConfig`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from seqtasks.arch import ARCHS, STACKED_LAYERS, Arch
from seqtasks.errors import ConfigError, did_you_mean

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, strict=True)]  # strict: true is not 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Strict):
    """Where the examples come from."""

    source: str = Field(
        default="toy_sentiment",
        description="a toy data set's name, a TSV, CSV or JSONL file, or tfds:NAME",
    )
    validation: str | None = Field(
        default=None, description="a file; else a part of the training data"
    )
    test: str | None = Field(default=None, description="a file; else a part of the training data")
    text_column: str | int | None = Field(
        default=None, description="name, or number counted from 0"
    )
    label_column: str | int | None = Field(
        default=None, description="name, or number counted from 0"
    )
    header: bool | None = Field(
        default=None, description="first row is names; default: only in CSV"
    )
    validation_fraction: Fraction = 0.1
    test_fraction: Rate = Field(default=0.1, description="0: no test data")


class TextConfig(_Strict):
    """How text becomes ids."""

    unit: Literal["word", "char", "word+char"] = "word"
    max_words: Annotated[int, Field(ge=3)] = 20_000
    max_characters: Annotated[int, Field(ge=3)] = 4_000
    min_count: Count = Field(default=1, description="rarer tokens are unknown")
    max_length: Count = Field(default=1_000, description="tokens; a longer text is cut at its end")
    max_word_length: Count = Field(
        default=24, description="characters of a word that word+char reads"
    )


class ModelConfig(_Strict):
    """The network."""

    arch: str = Field(
        default="bilstm", description="[stacked-][bi]rnn|lstm|gru", examples=["bilstm"]
    )
    layers: Count | None = Field(
        default=None, description=f"recurrent layers; default 1, for stacked archs {STACKED_LAYERS}"
    )
    units: Count = Field(default=64, description="H, hidden units per direction")
    embedding_units: Count = Field(
        default=64, description="D, width of a word's or character's vector"
    )
    character_units: Count = Field(
        default=32, description="word+char: width of the characters' part"
    )
    character_encoder: Literal["bilstm", "sum"] = "bilstm"
    token_dropout: Rate = Field(default=0.0, description="share of tokens read as unknown")
    pooling: Literal["last", "mean", "max", "attention"] = "last"
    dropout: Rate = Field(
        default=0.2, description="on every layer's inputs, one mask for all steps"
    )
    weight_drop: Rate = Field(default=0.0, description="on W_h, one mask per batch")
    output_dropout: Rate = Field(default=0.2, description="before the classes")
    residual: bool = Field(default=False, description="from the third layer on")

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
        if self.residual and self.pooling == "last":
            raise ValueError(
                "residual needs the outputs of all steps; use pooling mean, max or attention"
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
    learning_rate: Positive = 2e-3
    clip_norm: Positive = Field(default=1.0, description="global norm of gradients")
    label_smoothing: Rate = 0.0
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


class RunConfig(_Strict):
    """Everything a run depends on, besides the data themselves."""

    task: Literal["sentiment"] = "sentiment"
    name: str | None = Field(
        default=None, description="of the run, a folder's name; default: data set and arch"
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    data: DataConfig = Field(default_factory=DataConfig)
    text: TextConfig = Field(default_factory=TextConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)

    @field_validator("name")
    @classmethod
    def _name_is_of_one_folder(cls, name: str | None) -> str | None:
        if name is not None and (name in ("", ".", "..") or set(name) & set("/\\\0")):
            raise ValueError("a name is that of one folder, without slashes")
        return name

    def to_yaml(self) -> str:
        """Write the resolved configuration, every default spelled out."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


def load_config(
    files: tuple[Path, ...] = (),
    assignments: tuple[str, ...] = (),
    options: dict[str, Any] | None = None,
) -> RunConfig:
    """Merge defaults, files (later ones win), `key=value` assignments and options, in this order.

    Arguments:
        files: YAML files that hold any part of a `RunConfig`.
        assignments: such as "model.units=128"; the value is read as YAML.
        options: dotted keys and values; None means not given.

    Raises:
        ConfigError: a file that can't be read or isn't YAML, an unknown key (with the nearest known
            one), an impossible value; names the file or option it came from.

    >>> load_config(assignments=("model.units=128",)).model.units
    128
    >>> load_config(assignments=("model.unit=128",))
    Traceback (most recent call last):
        ...
    seqtasks.errors.ConfigError: --set model.unit: unknown key 'unit' (did you mean 'units'?)
    """
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    for path in files:
        _merge(merged, _read_yaml(path), str(path), origin)
    for assignment in assignments:
        key, value = _parse_assignment(assignment)
        _merge(merged, _nested(key, value), "--set", origin)
    for key, value in (options or {}).items():
        if value is not None:
            _merge(merged, _nested(key, value), f"--{key.split('.')[-1]}", origin)
    try:
        return RunConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(e, origin) for e in error.errors())) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't read the configuration: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML: {problem}") from None
    if content is None:
        raise ConfigError(f"{path}: the file is empty; expected keys such as 'model:'")
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, received {type(content).__name__}")
    return content


def _parse_assignment(assignment: str) -> tuple[str, Any]:
    key, equals, value = assignment.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {assignment}: expected key=value, such as model.units=128")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {assignment}: the value isn't YAML") from None


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _merge(
    into: dict[str, Any],
    new: dict[str, Any],
    source: str,
    origin: dict[tuple[str, ...], str],
    path: tuple[str, ...] = (),
) -> None:
    """Merge `new` into `into`, noting for each path which source set it last."""
    for key, value in new.items():
        here = (*path, str(key))
        origin[here] = source
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, source, origin, here)
        elif isinstance(value, dict):
            into[key] = {}
            _merge(into[key], value, source, origin, here)
        else:
            into[key] = value


def _explain(error: Any, origin: dict[tuple[str, ...], str]) -> str:
    """One line for one of pydantic's errors: where, which key, what was wrong."""
    location = tuple(str(part) for part in error["loc"] if str(part) not in ("str", "int"))
    source = next(
        (origin[location[:n]] for n in range(len(location), 0, -1) if location[:n] in origin),
        "configuration",
    )
    where = f"{source} {'.'.join(location)}" if source == "--set" else source
    dotted = "" if source.startswith("--") else f"{'.'.join(location)}: "
    if error["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        return f"{where}: {dotted}unknown key {location[-1]!r}{did_you_mean(location[-1], known)}"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    received = error["input"]
    if error["type"] == "model_type":
        message = f"expected keys, such as {', '.join(_fields_at(location)[:3])}"
    if isinstance(received, dict):
        return f"{where}: {dotted}{message}"
    return f"{where}: {dotted}{message}; received {received!r}"


def _fields_at(path: tuple[str, ...]) -> list[str]:
    model: Any = RunConfig
    for part in path:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
