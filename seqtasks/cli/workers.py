"""Who trains a network together: `seqtasks train --workers`, --cluster, TF_CONFIG and --devices."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqtasks.config import RunConfig
from seqtasks.cores import cores
from seqtasks.errors import ConfigError, TrainingError
from seqtasks.training.cluster import (
    Cluster,
    cluster_of_environment,
    local_cluster,
    meet,
    parse_cluster,
)
from seqtasks.version import __version__

if TYPE_CHECKING:
    from seqtasks.data.splits import Splits
    from seqtasks.training.team import Alone

_LOCAL = "SEQTASKS_LOCAL_WORKER"  # set for those that `--workers` starts
_GOODBYE = 20.0  # seconds that other local workers have to end by themselves
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --workers, --cluster, --index and --devices to a command."""
    for option in (
        click.option(
            "--devices",
            metavar="N|all",
            help="Train on so many GPUs of this machine, or on all, each on its share of every "
            "batch. Default: one device.",
        ),
        click.option(
            "--index", type=int, metavar="I", help="Which of --cluster this one is, from 0 on."
        ),
        click.option(
            "--cluster",
            metavar="HOST:PORT,...",
            help="Train together with other machines: the same command on each, but for --index. "
            "Worker 0 writes the run. Or set TF_CONFIG, as for TensorFlow.",
        ),
        click.option(
            "--workers",
            type=int,
            metavar="N",
            help="Train with so many processes on this machine, each on its share of every batch.",
        ),
    ):
        command = option(command)
    return command


def asked_cluster(workers: int | None, cluster: str | None, index: int | None) -> Cluster | None:
    """The workers that are asked for; None for this process alone.

    Raises:
        ConfigError: where they can't be.
    """
    if workers is not None and (cluster is not None or index is not None):
        raise click.UsageError(
            "--workers starts processes here, --cluster joins other machines: choose"
        )
    if index is not None and cluster is None:
        raise click.UsageError("--index says which of --cluster this one is: give both")
    if workers is not None:
        if workers < 1:
            raise ConfigError(f"--workers: expected 1 or more, received {workers}")
        return local_cluster(workers) if workers > 1 else None
    found = parse_cluster(cluster, index) if cluster else cluster_of_environment()
    return found if found and found.size > 1 else None


def check_devices(devices: str | None, together: Cluster | None) -> None:
    """Check what --devices says, as far as it can be known without TensorFlow.

    Raises:
        ConfigError: where it is no number of devices, or several processes are asked for, too.
    """
    if devices is None:
        return
    if devices != "all" and not (devices.isdecimal() and int(devices)):
        raise ConfigError(f"--devices: expected all, or a number from 1 on, received {devices!r}")
    if together:
        raise click.UsageError(
            "--devices divides batches among this process's devices, --workers, --cluster and "
            "TF_CONFIG among processes, each on one device: choose"
        )


def check_shares(count: int, called: str, config: RunConfig) -> None:
    """Check that each worker, or each device, can have a row of a batch.

    Raises:
        ConfigError: where there are more of them than rows.
    """
    rows = config.training.batch_size
    if count > rows:
        raise ConfigError(
            f"{count} {called} can't share a batch of {rows} examples at most; use "
            f"{rows} {called} or fewer, or a larger --set training.batch_size"
        )


class Others:
    """The other workers of this machine, with the same configuration; they end with the block.

    Args:
        cluster: of which this process is worker 0.
        config: what is trained.
        resumed: the run that is gone on with.
        runs_dir: where runs are.
    """

    def __init__(self, cluster: Cluster, config: RunConfig, resumed: Path | None, runs_dir: Path):
        self._cluster = cluster
        self._config = config
        self._command = [sys.executable, "-m", "seqtasks", "train"]
        self._command += ["--runs-dir", str(runs_dir), "--cluster", ",".join(cluster.addresses)]
        self._command += ["--resume", str(resumed)] if resumed is not None else []
        self._folder = tempfile.TemporaryDirectory(prefix="seqtasks-workers-")
        self._processes: dict[int, subprocess.Popen] = {}

    def __enter__(self) -> "Others":
        share_cores(self._cluster.size)
        file = Path(self._folder.name) / "config.yaml"
        file.write_text(self._config.to_yaml(), "utf-8")
        for index in range(1, self._cluster.size):
            with self._said(index).open("wb") as output:
                self._processes[index] = subprocess.Popen(
                    [*self._command, "--config", str(file), "--index", str(index)],
                    stdin=subprocess.PIPE,  # which closes when this process ends
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, _LOCAL: "1"},
                )
        return self

    def look(self) -> None:
        """Raise TrainingError where one of them has ended by a fault of its own."""
        for index, process in self._processes.items():
            if process.poll():
                lines = self._said(index).read_text("utf-8", "replace").strip().splitlines()
                last = f": {lines[-1]}" if lines else ""
                code = process.returncode
                how = f"exit code {code}" if code > 0 else f"signal {-code}"
                raise TrainingError(
                    f"{self._cluster.name(index)} ended with {how}{last.rstrip('.')}; what worker "
                    "0 saved last is kept. Go on with --resume, with as many workers as you like"
                )

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            if isinstance(error, TrainingError) and error.__cause__:  # the end of another
                self._wait(1)
                self.look()
        finally:
            for process in self._processes.values():
                if process.stdin:
                    process.stdin.close()
            self._wait(_GOODBYE)
            for process in self._processes.values():
                process.kill()
                process.wait()
            self._folder.cleanup()

    def _said(self, index: int) -> Path:
        return Path(self._folder.name) / f"worker-{index}.txt"

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(end - time.monotonic(), 0.01))


def share_cores(workers: int) -> None:
    """Let each worker of this machine use its part of the cores, unless TensorFlow is told more."""
    for name in _THREADS:
        os.environ.setdefault(name, str(max(1, cores() // workers)))


def watch_parent() -> None:
    """End this process when the one that started it has ended, if that was `--workers`."""
    if _LOCAL not in os.environ:
        return

    def wait() -> None:
        os.read(0, 1)
        os._exit(2)

    threading.Thread(target=wait, daemon=True).start()


def join(
    cluster: Cluster, config: RunConfig, splits: "Splits | None", look: Callable[[], None] | None
) -> None:
    """Wait for the other workers, and check that all train the same network on the same data."""
    known = config.to_dict()
    for key in ("source", "validation", "test"):  # a file may be elsewhere on another machine
        known["data"].pop(key, None)
    known.pop("name", None)
    facts = {"version": __version__, "configuration": _digest(json.dumps(known, sort_keys=True))}
    if splits is not None:
        from seqtasks.tasks.run_data import split_digests

        facts["data"] = _digest(json.dumps(split_digests(config, splits), sort_keys=True))
    meet(cluster, facts, look=look or (lambda: None))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def team_of(cluster: Cluster | None) -> "Alone":
    """What this process trains with; TensorFlow must have done nothing yet."""
    from seqtasks.training.team import ALONE, Team

    return Team(cluster) if cluster else ALONE


def devices_team(devices: str, config: RunConfig, show: Callable[[str], None]) -> "Alone":
    """The devices of this process that --devices asks for; TensorFlow must have started.

    Args:
        show: told which they are.

    Raises:
        ConfigError: where there are fewer, or more than rows of a batch.
    """
    from seqtasks.training.devices import Devices, devices_of_machine

    team = devices_of_machine(devices)
    if not isinstance(team, Devices):
        show("One device trains: --devices asks for no more, or there is no more here")
        return team
    check_shares(len(team.names), "devices", config)
    show(f"Each batch is divided among {len(team.names)} devices: {team}")
    return team
