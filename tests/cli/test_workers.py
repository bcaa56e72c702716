"""`seqtasks train --workers`, --cluster and --index: what can't be is told before TensorFlow."""

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

from seqtasks.cli import main, workers
from seqtasks.cli.train import train
from seqtasks.config import load_config
from seqtasks.errors import TrainingError
from seqtasks.training.cluster import Cluster, local_cluster, parse_cluster


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--workers 0", "--workers: expected 1 or more, received 0"),
        ("--workers -2", "--workers: expected 1 or more, received -2"),
        (
            "--workers 5 --set training.batch_size=4",
            "5 workers can't share a batch of 4 examples at most; use 4 workers or fewer",
        ),
        ("--cluster a:1,b:2 --index 2", "expected a number from 0 to 1, received 2"),
        ("--cluster a:1,b:2", "expected a number from 0 to 1"),
        ("--cluster a1,b:2 --index 0", "received 'a1'"),
        ("--index 0", "--index says which of --cluster this one is: give both"),
        ("--workers 2 --cluster a:1,b:2 --index 0", "choose"),
        ("--workers 2 --seeds 3", "--seeds trains one run after the other"),
        ("--devices 0", "--devices: expected all, or a number from 1 on, received '0'"),
        ("--devices both", "received 'both'"),
        ("--devices -1", "received '-1'"),
        ("--devices 2 --workers 2", "TF_CONFIG among processes, each on one device: choose"),
        ("--devices all --cluster a:1,b:2 --index 1", "each on one device: choose"),
        ("--devices 2 --seeds 3", "--seeds trains one run after the other, on one device each"),
        (
            "--devices 5 --set training.batch_size=4",
            "5 devices can't share a batch of 4 examples at most; use 4 devices or fewer",
        ),
        # Which only TensorFlow knows.
        ("--devices 31", "are asked for; use --devices all, or --workers to train with several"),
    ],
)
def test_workers_that_can_not_be_are_told_in_a_line(options, line, tmp_path):
    done = CliRunner().invoke(main, ["train", "--runs-dir", str(tmp_path), *options.split()])
    assert done.exit_code == 2
    assert line in " ".join(done.output.split())
    assert not list(tmp_path.iterdir())


def test_other_data_on_a_worker_are_told_though_the_file_may_be_elsewhere(tmp_path, monkeypatch):
    met: list[dict] = []
    monkeypatch.setattr(workers, "meet", lambda cluster, facts, look: met.append(facts))
    rows = [("good", "pos"), ("bad", "neg")] * 20
    for name, more in (("one", ""), ("moved", ""), ("other", "d")):
        file = tmp_path / name / "data.tsv"
        file.parent.mkdir()
        lines = [f"{text} {n}{more}\t{label}\n" for n, (text, label) in enumerate(rows)]
        file.write_text("".join(lines), "utf-8")
        from seqtasks.tasks.sources import read_files

        config = load_config(options={"data.source": str(file), "name": name})
        workers.join(Cluster(("a:1", "b:2"), 1), config, read_files(config), None)
    config = load_config(options={"data.source": str(file), "model.units": 3})
    workers.join(Cluster(("a:1", "b:2"), 1), config, None, None)
    one, moved, other, wider = met
    assert one == moved
    assert [key for key in one if one[key] != other[key]] == ["data"]
    assert other["configuration"] != wider["configuration"]


@pytest.fixture
def others(tmp_path, monkeypatch):
    """Makes the other worker of two, which is a program of a line in place of ours."""
    monkeypatch.setattr(workers, "share_cores", lambda size: None)

    def make(program: str) -> workers.Others:
        cluster = local_cluster(2)
        made = workers.Others(cluster, load_config(), None, tmp_path)
        made._command = [sys.executable, "-c", program]
        return made

    return make


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("raise SystemExit(3)", "ended with exit code 3; what worker 0 saved last is kept"),
        ("raise SystemExit('no room')", "ended with exit code 1: no room; what worker 0"),
        ("import os; os.kill(os.getpid(), 9)", "ended with signal 9; what worker 0 saved"),
    ],
)
def test_a_worker_that_dies_is_why_training_ends(others, program, line):
    def lose_it() -> None:
        with others(program) as started:
            started._wait(30)
            raise TrainingError("another worker ended") from OSError("connection reset")

    with pytest.raises(TrainingError) as error:
        lose_it()
    assert str(error.value).startswith("worker 1 (127.0.0.1:")
    assert line in str(error.value)


@pytest.mark.parametrize("program", ["import sys; sys.stdin.read()", "raise SystemExit(2)"])
def test_a_loss_that_is_no_number_is_told_as_it_is_and_nobody_is_left(others, program):
    found = []

    def fail() -> None:
        with others(program) as started:
            found.extend(started._processes.values())
            raise TrainingError("the loss is no longer a number")

    with pytest.raises(TrainingError, match=r"^the loss is no longer a number$"):
        fail()
    assert [process.poll() is not None for process in found] == [True]


def test_cores_are_divided_unless_tensorflow_is_told_how_many(monkeypatch):
    environment = {"TF_NUM_INTEROP_THREADS": "5"}
    monkeypatch.setattr(workers, "os", SimpleNamespace(environ=environment))
    monkeypatch.setattr(workers, "cores", lambda: 8)
    workers.share_cores(3)
    assert environment == {"TF_NUM_INTEROP_THREADS": "5", "TF_NUM_INTRAOP_THREADS": "2"}


COMPOSE = Path(__file__).parents[2] / "configs/training/compose.yml"


def test_the_compose_file_runs_the_same_command_in_each_container_but_for_the_index():
    services = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    asked = []
    for service in services.values():
        shell, flag, line = shlex.split(service["command"])
        assert (shell, flag) == ("sh", "-c")
        command = line[line.index("exec seqtasks train ") :].split()[3:]
        context = train.make_context("train", command)  # each option is one of ours
        asked.append(context.params)
        cluster = parse_cluster(context.params["cluster"], context.params["index"])
        # Containers find each other by the names of their services.
        host = cluster.addresses[cluster.index].split(":")[0]
        assert services[host] is service
        assert service["environment"].keys() == {*workers._THREADS}
    assert sorted(params.pop("index") for params in asked) == [0, 1]
    assert asked[0] == asked[1]
    assert "./data:/app/data:ro" in services["worker-1"]["volumes"]
