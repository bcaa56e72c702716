"""The model card: what a run's model is, what it was trained on, how good it is."""

import re
from statistics import fmean
from typing import Any

from seqtasks.config import BoundedTextConfig, RunConfig
from seqtasks.data.splits import Splits
from seqtasks.errors import typed
from seqtasks.runs import Run
from seqtasks.runs.environment import environment
from seqtasks.tasks.evaluation import Evaluation
from seqtasks.tasks.selection import as_told
from seqtasks.training.records import commands


def model_card(
    run: Run,
    config: RunConfig,
    facts: dict[str, str],
    rows: list[dict[str, Any]],
    parameters: int,
    score: str,
    judged: Any = None,
) -> str:
    """Write the card as Markdown. Figures come from the run alone.

    Args:
        facts: the figures of the data.
        rows: the lines of metrics.jsonl.
        parameters: how many weights the model has.
        score: what validation's score is called.
        judged: what was found of validation, one of the classes of `seqtasks.tasks.evaluation`.
    """
    best = max(rows, key=lambda row: (row["score"], -row["validation_loss"]))
    what, value = as_told(score, best["score"])
    quoted = typed(run.path)
    cut = (
        f" A text longer than\n{config.text.max_length} tokens is cut at its end."
        if isinstance(config.text, BoundedTextConfig)
        else ""
    )
    gradients = _gradients(rows, config.training.clip_norm)
    known = "\n".join(f"| {name} | {_escaped(value)} |" for name, value in facts.items())
    return f"""# {run.path.name}

A `{config.model.arch}` for the task `{config.task}`, {parameters:,} parameters.

| | |
|---|---|
| data | `{config.data.source}` |
{known}
| unit of text | {config.text.unit} |
| validation {what} | {value:.4f} (epoch {best["epoch"]} of {len(rows)}) |
{gradients}| time | {rows[-1]["seconds"]:.0f} s on {environment(run)["cores"]} cores |
| seed | {config.seed} |
| command | {_code(commands(run))} |

The test score is in `evaluation.json` once `seqtasks evaluate {quoted}` has run.

The model knows the language and the kind of text it was trained on and no other. The validation
score chose the weights, so expect a little less on new text.{cut}
{_details(judged)}"""


def _gradients(rows: list[dict[str, Any]], clip_norm: float) -> str:
    """The line on the gradients of training; none where an earlier version trained the run."""
    known = [row for row in rows if "gradient_norm" in row]
    if not known:
        return ""
    mean, clipped = (fmean(row[name] for row in known) for name in ("gradient_norm", "clipped"))
    largest = max(row["largest_gradient_norm"] for row in known)
    return (
        f"| norm of the gradient | mean {mean:.3g}, largest {largest:.3g}; clipped to "
        f"{clip_norm:g} in {100 * clipped:.0f} % of the steps |\n"
    )


_FIGURES = {
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "exact": "exact match",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R2",
    "spearman": "Spearman's correlation",
    "mean_mae": "mean absolute error of always answering the mean",
    "ece": "expected calibration error, 10 bins",
    "temperature": "temperature of the probabilities, chosen by these examples",
}


def _details(judged: Any) -> str:
    """What was found of validation, as Markdown: figures, and of two classes the thresholds."""
    if judged is None:
        return ""
    rows = [
        f"| {name} | {vars(judged)[key]:.4f} |"
        for key, name in _FIGURES.items()
        if key in vars(judged)
    ]
    if isinstance(judged, Evaluation):
        majority = _escaped(judged.majority)
        rows.append(f"| always answering {majority}: accuracy | {judged.majority_accuracy:.4f} |")
    text = "\n## Validation\n\n| | |\n|---|---|\n" + "\n".join(rows) + "\n"
    if isinstance(judged, Evaluation) and judged.thresholds:
        lines = (
            f"| {row['threshold']:.1f} | {row['precision']:.4f} | {row['recall']:.4f} | "
            f"{row['f1']:.4f} |"
            for row in judged.thresholds
        )
        text += (
            f"\nWhere {_escaped(judged.labels[1])} is answered from a probability on:\n\n"
            "| probability | precision | recall | F1 |\n|---|---|---|---|\n"
            + "\n".join(lines)
            + "\n"
        )
    return text


def split_sizes(splits: Splits) -> dict[str, str]:
    """How many examples each split has, as facts for the card."""
    return {
        name: "none" if part is None else f"{len(part):,} examples"
        for name, part in (
            ("training", splits.train),
            ("validation", splits.validation),
            ("test", splits.test),
        )
    }


def _code(text: str) -> str:
    """A text as code in a table, whatever is in it: on one line, within enough backticks."""
    text = _escaped(" ".join(text.splitlines()))
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(value: str) -> str:
    return value.replace("|", chr(92) + "|")
