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
)

__all__ = [
    "TASKS",
    "DataConfig",
    "DecodingConfig",
    "ModelConfig",
    "RunConfig",
    "TextConfig",
    "TrainingConfig",
    "load_config",
]
