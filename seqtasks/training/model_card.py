"""The model card: what a run's model is, what it was taught on, how good it is."""

import json
from typing import Any

from seqtasks.config import RunConfig
from seqtasks.data.sources import Splits, label_names
from seqtasks.runs import Run


def model_card(
    run: Run, config: RunConfig, splits: Splits, rows: list[dict[str, Any]], parameters: int
) -> str:
    """Write the card as Markdown. Figures come from the run alone.

    Arguments:
        rows: of metrics.jsonl.
        parameters: how many weights the model has.
    """
    best = max(rows, key=lambda row: (row["score"], -row["validation_loss"]))
    environment = json.loads((run.path / "environment.json").read_text("utf-8"))
    test = "none" if splits.test is None else f"{len(splits.test):,} examples"
    return f"""# {run.path.name}

A `{config.model.arch}` for the task `{config.task}`, {parameters:,} parameters.

| | |
|---|---|
| data | `{config.data.source}` |
| training | {len(splits.train):,} examples |
| validation | {len(splits.validation):,} examples |
| test | {test} |
| labels | {", ".join(label_names(splits)).replace("|", chr(92) + "|")} |
| unit of text | {config.text.unit} |
| validation score | {best["score"]:.4f} (epoch {best["epoch"]} of {len(rows)}) |
| time | {rows[-1]["seconds"]:.0f} s on {environment["cores"]} cores |
| seed | {config.seed} |
| command | `{" ".join(environment["command"])}` |

The test score is in `evaluation.json` once `seqtasks evaluate {run.path}` has run.

The model knows the language and the kind of text it was taught on and no other. The validation
score chose the weights, so expect a little less on new text. A text longer than
{config.text.max_length} tokens is cut at its end.
"""
