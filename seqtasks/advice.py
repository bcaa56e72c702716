"""What to try when a model isn't good enough, by what was found: `configs/README.md` has it all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PAGE = 'What else can be tried: "When it isn\'t good enough", configs/README.md'

_MANY_UNKNOWN = 0.1  # of the tokens of validation
_RARE = 0.1  # share of the rarest of several classes
_OVERFITTED = 1.5  # validation loss over training loss at the best epoch
_WILD = 50.0  # a loss far above that of guessing, which is log V, 14 with a million tokens
_UNBALANCED = 0.1  # accuracy above macro F1
_FEW = 1_000  # examples of training
_FEW_TO_JUDGE = 200  # examples: 95 of 100 such samples have an accuracy within ± 7 points
_REPEATED = 0.1  # share of examples that are there twice
_UNCALIBRATED = 0.1  # expected calibration error


def for_data(description: Mapping[str, Mapping[str, Any]], unit: str) -> Iterator[str]:
    """What a description of data (`Task.describe`) suggests before training.

    Args:
        description: what is in each split.
        unit: `text.unit`.

    >>> list(for_data({"validation": {"unknown_rate": 0.3}}, "word"))
    ['30 % of the words of validation are unknown: try --set text.unit=word+char']
    """
    unknown = description.get("validation", {}).get("unknown_rate") or 0.0
    if unit == "word" and unknown > _MANY_UNKNOWN:
        share = f"{100 * unknown:.0f} %"
        yield f"{share} of the words of validation are unknown: try --set text.unit=word+char"
    classes = description.get("train", {}).get("labels")
    if isinstance(classes, Mapping) and len(classes) > 1:
        label, count = min(classes.items(), key=lambda item: item[1])
        if isinstance(count, int) and count < _RARE * sum(classes.values()):
            yield (
                f"the class {label} is rare: try --set training.class_weight=balanced "
                "--set training.select_by=macro_f1"
            )


def for_rows(description: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the numbers of examples and their repetitions suggest before training.

    Args:
        description: what is in each split.

    >>> list(for_rows({"train": {"examples": 5000, "duplicates": 2000}}))
    ['40 % of the examples of train came before: see that they are meant to']
    """
    train = description.get("train", {})
    if 0 < (count := train.get("examples") or 0) < _FEW:
        yield (
            f"{count:,} examples are few to train a network on: a linear model may be better "
            "(train and evaluate compare with one); more examples help most"
        )
    for name in ("validation", "test"):
        held = description.get(name, {})
        if 0 < (examples := held.get("examples") or 0) < _FEW_TO_JUDGE:
            error = 100 / examples**0.5
            yield (
                f"{examples:,} examples of {name} say an accuracy to ± {error:.0f} points or so: "
                f"give more, or a file with --{name}"
            )
        if (shared := held.get("shared_with_train") or 0) > _REPEATED * max(examples, 1):
            yield (
                f"{_percent(shared, examples)} of the examples of {name} are in train, too: its "
                "score says little of new ones"
            )
    if (repeated := train.get("duplicates") or 0) > _REPEATED * count:
        yield (
            f"{_percent(repeated, count)} of the examples of train came before: see that they are "
            "meant to"
        )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.0f} %"


def for_training(rows: Sequence[Mapping[str, Any]], epochs: int) -> Iterator[str]:
    """What the epochs of a training (`metrics.jsonl`) suggest.

    Args:
        rows: the epochs in their order.
        epochs: how many there were at most.

    >>> row = {"epoch": 3, "score": 0.8, "train_loss": 0.5, "validation_loss": 0.6}
    >>> list(for_training([row], epochs=3))
    ['the last epoch was the best one: try --epochs 6']
    """
    if not rows:
        return
    best = max(rows, key=lambda row: row["score"])
    if rows[-1]["train_loss"] > _WILD:
        yield (
            f"the loss of training is {rows[-1]['train_loss']:.3g}, far above that of guessing: "
            "try a lower rate, such as --set training.learning_rate=0.002"
        )
        return
    if best["epoch"] == rows[-1]["epoch"] == epochs:
        yield f"the last epoch was the best one: try --epochs {2 * epochs}"
    if best["validation_loss"] > _OVERFITTED * best["train_loss"] > 0:
        yield (
            "the loss of validation is far above that of training: try "
            "--set training.average_decay=0.99, --set model.dropout=0.5, or fewer units"
        )


def for_peer(found: Any, peer: Any, unit: str | None = None) -> Iterator[str]:
    """What to do where another method is better on the same examples.

    Args:
        found: an evaluation of the model.
        peer: what has the other method's score (`seqtasks.tasks.evaluation.Peer`), or None.
        unit: `text.unit`.

    >>> from types import SimpleNamespace
    >>> found, peer = SimpleNamespace(accuracy=0.8), SimpleNamespace(score=0.85)
    >>> [line.partition(":")[0] for line in for_peer(found, peer)]
    ['the peer is better']
    """
    if peer is None:
        return
    gains = [peer.score - own for own in _scores(found, "accuracy", "micro_f1")]
    gains += [own - peer.score for own in _scores(found, "mae")]
    if any(gain > 0 for gain in gains):
        spelling = "" if unit == "word+char" else "--set text.unit=word+char, "
        yield (
            f"the peer is better: try {spelling}other --seeds, or more examples; or use it, since "
            "it costs less"
        )


def _scores(found: Any, *names: str) -> Iterator[float]:
    values = (getattr(found, name, None) for name in names)
    yield from (value for value in values if value is not None)


def for_evaluation(found: Any, unit: str | None = None) -> Iterator[str]:
    """What an evaluation (`seqtasks.tasks.evaluation`) suggests.

    Args:
        found: the evaluation.
        unit: `text.unit`.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(baseline="a bag of words", accuracy=0.7, baseline_accuracy=0.8)
    >>> [line.partition(":")[0] for line in for_evaluation(found)]
    ['a bag of words is as good']
    """
    accuracy, baseline = (getattr(found, name, None) for name in ("accuracy", "baseline_accuracy"))
    beaten = list(for_peer(found, getattr(found, "peer", None), unit))
    yield from beaten
    if not beaten and accuracy is not None and baseline is not None and baseline >= accuracy:
        yield (
            f"{found.baseline} is as good: try --set model.pooling=max --set text.min_count=2 "
            "--set training.average_decay=0.99"
        )
    macro = getattr(found, "macro_f1", None)
    if accuracy is not None and macro is not None and accuracy - macro > _UNBALANCED:
        yield "rare classes are missed: try --set training.class_weight=balanced"
    if (getattr(found, "ece", None) or 0.0) > _UNCALIBRATED:
        yield "probabilities are too sure of themselves: try --set training.average_decay=0.99"
