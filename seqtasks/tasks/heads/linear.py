"""Linear models of what a head's labels are: one of a number, or one for each class or label."""

import warnings
from typing import Any

import numpy as np

from seqtasks.tasks.heads.head import Head


def train_linear(
    head: Head,
    known: Any,
    targets: np.ndarray,
    strength: float,
    counts: np.ndarray | None = None,
    passes: int = 200,
) -> list[Any]:
    """Train logistic regressions, one class against the others, or ridge regression of numbers.

    Args:
        head: says what the labels are.
        known: (examples, features) of training, sparse.
        targets: as `Head.targets` gives them.
        strength: C, the inverse of how strongly weights are held near 0.
        counts: what each example counts, (examples,) or (examples, labels); None: all the same.
        passes: over the examples at most.

    Returns:
        A model of the number, of each class or label, or of the second of two classes; 0.0 or 1.0
        in place of one where none of the examples has it, or all have.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    if head.kind == "number":
        return [Ridge(alpha=1 / strength).fit(known, targets)]
    columns = _columns(head, targets)
    each = np.ones(columns.shape) if counts is None else np.broadcast_to(counts.T, columns.shape)
    with warnings.catch_warnings(action="ignore"):  # of what didn't converge, which does no harm
        return [
            LogisticRegression(
                C=strength, solver="liblinear", dual=True, max_iter=passes, random_state=0
            ).fit(known, column, None if counts is None else own)
            if 0 < column.sum() < len(column)
            else float(column[0])
            for column, own in zip(columns, each, strict=True)
        ]


def linear_answers(head: Head, models: list[Any], texts: Any) -> np.ndarray:
    """What models answer, as `Head.judge` takes it: (examples, size)."""
    if head.kind == "number":
        return models[0].predict(texts)[:, np.newaxis]
    columns = [
        np.full(texts.shape[0], one) if isinstance(one, float) else one.predict_proba(texts)[:, 1]
        for one in models
    ]
    if _is_one_of_two(head):
        columns.insert(0, 1 - columns[0])
    return np.stack(columns, axis=1)


def linear_outputs(
    head: Head, models: list[Any], features: int, examples: int
) -> tuple[np.ndarray, np.ndarray]:
    """The weights (features, size) and biases (size,) by which models give a network's outputs.

    Args:
        features: how many there are.
        examples: how many they were trained on: what all of those are alike in isn't certain.
    """
    W, b = np.zeros((features, len(models)), np.float32), np.zeros(len(models), np.float32)
    for number, one in enumerate(models):
        if isinstance(one, float):
            b[number] = np.log(2 * examples + 1) * (2 * one - 1)  # half an example is otherwise
        else:
            W[:, number], b[number] = one.coef_.ravel(), np.ravel(one.intercept_)[0]
    if _is_one_of_two(head):  # whose outputs differ by what the one model says
        W, b = np.concatenate([-W, W], axis=1) / 2, np.concatenate([-b, b]) / 2
    return W, b


def _columns(head: Head, targets: np.ndarray) -> np.ndarray:
    """What each model is to tell: (models, examples) of 0 and 1."""
    has = targets if targets.ndim == 2 else np.arange(head.size) == targets[:, np.newaxis]
    return has.T[1:] if _is_one_of_two(head) else has.T


def _is_one_of_two(head: Head) -> bool:
    return head.kind == "category" and head.size == 2
