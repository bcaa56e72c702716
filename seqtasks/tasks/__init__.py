"""The tasks, a module each; `seqtasks.tasks.task` says what a task is.

sources           from a configuration to examples: the readers, without TensorFlow
labelled_sources  labelled texts from files, TFDS and toy sets
classification    what the tasks that classify texts share
writing           what the tasks that write text share
endpoints         the signatures of an export
evaluation        how good a model is
losses, labels    the loss of each token; the file of labels
finished_run      a run's best weights, ready to predict or to be evaluated
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqtasks.tasks.task import Task

TASKS = {  # where the class of each task is; importing one brings TensorFlow, so not here
    "sentiment": "seqtasks.tasks.sentiment:Sentiment",
    "documents": "seqtasks.tasks.documents:Documents",
    "recall": "seqtasks.tasks.recall:Recall",
    "tagging": "seqtasks.tasks.tagging:Tagging",
    "translation": "seqtasks.tasks.translation:Translation",
    "captioning": "seqtasks.tasks.captioning:Captioning",
    "language_model": "seqtasks.tasks.language_model:LanguageModel",
}


def get_task(name: str) -> "Task":
    """Import a task by its name."""
    module, _, task = TASKS[name].partition(":")
    return getattr(import_module(module), task)()
