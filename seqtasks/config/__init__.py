"""The whole run in one typed object, and how files and options become one."""

from seqtasks.config.loading import load_config
from seqtasks.config.schema import RunConfig, is_for
from seqtasks.config.sections import (
    TASKS,
    DataConfig,
    DecodingConfig,
    ModelConfig,
    TextConfig,
    TrainingConfig,
)

__all__ = [
    "TASKS",
    "DataConfig",
    "DecodingConfig",
    "ModelConfig",
    "RunConfig",
    "TextConfig",
    "TrainingConfig",
    "is_for",
    "load_config",
]
