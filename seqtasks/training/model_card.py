"""The model card: what a run's model is, what it was trained on, how good it is."""

import json
from typing import Any

from seqtasks.config import BoundedTextConfig, RunConfig
from seqtasks.data.splits import Splits
from seqtasks.runs import Run


def model_card(
    run: Run,
    config: RunConfig,
    facts: dict[str, str],
    rows: list[dict[str, Any]],
    parameters: int,
    score: str,
) -> str:
    """Write the card as Markdown. Figures come from the run alone.

    Args:
        facts: the figures of the data.
        rows: the lines of metrics.jsonl.
        parameters: how many weights the model has.
        score: what validation's score is called.
    """
    best = max(rows, key=lambda row: (row["score"], -row["validation_loss"]))
    environment = json.loads((run.path / "environment.json").read_text("utf-8"))
    cut = (
        f" A text longer than\n{config.text.max_length} tokens is cut at its end."
        if isinstance(config.text, BoundedTextConfig)
        else ""
    )
    known = "\n".join(f"| {name} | {_escaped(value)} |" for name, value in facts.items())
    return f"""# {run.path.name}

A `{config.model.arch}` for the task `{config.task}`, {parameters:,} parameters.

| | |
|---|---|
| data | `{config.data.source}` |
{known}
| unit of text | {config.text.unit} |
| validation {score} | {best["score"]:.4f} (epoch {best["epoch"]} of {len(rows)}) |
| time | {rows[-1]["seconds"]:.0f} s on {environment["cores"]} cores |
| seed | {config.seed} |
| command | `{" ".join(environment["command"])}` |

The test score is in `evaluation.json` once `seqtasks evaluate {run.path}` has run.

The model knows the language and the kind of text it was trained on and no other. The validation
score chose the weights, so expect a little less on new text.{cut}
"""


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


def _escaped(value: str) -> str:
    return value.replace("|", chr(92) + "|")
