"""One class per task: its sections, its own keys, its defaults, and what must agree.

A task's keys are those of its sections; a key that one task alone has is here, in its class. A
class becomes known to `load_config` by being defined.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from seqtasks.config.arch import Arch
from seqtasks.config.data_sections import (
    ClassifiedDataConfig,
    ImagesDataConfig,
    PairsDataConfig,
    PlainDataConfig,
    RecallDataConfig,
    TaggedDataConfig,
)
from seqtasks.config.schema import RunConfig
from seqtasks.config.sections import (
    BoundedTextConfig,
    ClassifierConfig,
    ClassifierTrainingConfig,
    DecoderTrainingConfig,
    DecodingConfig,
    DocumentTextConfig,
    ReadTextConfig,
    TaggerConfig,
    TaggerTrainingConfig,
    TextConfig,
    TranslatorConfig,
    WriterConfig,
    WritingConfig,
    WritingTrainingConfig,
)
from seqtasks.config.values import Case, Count, CountOrZero, NotNegative, Pooling, Seed, Strict

_TABLES = (
    ("FILE.tsv", "text, tab, label; no header unless a column is named"),
    ("FILE.csv", "a header with the columns text and label, or others by name; also FILE.xlsx"),
    ("FILE.jsonl", 'objects with the keys "text" and "label", or others by name'),
    ("tfds:NAME", "any text classification set of TensorFlow Datasets"),
)


def _check_writes_forwards(config: RunConfig, both_ways: bool = False) -> None:
    """Refuse what reads ahead, for a task that writes from the left to the right.

    Args:
        config: of the task.
        both_ways: whether each direction is a network of its own, of which the first writes.
    """
    arch = config.model.arch
    if Arch.parse(arch).bidirectional and not both_ways:
        raise ValueError(
            f"model.arch {arch!r} reads in both directions, but the task {config.task!r} "
            f"writes from the left to the right; use arch {arch.replace('bi', '', 1)}"
        )
    if config.text.unit == "word+char":
        raise ValueError(
            f"text.unit 'word+char' can be read but not written, which the task "
            f"{config.task!r} does; use unit word or char, or subword"
        )


def _check_beam(config: RunConfig, decoding: DecodingConfig) -> None:
    """Refuse a beam that has more hypotheses than there are tokens."""
    if decoding.beam > config.text.max_words - 4:
        raise ValueError(
            f"decoding.beam {decoding.beam} is wider than the vocabulary, "
            f"text.max_words {config.text.max_words} with 4 special tokens"
        )


def _check_pooling(model: ClassifierConfig) -> None:
    """Refuse the last output alone where the outputs of all steps are needed."""
    if model.pooling != "last":
        return
    if model.residual:
        raise ValueError(
            "model.residual needs the outputs of all steps; use pooling mean, max or attention"
        )
    if isinstance(model, DocumentModelConfig) and model.topology == "hierarchical":
        raise ValueError(
            "model.topology 'hierarchical' makes a vector of each sentence; "
            "use pooling mean, max or attention"
        )


class DocumentModelConfig(ClassifierConfig):
    """A network that classifies a text, or a document of sentences."""

    topology: Literal["flat", "hierarchical"] = Field(
        default="flat",
        description="hierarchical: words make sentences, and sentences the document",
    )

    @model_validator(mode="before")
    @classmethod
    def _a_hierarchy_attends(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("topology") == "hierarchical":
            return {"pooling": "attention", **given}
        return given


class SentimentConfig(RunConfig):
    """Sentiment: a text in, one of several classes out; any classification of texts is the same.

    >>> SentimentConfig().model.arch
    'bilstm'
    """

    class Data(ClassifiedDataConfig):
        """Where labelled texts come from."""

        source: str = "toy_sentiment"

    task: Literal["sentiment"] = "sentiment"
    data: Data = Field(default_factory=Data)
    text: DocumentTextConfig = Field(default_factory=DocumentTextConfig)
    model: DocumentModelConfig = Field(default_factory=DocumentModelConfig)
    training: ClassifierTrainingConfig = Field(default_factory=ClassifierTrainingConfig)

    SOURCES = (
        ("toy_sentiment", "reviews, English and Korean, in which word order decides"),
        *_TABLES,
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "SentimentConfig":
        _check_pooling(self.model)
        return self


class DocumentsConfig(RunConfig):
    """Documents: sentences of words in, one of several classes out."""

    class Data(ClassifiedDataConfig):
        """Where labelled documents come from."""

        source: str = "toy_documents"

    class Model(DocumentModelConfig):
        """A network that classifies a document of sentences."""

        topology: Literal["flat", "hierarchical"] = Field(
            default="hierarchical",
            description="hierarchical: words make sentences, and sentences the document",
        )
        pooling: Pooling = Field(
            default="attention", description="how the steps' outputs become one vector"
        )

        @model_validator(mode="before")
        @classmethod
        def _what_is_flat_ends_with_its_last_step(cls, given: Any) -> Any:
            if isinstance(given, dict) and given.get("topology") == "flat":
                return {"pooling": "last", **given}
            return given

    task: Literal["documents"] = "documents"
    data: Data = Field(default_factory=Data)
    text: DocumentTextConfig = Field(default_factory=DocumentTextConfig)
    model: Model = Field(default_factory=Model)
    training: ClassifierTrainingConfig = Field(default_factory=ClassifierTrainingConfig)

    SOURCES = (
        ("toy_documents", "reviews of many sentences, one of which decides"),
        *_TABLES,
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "DocumentsConfig":
        _check_pooling(self.model)
        return self


class RecallConfig(RunConfig):
    """Recall: what was said at the start is asked for after many distracting words."""

    class Model(ClassifierConfig):
        """A network that must remember."""

        arch: str = "lstm"

    task: Literal["recall"] = "recall"
    data: RecallDataConfig = Field(default_factory=RecallDataConfig)
    text: ReadTextConfig = Field(default_factory=ReadTextConfig)
    model: Model = Field(default_factory=Model)
    training: ClassifierTrainingConfig = Field(default_factory=ClassifierTrainingConfig)

    SOURCES = (
        ("toy_recall", "who was named at the start, after data.distance words"),
        ("toy_greeting", "who was greeted, after data.distance sentences, in data.language"),
        ("toy_mood", "how a day felt, after data.distance sentences, in data.language"),
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "RecallConfig":
        _check_pooling(self.model)
        return self


class TaggingConfig(RunConfig):
    """Tagging: the words of a sentence in, a tag for each out."""

    class Data(TaggedDataConfig):
        """Where tagged sentences come from."""

        source: str = "toy_tagging"

    class Text(ReadTextConfig):
        """How words become ids."""

        unit: Literal["word", "char", "word+char", "subword"] = Field(
            default="word+char",
            description="word+char: a word and how it is spelled; subword: a word by its subwords",
        )

    class Model(TaggerConfig):
        """A network that tags."""

        head: Literal["softmax", "crf"] = Field(
            default="softmax",
            description="softmax: each token's tag by itself; crf: a sentence's tags together, by "
            "which tag follows which",
        )

    class Decoding(Strict):
        """How tags are chosen."""

        constrain: bool | None = Field(
            default=None,
            description="whether tags of entities follow their scheme, such as I-PER only after "
            "B-PER or I-PER; default: where those of the training data do",
        )

    class Training(TaggerTrainingConfig):
        """How a tagger is trained."""

        epochs: Count = Field(default=10, description="epochs at most")

    task: Literal["tagging"] = "tagging"
    data: Data = Field(default_factory=Data)
    text: Text = Field(default_factory=Text)
    model: Model = Field(default_factory=Model)
    training: Training = Field(default_factory=Training)
    decoding: Decoding = Field(default_factory=Decoding)

    SOURCES = (
        ("toy_tagging", "parts of speech of the toy reviews"),
        ("FILE.conllu", "CoNLL-U; or a word and its tag a line, a blank line between sentences"),
        ("FILE.jsonl", "texts with spans, as annotation tools write them"),
        ("FILE.csv", "a header with the columns word and tag, and maybe Sentence #"),
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "TaggingConfig":
        if self.text.unit == "char":
            raise ValueError(
                "text.unit 'char' has no words to tag; use unit word or word+char, or subword"
            )
        if self.model.head == "crf":
            for key, nothing in (("class_weight", None), ("label_smoothing", 0)):
                if getattr(self.training, key) != nothing:
                    raise ValueError(
                        f"training.{key} is of each token's own loss, but model.head 'crf' learns "
                        f"all tags of a sentence together; use head softmax, or leave {key} out"
                    )
        return self


class TranslationConfig(RunConfig):
    """Translation: a text in one language in, a text in another out.

    >>> TranslationConfig().data.source
    'toy_translation'
    """

    class Data(PairsDataConfig):
        """Where pairs of texts come from."""

        source: str = "toy_translation"

    class Text(ReadTextConfig):
        """How the texts of both sides become ids."""

        target_unit: Literal["word", "char", "subword"] = Field(
            default="word", description="what a token of the target language is"
        )
        case: Case = "keep"

    class Model(TranslatorConfig):
        """A network that translates."""

        arch: str = "bigru"
        units: Count = Field(default=128, description="H, hidden units per direction")
        embedding_units: Count = Field(
            default=128, description="D, the width of a word's or character's vector"
        )

    class Training(DecoderTrainingConfig):
        """How a translator is trained."""

        label_smoothing: float = Field(
            default=0.1, ge=0, lt=1, description="the share of the target that all tokens divide"
        )

    class Decoding(DecodingConfig):
        """How translations are searched for."""

        copy_unknown: bool = Field(
            default=True,
            description="write, for an unknown word, the source's word that attention looks at, if "
            "it is a name, a number or what training copies; else write none",
        )
        coverage_penalty: NotNegative = Field(
            default=0.0,
            description="more favours answers that look at the whole source; 0: none",
        )

    task: Literal["translation"] = "translation"
    data: Data = Field(default_factory=Data)
    text: Text = Field(default_factory=Text)
    model: Model = Field(default_factory=Model)
    training: Training = Field(default_factory=Training)
    decoding: Decoding = Field(default_factory=Decoding)

    SOURCES = (
        ("toy_translation", "English to Korean, one right answer each"),
        ("FILE.tsv", "text, tab, translation; also FILE.csv and FILE.jsonl"),
        ("FILE.en,FILE.fr", "two parallel files"),
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "TranslationConfig":
        _check_beam(self, self.decoding)
        if self.decoding.coverage_penalty and self.model.attention == "none":
            raise ValueError(
                "decoding.coverage_penalty counts what attention looks at, but model.attention is "
                "'none'; use attention additive or multiplicative"
            )
        return self


class CaptioningConfig(RunConfig):
    """Captioning: an image in, the words that say what it shows out."""

    class Data(ImagesDataConfig):
        """Where images and captions come from."""

        source: str = "digits"

    class Text(BoundedTextConfig):
        """How captions become ids."""

        unit: Literal["word", "char", "word+char", "subword"] = Field(
            default="char", description="what a token is: word, char or subword"
        )
        case: Case = "keep"

    class Model(WriterConfig):
        """A network that looks at an image and writes."""

        arch: str = "gru"

    class Training(DecoderTrainingConfig):
        """How a captioner is trained."""

        epochs: Count = Field(default=40, description="epochs at most")
        patience: Count = Field(
            default=8, description="epochs without a better score before stopping"
        )

    task: Literal["captioning"] = "captioning"
    data: Data = Field(default_factory=Data)
    text: Text = Field(default_factory=Text)
    model: Model = Field(default_factory=Model)
    training: Training = Field(default_factory=Training)
    decoding: DecodingConfig = Field(default_factory=DecodingConfig)

    SOURCES = (
        ("digits", "scikit-learn's digits, spelled; also digits-ko and digits-both"),
        ("FILE.npz,FILE", "an array of images, and a caption a line"),
        ("FOLDER,FILE", "image files, and a table with the columns image and caption"),
    )
    READS_IMAGES = True

    @model_validator(mode="after")
    def _sections_agree(self) -> "CaptioningConfig":
        _check_writes_forwards(self)
        _check_beam(self, self.decoding)
        return self


class LanguageModelConfig(RunConfig):
    """Language model: a text in, at each step the next character or word out."""

    class Data(PlainDataConfig):
        """Where the text comes from."""

        source: str = "toy_text"

    class Text(TextConfig):
        """How text becomes ids."""

        unit: Literal["word", "char", "word+char", "subword"] = Field(
            default="char", description="what a token is: word, char or subword"
        )

    class Model(WriterConfig):
        """A network that says what comes next; of two directions, each by itself."""

        arch: str = "lstm"
        units: Count = Field(default=128, description="H, hidden units")

    class Training(WritingTrainingConfig):
        """How a language model is trained."""

        window: Count = Field(
            default=64,
            description="steps that gradients go back: truncated back-propagation through time",
        )

    class Decoding(WritingConfig):
        """How text is drawn."""

        temperature: NotNegative = Field(
            default=1.0, description="0: always the most probable token; more is bolder"
        )
        top_k: CountOrZero = Field(
            default=0, description="draw from so many of the most probable tokens; 0: from all"
        )
        seed: Seed = Field(default=1, description="the seed of the drawing")
        max_continuation: Count = Field(
            default=1000,
            description="tokens that a request to an export may ask for at most; max_length always",
        )
        max_prompt: Count = Field(
            default=4000,
            description="tokens of a text to go on with that are read at most, the last ones; the "
            "answer says how many are left out",
        )

    task: Literal["language_model"] = "language_model"
    data: Data = Field(default_factory=Data)
    text: Text = Field(default_factory=Text)
    model: Model = Field(default_factory=Model)
    training: Training = Field(default_factory=Training)
    decoding: Decoding = Field(default_factory=Decoding)

    SOURCES = (
        ("toy_text", "the toy reviews as one text"),
        ("FILE.txt", "any text"),
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "LanguageModelConfig":
        _check_writes_forwards(self, both_ways=self.data.lines)
        return self
