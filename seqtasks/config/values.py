"""What values of the configuration may be: numbers of float32, rates, counts, names."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)


def _no_truth(given: Any) -> Any:
    """Refuse what YAML makes of yes and no, which Python takes for 1 and 0."""
    if isinstance(given, bool):
        raise ValueError("input should be a number")
    return given


def _in_float32(number: float) -> float:
    """Refuse what a network would compute with as infinity, or as 0."""
    if number and not SMALLEST <= number <= LARGEST:
        raise ValueError(f"input should be a number of float32, {SMALLEST:g} to {LARGEST:g}")
    return number


LARGEST, SMALLEST = 3e38, 1.2e-38
Number = Annotated[float, BeforeValidator(_no_truth)]
Positive = Annotated[Number, Field(gt=0, allow_inf_nan=False), AfterValidator(_in_float32)]
NotNegative = Annotated[Number, Field(ge=0, allow_inf_nan=False), AfterValidator(_in_float32)]
Rate = Annotated[Number, Field(ge=0, lt=1)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, lt=2**31, strict=True)]  # strict: true is not 1
CountOrZero = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Size = Annotated[int, Field(ge=5, strict=True)]  # of a vocabulary
# Beyond these its inverse or its square is 0 in float32, and so is each gradient clipped to it.
Threshold = Annotated[Number, Field(gt=0, ge=1e-18, le=1e37)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Case = Annotated[
    Literal["lower", "keep", "restore"],
    Field(
        description="capitals of what is written: keep makes them part of the words; restore "
        "writes each word as training texts do most often; both begin sentences with one where "
        "these do; lower: none"
    ),
]
Pooling = Literal["last", "mean", "max", "attention"]
ClassWeight = Literal["balanced"] | dict[str, Positive] | None
Feature = Literal["shape", "prefix", "suffix", "left_bigram", "right_bigram"]
ERRORS = ("loss", "mae", "rmse")  # what `training.select_by` may name of which less is better


class Strict(BaseModel):
    """A section that refuses unknown keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
