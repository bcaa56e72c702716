"""Sentiment: a text in, one of several classes out; any classification of texts is the same."""

from typing import final

from seqtasks.tasks.classification import Classification


@final
class Sentiment(Classification):
    """A text in, its class out."""
