"""The tasks that there are, by the name that a configuration has for each."""

from seqtasks.tasks.captioning import Captioning
from seqtasks.tasks.documents import Documents
from seqtasks.tasks.language_model import LanguageModel
from seqtasks.tasks.recall import Recall
from seqtasks.tasks.sentiment import Sentiment
from seqtasks.tasks.tagging import Tagging
from seqtasks.tasks.task import Task
from seqtasks.tasks.translation import Translation

TASKS: dict[str, type[Task]] = {
    "sentiment": Sentiment,
    "documents": Documents,
    "recall": Recall,
    "tagging": Tagging,
    "translation": Translation,
    "captioning": Captioning,
    "language_model": LanguageModel,
}


def get_task(name: str) -> Task:
    """Make a task by its name."""
    return TASKS[name]()
