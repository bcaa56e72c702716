"""Training as a whole: epochs compared with Keras', where a step's time goes, cost, memory."""

from collections.abc import Callable
from typing import Any

from seqtasks.benchmarks.corpora import SENTIMENT, TRANSLATION, corpus
from seqtasks.benchmarks.cost import data_cost, inside, layer_cost, memory
from seqtasks.benchmarks.epochs import epochs
from seqtasks.benchmarks.measuring import machine, markdown

PARTS = ("epoch", "translation", "cost", "memory")
# Joey NMT 2 training the same network on the same pairs; recorded on two cores, not measured here.
JOEY_TOKENS_PER_SECOND = 2_500
_TIMED_APART = 30  # batches whose forward pass, backward pass and update are timed apart


def measure(
    parts: tuple[str, ...] = PARTS,
    data: str | None = None,
    pairs: str | None = None,
    examples: int = 6_400,
    steps: int = 60,
    rounds: int = 3,
    sentiment: dict[str, Any] = SENTIMENT,
    translation: dict[str, Any] = TRANSLATION,
) -> list[dict[str, Any]]:
    """Measure the parts that are asked for.

    Args:
        parts: names from `PARTS`.
        data: a file of reviews; None for synthetic ones.
        pairs: a file of pairs of sentences; None for synthetic ones.
        examples: reviews of an epoch; twice as many where their number grows tenfold.
        steps: training steps of the translation model.
        rounds: how often everything is run, alternating; medians are returned.
        sentiment: the configuration of the classifier.
        translation: the configuration of the translation model.

    Returns:
        Rows, each with its "part" and the figures that `table` lays out.

    Raises:
        DataError: where the data can't be used.
    """
    rows: list[dict[str, Any]] = []
    if "epoch" in parts:
        reviews = corpus(sentiment, data, examples)
        rows += [epochs(reviews, rounds), inside(reviews, rounds, _TIMED_APART)]
    if "translation" in parts:
        # Twice the pairs that the steps read, so that a batch has lengths as alike as in training.
        most = 2 * steps * translation["training.batch_size"]
        rows.append(inside(corpus(translation, pairs, most), rounds, steps))
    if "cost" in parts:
        rows += [
            *layer_cost(max(rounds, 5)),
            data_cost(corpus(sentiment, data, 2 * examples), rounds),
        ]
    if "memory" in parts:
        rows += memory()
    return [{**row, "machine": machine()} for row in rows]


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as Markdown tables, one for each part."""
    made = []
    for part, (title, lay_out) in _TABLES.items():
        if of_part := [row for row in rows if row["part"] == part]:
            made.append(f"{title}\n\n{lay_out(of_part)}")
    return "\n\n".join([rows[0]["machine"], *made])


def _epochs_table(rows: list[dict[str, Any]]) -> str:
    row = rows[0]
    ours = row["seconds"]["seqtasks"]
    heads = ["epoch by", "seconds", "ours/its", "examples/s", "tokens/s", "s to the first step"]
    lines = [
        [
            who,
            f"{seconds:.1f}",
            f"{ours / seconds:.2f}",
            f"{row['examples'] / seconds:,.0f}",
            f"{row['tokens'] / seconds:,.0f}",
            f"{row['first_step'][who]:.1f}",
        ]
        for who, seconds in row["seconds"].items()
    ]
    return (
        f"{row['examples']:,} examples, {row['tokens']:,} tokens of {row['data']}; padded to "
        f"{row['padded_to']} words\n\n{markdown(heads, lines)}"
    )


def _inside_table(rows: list[dict[str, Any]]) -> str:
    heads = ["task", "data", "forward", "backward", "update", "whole step", "with its input"]
    heads += ["input alone", "tokens/s", "input's tokens/s"]
    lines = []
    for row in rows:
        spent = row["milliseconds"]
        backward, update = spent["gradients"] - spent["forward"], spent["step"] - spent["gradients"]
        parts = (spent["forward"], backward, update, spent["step"], spent["loop"], spent["input"])
        rates = row["tokens_per_second"], row["tokens_per_second"] * spent["loop"] / spent["input"]
        lines.append(
            [row["task"], row["data"]]
            + [f"{part:.1f}" for part in parts]
            + [f"{rate:,.0f}" for rate in rates]
        )
    return (
        f"{markdown(heads, lines)}\n\nTokens of translation are the target's, its ends included; "
        f"Joey NMT trains on {JOEY_TOKENS_PER_SECOND:,} a second (recorded on two cores, not here)."
    )


def _cost_table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        before, after = row["microseconds_per_token"].values()
        grown = f"{row['from']:,} to {row['to']:,}"
        lines.append(
            [row["grows"], grown, f"{before:.2f}", f"{after:.2f}", f"{after / before:.2f}"]
        )
    return markdown(["grows", "from, to", "before", "after", "ratio"], lines)


def _memory_table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        ours, theirs = row["megabytes"]["seqtasks"], row["megabytes"]["keras"]
        megabytes = [f"{m:.0f}" for m in (ours, theirs)]
        shape = ",".join(map(str, row["shape"]))
        lines.append(
            [shape, *megabytes, f"{ours / theirs:.2f}", f"{row['truncated_megabytes']:.0f}"]
        )
    return markdown(["N,T,D,H", "seqtasks", "keras", "ratio", "by windows of 64"], lines)


_TABLES: dict[str, tuple[str, Callable[[list[dict[str, Any]]], str]]] = {
    "epoch": ("Epochs of a classifier", _epochs_table),
    "inside": ("Milliseconds of a step", _inside_table),
    "cost": ("Microseconds per token as something grows tenfold", _cost_table),
    "memory": ("Peak megabytes of an LSTM's training step", _memory_table),
}
