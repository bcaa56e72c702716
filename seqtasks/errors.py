"""The errors that a user can cause: what was wrong, where, what was expected, what to do.

They are raised where the cause is known and shown once, as one line, at the command line's edge
(`seqtasks.cli`), with exit code 2. Anything else that escapes is a defect of ours.
"""


class SeqtasksError(Exception):
    """Base of every error that a user's input or machine can cause."""


class ConfigError(SeqtasksError):
    """A configuration file, key or value that can't be used."""


class DataError(SeqtasksError):
    """Data that is missing, unreadable or malformed; names the file and the line."""


class RunError(SeqtasksError):
    """A run directory that is missing, incomplete, or must not be overwritten."""


class MaskError(SeqtasksError, ValueError):
    """A mask that isn't right-padded: a real step after a padded one."""


class TrainingError(SeqtasksError):
    """Training that can't go on, such as a loss that is no longer a number."""
