"""The stories of two pages as TFDS builders: `toy_greeting` and `toy_mood`, by language and length.

The task `recall` makes the same stories by itself, from its own seed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from seqtasks.data.readers import LabelledTexts
from seqtasks.toys.base import Features, ToyBuilder
from seqtasks.toys.stories import LANGUAGES, STORIES, load_stories

SEED = 1
SIZES = {"train": 4000, "validation": 400, "test": 400}
DISTANCE = 10


@dataclass(kw_only=True)
class StoryConfig(tfds.core.BuilderConfig):
    """Which stories.

    Attributes:
        language: en or ko.
        distance: sentences between the opening and the blank; in training 1 to so many.

    >>> StoryConfig(language="ko", distance=3).name
    'ko-distance3'
    """

    name: str = ""
    language: str = "en"
    distance: int = DISTANCE

    def __post_init__(self) -> None:
        self.name = self.name or f"{self.language}-distance{self.distance}"


class ToyStories(ToyBuilder):
    """What both sets share; abstract, for the name of a set is that of its class."""

    SIZES = SIZES
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": f"4,800 stories from seed {SEED}."}
    BUILDER_CONFIGS: ClassVar[list[StoryConfig]] = [StoryConfig(language=one) for one in LANGUAGES]

    @classmethod
    @abstractmethod
    def about(cls) -> str:
        """What is told, and what decides."""

    def _info(self) -> tfds.core.DatasetInfo:
        answers, _ = STORIES[self.name]
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"Stories with a blank, in English or Korean. {self.about()}",
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=list(answers[self._story.language])),
                }
            ),
            supervised_keys=("text", "label"),
        )

    @property
    def _story(self) -> StoryConfig:
        config = self.builder_config
        if not isinstance(config, StoryConfig):
            raise TypeError(f"{self.name}: expected a StoryConfig, received {config!r}")
        return config

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        examples = _examples(self.name, self._story)
        return {split: self._generate_examples(examples[split]) for split in self.SIZES}

    @classmethod
    def split_examples(cls) -> dict[str, Iterable[Features]]:
        """The stories of the first of `BUILDER_CONFIGS`."""
        return _examples(cls.name, cls.BUILDER_CONFIGS[0])


def _examples(name: str, story: StoryConfig) -> dict[str, Iterable[Features]]:
    splits = load_stories(name, story.language, story.distance, SEED, **SIZES)
    return {split: _features(part) for split, part in splits.parts().items()}


def _features(part: LabelledTexts) -> Iterator[Features]:
    for text, label in zip(part.texts, part.labels, strict=True):
        yield {"text": text, "label": label}


class ToyGreeting(ToyStories):
    """TFDS builder `toy_greeting`: `text`, and `label`, the name that belongs in its blank.

    `ToyGreeting(config="ko-distance10")`; other lengths by
    `ToyGreeting(config=StoryConfig(language="ko", distance=30))`.
    """

    @classmethod
    def about(cls) -> str:
        """What is told, and what decides."""
        return "Somebody is greeted; who it was, only the first sentence says. After page 000."


class ToyMood(ToyStories):
    """TFDS builder `toy_mood`: `text`, and `label`, the mood that belongs in its blank.

    Configurations as those of `ToyGreeting`.
    """

    @classmethod
    def about(cls) -> str:
        """What is told, and what decides."""
        return "A day's mood is what the animal met in its first sentence makes it. After page 003."
