"""Training as a whole: epochs compared with Keras', where a step's time goes, cost, memory.

What is timed is processes of their own that take turns, and the fastest run of each counts, as in
`seqtasks.benchmarks.layers`.
"""

from collections.abc import Callable
from typing import Any

from seqtasks.benchmarks.corpora import SENTIMENT, TRANSLATION
from seqtasks.benchmarks.cost import data_cost, inside, layer_cost, memory
from seqtasks.benchmarks.epochs import OURS, PEERS, epochs
from seqtasks.benchmarks.measuring import machine, markdown
from seqtasks.benchmarks.quiet import mark_busy
from seqtasks.config import load_config
from seqtasks.tasks.sources import read_part

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
    say: Callable[[str], object] = lambda part: None,
) -> list[dict[str, Any]]:
    """Measure the parts that are asked for.

    Args:
        parts: names from `PARTS`.
        data: a file of reviews; None for synthetic ones.
        pairs: a file of pairs of sentences; None for synthetic ones.
        examples: reviews of an epoch; twice as many where their number grows tenfold.
        steps: training steps of the translation model.
        rounds: how many turns everything has.
        sentiment: the configuration of the classifier.
        translation: the configuration of the translation model.
        say: told each part's name before it is measured.

    Returns:
        Rows, each with its "part" and the figures that `table` lays out; `busy` where other work
        kept a large product slower than it was beside another row.

    Raises:
        DataError: where the data can't be used.
    """
    for needed, options, file in (
        (("epoch", "cost"), sentiment, data),
        (("translation",), translation, pairs),
    ):
        if file is not None and any(part in needed for part in parts):
            read_part(load_config(options=options), file)  # or its mistakes are told after minutes
    rows: list[dict[str, Any]] = []
    reviews = {"options": sentiment, "data": data, "examples": examples}
    for part in parts:
        say(part)
        if part == "epoch":
            rows += [epochs(reviews, rounds), inside(reviews, rounds, _TIMED_APART)]
        if part == "translation":
            # Twice the pairs that are read, so that a batch has lengths as alike as in training.
            most = 2 * steps * translation["training.batch_size"]
            what = {"options": translation, "data": pairs, "examples": most}
            rows.append(inside(what, rounds, steps))
        if part == "cost":
            twice = {**reviews, "examples": 2 * examples}
            rows += [*layer_cost(max(rounds, 5)), data_cost(twice, rounds)]
        if part == "memory":
            rows += memory()
    mark_busy(rows)
    about = machine()
    return [{**row, "machine": about} for row in rows]


def ratio(row: dict[str, Any], peer: str, figure: str = "fastest") -> float:
    """Our epoch's time by a peer's at its better setting.

    >>> ours, all_, one = ({"fastest": n} for n in (3.0, 4.0, 2.0))
    >>> ratio({"seconds": {OURS: ours, **dict(zip(PEERS["keras, padded"], (all_, one)))}},
    ...       "keras, padded")
    1.5
    """
    seconds = row["seconds"]
    return seconds[OURS][figure] / min(seconds[who][figure] for who in PEERS[peer])


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as Markdown tables, one for each part; a busy row has no ratios."""
    made = []
    for part, (title, lay_out) in _TABLES.items():
        if of_part := [row for row in rows if row["part"] == part]:
            made.append(f"{title}\n\n{lay_out(of_part)}")
    busy = sum(row["busy"] for row in rows)
    if busy:
        made.append(
            f"Of {len(rows)} rows {busy} were measured while the machine did something else, and "
            "have no ratios. Measure them again."
        )
    return "\n\n".join([rows[0]["machine"], *made])


def _epochs_table(rows: list[dict[str, Any]]) -> str:
    row = rows[0]
    ratios = {who: peer for peer, settings in PEERS.items() for who in settings}
    heads = ["epoch by", "seconds", "median", "ours/its", "examples/s", "tokens/s"]
    heads.append("s to the first step")
    lines = []
    for who, seconds in row["seconds"].items():
        fastest = seconds["fastest"]
        peer = ratios.get(who)
        # At its other setting a peer isn't at its best.
        best = peer and fastest == min(row["seconds"][one]["fastest"] for one in PEERS[peer])
        compared = peer if best and not row["busy"] else None
        lines.append(
            [
                who,
                f"{fastest:.1f}",
                f"{seconds['median']:.1f}",
                f"{ratio(row, compared):.2f} ({ratio(row, compared, 'median'):.2f})"
                if compared
                else "",
                f"{row['examples'] / fastest:,.0f}",
                f"{row['tokens'] / fastest:,.0f}",
                f"{row['first_step'][who]:.1f}",
            ]
        )
    return (
        f"{row['examples']:,} examples, {row['tokens']:,} tokens of {row['data']}"
        f"{_busy(row)}; padded to {row['padded_to']} words\n\n{markdown(heads, lines)}"
    )


def _busy(row: dict[str, Any]) -> str:
    return " (busy)" if row["busy"] else ""


def _inside_table(rows: list[dict[str, Any]]) -> str:
    heads = ["task", "data", "forward", "backward", "update", "whole step", "with its input"]
    heads += ["input alone", "tokens/s", "input's tokens/s"]
    lines = []
    for row in rows:
        spent = {name: figures["fastest"] for name, figures in row["milliseconds"].items()}
        backward, update = spent["gradients"] - spent["forward"], spent["step"] - spent["gradients"]
        parts = (spent["forward"], backward, update, spent["step"], spent["loop"], spent["input"])
        rates = row["tokens_per_second"], row["tokens_per_second"] * spent["loop"] / spent["input"]
        lines.append(
            [row["task"] + _busy(row), row["data"]]
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
        fastest, median = (after[of] / before[of] for of in ("fastest", "median"))
        lines.append(
            [
                row["grows"] + _busy(row),
                f"{row['from']:,} to {row['to']:,}",
                f"{before['fastest']:.2f}",
                f"{after['fastest']:.2f}",
                "" if row["busy"] else f"{fastest:.2f} ({median:.2f})",
            ]
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
