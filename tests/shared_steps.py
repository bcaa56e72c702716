"""Some steps of several tasks, by one process, one of several or several devices of one.

As a program: python shared_steps.py FOLDER ADDRESS,ADDRESS INDEX trains each FOLDER/NAME.yaml as
that worker and writes FOLDER/INDEX.npz. Then they train a run of sentiment.yaml, which worker 1 is
asked to interrupt, and go on with it. With no addresses but "devices", and how many, the devices of
one process do the same, write FOLDER/devices.npz, and another number of them goes on with the run.
"""

import os
import signal
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
    losses, before = [], 0.0
    for batch in team.batches(how.batches, 0, 0)[0].take(STEPS):
        step(*batch)
        losses.append(step.totals().loss - before)
        before += losses[-1]
    step.settle()
    totals = step.totals()
    found = {f"{n:03d}": v.numpy() for n, v in enumerate(step.variables())}
    counts = np.array([totals.examples, totals.tokens, totals.losses, totals.steps])
    return {"losses": np.array(losses), "counts": counts, **found}


class Watcher:
    """Somebody who asks to end training when some batches of the second epoch are done."""

    def __init__(self, asks: bool):
        self.asks = asks

    def progressed(self, progress: Any) -> None:
        """Ask once."""
        if self.asks and progress.epoch == 2 and progress.batch == 2:
            self.asks = False
            os.kill(os.getpid(), signal.SIGTERM)

    def epoch_ended(self, result: Any) -> None:
        """See it."""


def run_of(
    folder: Path, name: str, team: Any, asks: bool = False, then: Any = None, dropout: bool = False
) -> list[int]:
    """Train a run of two epochs, also when it is interrupted; where it was.

    Args:
        then: who goes on with it; None: the same.
        dropout: whether masks are drawn.
    """
    from seqtasks.config import load_config
    from seqtasks.runs import Run
    from seqtasks.training import fit, train

    fit._PROGRESS_SECONDS = -1.0  # every batch
    options = {"name": name, "training.epochs": 2, "training.batch_tokens": 8_192}
    options |= {"model.dropout": 0.3} if dropout else {}
    config = load_config((folder / "sentiment.yaml",), (), options)
    runs = folder / "runs" if team.leads else folder / "none"
    watcher = Watcher(asks)
    state = train.train(config, runs, False, watcher, team=team).state
    stopped = [state.epoch, state.batch, bool(state.finished)]
    if not state.finished:
        run = Run(folder / "runs" / name)
        state = train.resume(run, config, watcher, team=then or team).state
    return [*stopped, state.epoch, bool(state.finished)]


def by_devices(folder: Path, count: int) -> None:
    """Train all there is on several devices."""
    import tensorflow as tf

    parts = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)

    from seqtasks.training.devices import devices_of_machine
    from seqtasks.training.team import ALONE

    team, found = devices_of_machine("all"), {}
    for file in sorted(folder.glob("*.yaml")):
        # Only a graph has its parts on devices; one of them is enough.
        tf.config.run_functions_eagerly(file.stem != "language_model")
        found |= {f"{file.stem}/{key}": value for key, value in trained(file, team).items()}
    tf.config.run_functions_eagerly(True)
    stopped = run_of(folder, "then-one", team, True, then=ALONE)
    run_of(folder, "drawn", team, dropout=True)
    run_of(folder, "drawn-again", team, True, dropout=True)
    np.savez(folder / "devices.npz", stopped=stopped, **found)


def main(folder: Path, addresses: str, index: int) -> None:
    """Train all there is as one of several workers."""
    if addresses == "devices":
        return by_devices(folder, index)
    import tensorflow as tf

    from seqtasks.training.cluster import Cluster
    from seqtasks.training.team import Team

    team = Team(Cluster(tuple(addresses.split(",")), index))
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        # TensorFlow gathers rows only in graphs; the others are faster without.
        tf.config.run_functions_eagerly("embedding_update: rows" not in file.read_text("utf-8"))
        found |= {f"{file.stem}/{key}": value for key, value in trained(file, team).items()}
    tf.config.run_functions_eagerly(True)
    stopped = run_of(folder, "together", team, asks=index == 1)
    np.savez(folder / f"{index}.npz", stopped=stopped, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
