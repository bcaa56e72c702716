"""What answers leave out, counted and told once."""

from seqtasks.answers import Notices

__all__ = ["Notices"]
