"""Some steps of several tasks, by one process or by one of several that share each batch.

As a program: python shared_steps.py FOLDER ADDRESS,ADDRESS INDEX trains each FOLDER/NAME.yaml as
that worker and writes FOLDER/INDEX.npz.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 3


def trained(file: Path, team: Any) -> dict[str, np.ndarray]:
    """The mean loss of each step, all weights and what else a state has, and the totals."""
    import keras

    from seqtasks.config import load_config
    from seqtasks.tasks.registry import get_task
    from seqtasks.tasks.sources import load_splits
    from seqtasks.training.adam import tables_by_rows
    from seqtasks.training.step import TrainingStep

    config = load_config((file,))
    task, splits = get_task(config.task), load_splits(config)
    codec = task.make_codec(config, splits)
    # Another beginning for each worker: all must take worker 0's.
    keras.utils.set_random_seed(config.seed + team.share.index)
    model = task.build(config, codec)
    how, training = task.prepare_fit(config, codec, model, splits), config.training
    step = TrainingStep(
        model,
        how.loss,
        training.learning_rate,
        training.clip_norm,
        training.average_decay,
        tables=tables_by_rows(model, training),
        team=team,
    )
    step.set_apart()
    given = {"share": team.share} if team.several else {}
    losses, before = [], 0.0
    for batch in how.batches(0, 0, **given)[0].take(STEPS):
        step(*batch)
        losses.append(step.totals().loss - before)
        before += losses[-1]
    step.settle()
    totals = step.totals()
    found = {f"{n:03d}": v.numpy() for n, v in enumerate(step.variables())}
    counts = np.array([totals.examples, totals.tokens, totals.losses, totals.steps])
    return {"losses": np.array(losses), "counts": counts, **found}


def main(folder: Path, addresses: str, index: int) -> None:
    """Train all there is as one of several workers."""
    import tensorflow as tf

    from seqtasks.training.cluster import Cluster
    from seqtasks.training.team import Team

    team = Team(Cluster(tuple(addresses.split(",")), index))
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        # TensorFlow gathers rows only in graphs; the others are faster without.
        tf.config.run_functions_eagerly("embedding_update: rows" not in file.read_text("utf-8"))
        found |= {f"{file.stem}/{key}": value for key, value in trained(file, team).items()}
    np.savez(folder / f"{index}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
