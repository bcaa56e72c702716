"""Documents: sentences of words in, a class out; sentiment's task, read in two levels."""

from typing import final

from seqtasks.tasks.sentiment import Classification


@final
class Documents(Classification):
    """A document in, its class out; `SentimentConfig` and `DocumentsConfig` differ, not this."""
