"""What of validation chooses the best epoch: a score, or an error of which less is better."""

from collections.abc import Mapping

from seqtasks.config import ERRORS

_NAMES = {
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "entity_f1": "entity F1",
    "exact": "exact match",
    "r2": "R2",
    "mae": "MAE",
    "rmse": "RMSE",
    "spearman": "Spearman",
    "bleu": "BLEU/100",
    "chrf": "chrF/100",
}


def selected(by: str, loss: float, scores: Mapping[str, float]) -> float:
    """The score of an epoch, higher is better: an error counts as less than nothing.

    Args:
        by: what `training.select_by` says.
        loss: validation's.
        scores: validation's, by name.

    >>> selected("mae", 0.5, {"mae": 2.0}), selected("accuracy", 0.5, {"accuracy": 0.9})
    (-2.0, 0.9)
    """
    value = loss if by == "loss" else scores[by]
    return -value if by in ERRORS else value


def score_name(by: str) -> str:
    """What such a score is called.

    >>> score_name("macro_f1"), score_name("loss")
    ('macro F1', '-loss')
    """
    return f"{'-' if by in ERRORS else ''}{_NAMES.get(by, by)}"


def as_told(name: str, score: float) -> tuple[str, float]:
    """A score and its name as people say them: an error is no negative number.

    >>> as_told("-loss", -0.25), as_told("accuracy", 0.75)
    (('loss', 0.25), ('accuracy', 0.75))
    """
    return (name[1:], -score) if name.startswith("-") else (name, score)
