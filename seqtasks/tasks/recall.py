"""Recall: who was named at the start must be given back after many distracting steps.

Source: page 000, the example of long-term dependency; the answer is one word, so the network is
many to one.
"""

from typing import final

from seqtasks.tasks.sentiment import Classification


@final
class Recall(Classification):
    """A story in, the one name that it asks for out."""
