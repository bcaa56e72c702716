"""What `evaluate` shows."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqtasks.bootstrap import LEVEL, RESAMPLES
from seqtasks.cli.screen import console, one_line, peer_line
from seqtasks.metrics import WITH_CASE, class_key
from seqtasks.tasks.evaluation import (
    Evaluation,
    NumberEvaluation,
    PlainTextEvaluation,
    SetEvaluation,
    TextEvaluation,
)


def show_evaluation(evaluation: Any, errors: int) -> None:
    """Print scores, the baseline's, and some mistakes.

    Args:
        evaluation: of a kind in `seqtasks.tasks.evaluation`, or another with `source`, `examples`
            and numbers.
        errors: how many mistakes to show at most.
    """
    screen = console()
    what = "characters" if isinstance(evaluation, PlainTextEvaluation) else "examples"
    count = getattr(evaluation, what)
    screen.print(f"{escape(evaluation.source)}: {count:,} {what}\n", soft_wrap=True)
    if isinstance(evaluation, PlainTextEvaluation):
        _show_surprise(screen, evaluation)
    elif isinstance(evaluation, TextEvaluation):
        _show_text_scores(screen, evaluation, errors)
    elif isinstance(evaluation, SetEvaluation):
        _show_sets(screen, evaluation, errors)
    elif isinstance(evaluation, NumberEvaluation):
        _show_regression(screen, evaluation, errors)
    elif isinstance(evaluation, Evaluation):
        _show_classes(screen, evaluation, errors)
    else:
        _show_numbers(screen, evaluation)
    _show_new(screen, evaluation)
    if line := peer_line(evaluation, getattr(evaluation, "peer", None)):
        screen.print(f"\n{line}", soft_wrap=True)


def _table(*headings: str) -> Table:
    """A table without lines, whose first column is of names."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(escape(heading), justify="right" if number else "left")
    return table


def _show_numbers(screen: Console, evaluation: Any) -> None:
    """Print the numbers of an evaluation of no kind that is known here."""
    table = _table("", "")
    for name, value in vars(evaluation).items():
        if isinstance(value, float):
            table.add_row(name.replace("_", " "), f"{value:.4f}")
    screen.print(table)


def _show_surprise(screen: Console, evaluation: PlainTextEvaluation) -> None:
    """Print how surprised a language model was."""
    table = _table("", "")
    for name, value in (
        (f"perplexity of a {evaluation.unit}", f"{evaluation.perplexity:,.3f}"),
        ("nats per character", f"{evaluation.nats_per_character:.4f}"),
        ("bits per character", f"{evaluation.bits_per_character:.4f}"),
        ("bits per character of xz", f"{evaluation.xz_bits_per_character:.4f}"),
        (f"unknown {evaluation.unit}s", f"{evaluation.unknown / evaluation.tokens:.2%}"),
    ):
        table.add_row(name, value)
    screen.print(table)
    _show_intervals(screen, evaluation)


def _show_text_scores(screen: Console, evaluation: TextEvaluation, errors: int) -> None:
    """Print BLEU and the like, and mistakes."""
    names = [name for name in evaluation.scores if not name.endswith(WITH_CASE)]
    table = _table("", *names)
    rows = {"one reference": evaluation.scores}
    if evaluation.all_references:
        rows[f"all references, {evaluation.texts:,} texts"] = evaluation.all_references
    for what, scores in rows.items():
        for ending in ("", WITH_CASE):
            found = [(name, scores.get(f"{name}{ending}")) for name in names]
            if any(score is not None for _, score in found):
                table.add_row(f"{what},{ending}" if ending else what, *map(_text_score, found))
    screen.print(table)
    screen.print()
    for name, signature in evaluation.signatures.items():
        screen.print(f"{name}: {signature}")
    _show_intervals(screen, evaluation)
    _show_faults(screen, evaluation)
    _show_limits(screen, evaluation)
    what = "{shown} of {all} texts not written as expected"
    for mistake in _mistakes(screen, evaluation, errors, what):
        for name, text in (
            ("text", mistake.text),
            ("right", mistake.right),
            ("written", mistake.written),
        ):
            screen.print(f"  {name:8} {escape(one_line(text))}", soft_wrap=True)
        screen.print()


def _text_score(of: tuple[str, float | None]) -> str:
    """A score of written texts, by its name, as it is printed."""
    name, score = of
    if score is None:
        return ""
    return f"{score:.2%}" if name == "exact" else f"{score:.2f}"


def _show_faults(screen: Console, evaluation: TextEvaluation) -> None:
    """Print how many words are unknown or copied, and how many texts repeat themselves."""
    if not (faults := evaluation.faults):
        return
    screen.print(f"\n{faults.words:,} words written")
    for name, found in (
        ("unknown words", faults.unknown),
        ("words of the source that the right answer hasn't", faults.copied),
        ("texts that repeat a phrase", faults.repeated),
    ):
        if found is not None:
            screen.print(f"  {name:48} {found:,}")


def _show_limits(screen: Console, evaluation: Any) -> None:
    """Print what limits of the run had an effect: what was not read, and what was cut off."""
    if evaluation.unread:
        screen.print(f"\ntokens beyond text.max_length, which were not read: {evaluation.unread:,}")
    if cut := getattr(evaluation, "cut", 0):
        screen.print(f"\nanswers that were cut off at decoding.max_length: {cut:,}")


def _mistakes(screen: Console, evaluation: Any, errors: int, heading: str) -> list[Any]:
    """Give the first mistakes, after the heading of their list where there are some."""
    shown = evaluation.mistakes[:errors]
    if shown:
        screen.print("\n" + heading.format(shown=len(shown), all=len(evaluation.mistakes)))
    return shown


def _show_intervals(screen: Console, evaluation: Any) -> None:
    """Print between what the scores would probably lie of other examples of the same kind."""
    intervals = getattr(evaluation, "intervals", None)
    if not intervals:
        return
    screen.print(f"\n{LEVEL} % bootstrap intervals, {RESAMPLES:,} resamples")
    for name, (low, high) in intervals.items():
        digits = 2 if name in ("BLEU", "chrF") else 4
        shown = _NAMES.get(name, name.replace("_", " "))
        screen.print(f"  {shown:27} {low:.{digits}f} to {high:.{digits}f}")


_NAMES = {"micro_f1": "micro F1", "entity_F1": "F1 of entities", "mae": "mean absolute error"}


def _show_new(screen: Console, evaluation: Any) -> None:
    """Print how many examples training has too, and the scores on the others."""
    new = getattr(evaluation, "new_to_training", None)
    if new is None:
        return
    shared = evaluation.examples - new.examples
    rest = f"on the rest, {new.examples:,}:" if new.examples else "there is no rest to be judged by"
    screen.print(
        f"\n{shared:,} of the {evaluation.examples:,} examples are in the training data too, but "
        f"for case and spaces; {rest}",
        soft_wrap=True,
    )
    for name, score in new.scores.items():
        screen.print(f"  {name.replace('_', ' '):27} {score:.4f}")


def _show_report(screen: Console, evaluation: Evaluation | SetEvaluation) -> None:
    """Print precision, recall and F1 by class."""
    table = _table("", "precision", "recall", "f1", "examples")
    keys = [(name, class_key(name)) for name in evaluation.labels]
    for name, key in (*keys, ("macro avg", "macro avg")):
        row = evaluation.report[key]
        scores = (f"{row[key]:.4f}" for key in ("precision", "recall", "f1-score"))
        table.add_row(escape(name), *scores, f"{int(row['support']):,}")
    screen.print(table)


def _uncalibrated(evaluation: Evaluation | SetEvaluation) -> list[tuple[str, float]]:
    """The calibration error that there was without the run's temperature, if it has one."""
    if evaluation.ece_uncalibrated is None:
        return []
    return [(f"  at temperature 1, not {evaluation.temperature:.2f}", evaluation.ece_uncalibrated)]


def _show_scores(screen: Console, *scores: tuple[str, float | None]) -> None:
    """Print scores by name, those that there are."""
    for name, score in scores:
        if score is not None:
            screen.print(f"{name:29} {score:.4f}")


def _show_sets(screen: Console, evaluation: SetEvaluation, errors: int) -> None:
    """Print a report by label, scores, the baseline and mistakes."""
    _show_report(screen, evaluation)
    screen.print(f"\nLabels are given from a probability of {evaluation.threshold:g} on")
    _show_scores(
        screen,
        ("micro F1", evaluation.micro_f1),
        (f"micro F1 of {evaluation.baseline}", evaluation.baseline_micro_f1),
        ("macro F1", evaluation.macro_f1),
        ("sets that are wholly right", evaluation.exact),
        ("expected calibration error", evaluation.ece),
        *_uncalibrated(evaluation),
    )
    _show_intervals(screen, evaluation)
    _show_limits(screen, evaluation)
    for mistake in _mistakes(screen, evaluation, errors, "{shown} of {all} mistakes"):
        right, given = (", ".join(s) or "none" for s in (mistake.labels, mistake.predicted))
        screen.print(
            f"  {escape(right)} taken for {escape(given)}: {escape(one_line(mistake.text))}",
            soft_wrap=True,
        )


def _show_regression(screen: Console, evaluation: NumberEvaluation, errors: int) -> None:
    """Print errors, correlation, the baseline and the worst mistakes."""
    _show_scores(
        screen,
        ("mean absolute error", evaluation.mae),
        (f"that of {evaluation.baseline}", evaluation.baseline_mae),
        ("that of always the mean", evaluation.mean_mae),
        ("root mean squared error", evaluation.rmse),
        ("R2", evaluation.r2),
        ("Spearman's correlation", evaluation.spearman),
    )
    _show_intervals(screen, evaluation)
    _show_limits(screen, evaluation)
    for mistake in _mistakes(screen, evaluation, errors, "The {shown} largest errors"):
        screen.print(
            f"  {mistake.right:g} taken for {mistake.predicted:.4g}: "
            f"{escape(one_line(mistake.text))}",
            soft_wrap=True,
        )


def _show_classes(screen: Console, evaluation: Evaluation, errors: int) -> None:
    """Print report, confusion matrix, baseline and mistakes."""
    _show_report(screen, evaluation)
    screen.print("\nConfusions (rows true, columns predicted)")
    table = _table("", *evaluation.labels)
    for label, counts in zip(evaluation.labels, evaluation.confusions, strict=True):
        table.add_row(escape(label), *(f"{count:,}" for count in counts))
    screen.print(table)

    screen.print(f"\naccuracy of the model         {evaluation.accuracy:.4f}")
    if evaluation.baseline_accuracy is not None:
        baseline = f"accuracy of {evaluation.baseline}"
        screen.print(f"{baseline:29} {evaluation.baseline_accuracy:.4f}")
    majority = f"accuracy of always {one_line(evaluation.majority, 20)}"
    for name, score in (
        (majority, evaluation.majority_accuracy),
        ("macro F1", evaluation.macro_f1),
        ("expected calibration error", evaluation.ece),
        *_uncalibrated(evaluation),
    ):
        screen.print(f"{escape(name):29} {score:.4f}", soft_wrap=True)
    if evaluation.thresholds:
        what = f"\nWhere {one_line(evaluation.labels[1], 40)} is answered from a probability on"
        screen.print(escape(what))
        table = _table("probability", "precision", "recall", "f1")
        for row in evaluation.thresholds:
            scores = (f"{row[key]:.4f}" for key in ("precision", "recall", "f1"))
            table.add_row(f"{row['threshold']:.1f}", *scores)
        screen.print(table)
    if evaluation.raw_text:
        screen.print("\nThe figures above are of the tokens as given. On raw text, cut by the run:")
        table = _table("", "precision", "recall", "f1")
        for name, row in evaluation.raw_text.items():
            table.add_row(name, *(f"{row[key]:.4f}" for key in ("precision", "recall", "F1")))
        screen.print(table)
        screen.print()
    if evaluation.entities:
        _show_entities(screen, evaluation.entities)
    _show_intervals(screen, evaluation)
    _show_limits(screen, evaluation)
    what = "The {shown} most confident of {all} mistakes"
    for mistake in _mistakes(screen, evaluation, errors, what):
        screen.print(
            f"  {escape(mistake.label)} taken for {escape(mistake.predicted)} "
            f"({mistake.probability:.3f}): {escape(one_line(mistake.text))}",
            soft_wrap=True,
        )


def _show_entities(screen: Console, entities: dict[str, Any]) -> None:
    """Print the scores of entities: of all together, then by type."""
    names = ("precision", "recall", "F1")
    for name in names:
        screen.print(f"{f'{name} of entities':29} {entities[name]:.4f}")
    if "types" not in entities:  # an evaluation of an earlier version
        return
    screen.print()
    table = _table("entities", *(name.lower() for name in names), "examples")
    rows = {**entities["types"], "micro avg": entities, "macro avg": entities["macro avg"]}
    for name, row in rows.items():
        table.add_row(escape(name), *(f"{row[key]:.4f}" for key in names), f"{row['support']:,}")
    screen.print(table)
