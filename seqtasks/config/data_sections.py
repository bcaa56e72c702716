"""The sections that say where the data come from: a class for each form of examples."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from seqtasks.config.values import Count, Fraction, Rate, Strict


class DataConfig(Strict):
    """Where the examples come from; a subclass for each form that they may have."""

    source: str = Field(description="a toy data set's name, a file of the task's format, or more")
    validation: str | None = Field(
        default=None, description="a file; by default a part of the training data"
    )
    test: str | None = Field(
        default=None, description="a file; by default a part of the training data"
    )
    validation_fraction: Fraction = Field(
        default=0.1, description="the share of the training data that validation takes"
    )
    test_fraction: Rate = Field(
        default=0.1, description="the share of the training data that the test takes; 0: none"
    )

    @field_validator("source", "validation", "test")
    @classmethod
    def _has_a_name(cls, given: str | None) -> str | None:
        if given is not None and not given.strip():
            raise ValueError("is empty; expected a file, or what `seqtasks data list` names")
        return given

    @model_validator(mode="after")
    def _something_is_left_to_train(self) -> "DataConfig":
        cut = self.validation is None and self.test is None
        if cut and self.validation_fraction + self.test_fraction >= 1:
            raise ValueError(
                "validation_fraction and test_fraction leave nothing to train: "
                f"{self.validation_fraction:g} and {self.test_fraction:g}; expected less than 1 "
                "together"
            )
        return self


class TableDataConfig(DataConfig):
    """Where examples come from that stand in rows."""

    header: bool | None = Field(
        default=None,
        description="whether the first row names the columns; by default only in CSV and Excel",
    )
    delimiter: Literal["tab", "comma", "semicolon", "pipe"] | None = Field(
        default=None,
        description="what stands between columns; by default it is seen in the first rows",
    )
    comment: str | None = Field(
        default=None,
        min_length=1,
        description="what a line begins with that is skipped; by default it is seen in files of "
        "tokens, and elsewhere nothing is skipped",
    )
    on_error: Literal["stop", "skip"] = Field(
        default="stop",
        description="what to do about rows that can't be used: stop and list them, or skip and "
        "count them",
    )

    @field_validator("delimiter", mode="before")
    @classmethod
    def _a_sign_is_its_name(cls, given: Any) -> Any:
        signs = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
        return signs.get(given, given) if isinstance(given, str) else given


class LabelledDataConfig(TableDataConfig):
    """Where labelled texts come from."""

    text_column: str | int | None = Field(
        default=None, description="the text's column: a name, or a number from 0"
    )
    label_column: str | int | None = Field(
        default=None, description="the label's column: a name, or a number from 0"
    )


class ClassifiedDataConfig(LabelledDataConfig):
    """Where labelled texts come from, and what their labels are."""

    labels: Literal["auto", "category", "set", "number"] = Field(
        default="auto",
        description="what a label is: a category, a set of several, or a number; auto: as it looks",
    )
    threshold: Fraction = Field(
        default=0.5, description="labels of a set that are at least so probable are given"
    )


class PairsDataConfig(TableDataConfig):
    """Where pairs of texts come from."""

    text_column: str | int | None = Field(
        default=None, description="the source's column: a name, or a number from 0"
    )
    label_column: str | int | None = Field(
        default=None, description="the target's column: a name, or a number from 0"
    )


class TaggedDataConfig(TableDataConfig):
    """Where tagged sentences come from."""

    tag_column: str | int | None = Field(
        default=None,
        description="a column of CoNLL-U or of a header by its name, or a number from 0; by "
        "default upos, tag or the like, or the last one",
    )
    token_column: str | int | None = Field(
        default=None,
        description="the tokens' column, likewise; by default form, token or the like, or 0",
    )
    sentence_column: str | int | None = Field(
        default=None,
        description="the column that tells sentences apart, beside blank lines: it changes, or is "
        "not blank, where one begins; by default `Sentence #` or the like",
    )


class ImagesDataConfig(TableDataConfig):
    """Where images and their captions come from."""

    image_key: str | None = Field(
        default=None,
        description="which array of the .npz holds the images, where it has several",
    )
    image_size: Count | None = Field(
        default=None,
        description="height and width to which the images of a folder are resized; by default "
        "they stay as they are, all of one size",
    )


class PlainDataConfig(DataConfig):
    """Where a text without labels comes from."""

    lines: bool = Field(
        default=False,
        description="each line is a text of its own, read as other tasks read theirs, in small "
        "letters from its start to its end: what a classifier can begin with (`train --from`)",
    )


STORIES = ("toy_greeting", "toy_mood")  # what `recall` makes besides toy_recall
_SENTENCES = 10  # in between, where a story's configuration doesn't say


class RecallDataConfig(DataConfig):
    """How examples of long-term memory are made.

    >>> RecallDataConfig().distance, RecallDataConfig(source="toy_mood").distance
    (100, 10)
    """

    source: str = "toy_recall"
    distance: Count = Field(
        default=100,
        description="T, what is between what is said and what is asked: words, by default 100; of "
        "the stories toy_greeting and toy_mood sentences, by default 10",
    )
    examples: Count = Field(default=4_000, description="how many are made to train on")
    language: Literal["en", "ko"] = Field(
        default="en", description="the language of a story: en or ko; toy_recall has en only"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_story_counts_sentences(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("source") in STORIES:
            return {"distance": _SENTENCES, **given}
        return given
