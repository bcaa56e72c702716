"""The whole run in one typed object, a class per task, and how files and options become one.

arch      the names of recurrent stacks
sections  what several tasks share: types, limits and defaults
schema    the run, abstract; which configurations there are
tasks     a class per task, with its own keys and defaults
shipped   the files of `configs/`, found by their names
loading   files, assignments and options merged into one of them
sweep     which values of which keys a search may try
"""

from seqtasks.config.data_sections import (
    ClassifiedDataConfig,
    DataConfig,
    ImagesDataConfig,
    LabelledDataConfig,
    PairsDataConfig,
    PlainDataConfig,
    RecallDataConfig,
    TableDataConfig,
    TaggedDataConfig,
)
from seqtasks.config.loading import load_config, load_space, parse_config
from seqtasks.config.schema import CONFIGS, RunConfig
from seqtasks.config.sections import (
    BoundedTextConfig,
    ClassifierConfig,
    ClassifierTrainingConfig,
    DecodingConfig,
    ModelConfig,
    ReaderConfig,
    ReadTextConfig,
    TaggerConfig,
    TaggerTrainingConfig,
    TextConfig,
    TrainingConfig,
    TranslatorConfig,
    WriterConfig,
)
from seqtasks.config.tasks import (
    CaptioningConfig,
    DocumentsConfig,
    LanguageModelConfig,
    RecallConfig,
    SentimentConfig,
    TaggingConfig,
    TranslationConfig,
)
from seqtasks.config.values import ERRORS

TASKS = tuple(CONFIGS)

__all__ = [
    "CONFIGS",
    "ERRORS",
    "TASKS",
    "BoundedTextConfig",
    "CaptioningConfig",
    "ClassifiedDataConfig",
    "ClassifierConfig",
    "ClassifierTrainingConfig",
    "DataConfig",
    "DecodingConfig",
    "DocumentsConfig",
    "ImagesDataConfig",
    "LabelledDataConfig",
    "LanguageModelConfig",
    "ModelConfig",
    "PairsDataConfig",
    "PlainDataConfig",
    "ReadTextConfig",
    "ReaderConfig",
    "RecallConfig",
    "RecallDataConfig",
    "RunConfig",
    "SentimentConfig",
    "TableDataConfig",
    "TaggedDataConfig",
    "TaggerConfig",
    "TaggerTrainingConfig",
    "TaggingConfig",
    "TextConfig",
    "TrainingConfig",
    "TranslationConfig",
    "TranslatorConfig",
    "WriterConfig",
    "load_config",
    "load_space",
    "parse_config",
]
