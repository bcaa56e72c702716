"""The whole run in one typed object, and how files and options become one."""

from seqtasks.config.loading import load_config
from seqtasks.config.schema import (
    TASKS,
    DataConfig,
    DecodingConfig,
    ModelConfig,
    RunConfig,
    TextConfig,
    TrainingConfig,
    is_for,
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
