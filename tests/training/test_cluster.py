"""Workers find each other before they train, or say in a line why they can't."""

import json
import socket
import threading

import pytest

from seqtasks.errors import ConfigError, SeqtasksError, TrainingError
from seqtasks.training.cluster import (
    Cluster,
    cluster_of_environment,
    local_cluster,
    meet,
    parse_cluster,
)

FACTS = {"version": "1", "configuration": "abc", "data": "def"}


def met(facts: list[dict[str, str]], clusters: list[Cluster] | None = None, patience=20.0):
    """What each of several workers is told, each in a thread of its own; None where all is well."""
    if clusters is None:
        addresses = local_cluster(len(facts)).addresses
        clusters = [Cluster(addresses, index) for index in range(len(facts))]
    told: dict[int, SeqtasksError | None] = {}

    def go(cluster: Cluster, of_this: dict[str, str]) -> None:
        try:
            meet(cluster, of_this, patience)
            told[cluster.index] = None
        except SeqtasksError as error:
            told[cluster.index] = error

    threads = [threading.Thread(target=go, args=pair) for pair in zip(clusters, facts, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [told[cluster.index] for cluster in clusters]


def test_workers_that_mean_the_same_meet_and_their_ports_are_free_again():
    cluster = local_cluster(3)
    clusters = [Cluster(cluster.addresses, index) for index in (2, 0, 1)]
    for _ in range(2):
        assert met([FACTS] * 3, clusters) == [None] * 3


@pytest.mark.parametrize("what", FACTS)
def test_another_version_configuration_or_data_is_told_to_all(what):
    told = met([FACTS, FACTS, {**FACTS, what: "other"}])
    assert {type(error) for error in told} == {ConfigError}
    (line,) = {str(error) for error in told}
    assert line.startswith("worker 2 (127.0.0.1:")
    assert f"has other {what} than worker 0; give all workers the same" in line


def test_other_addresses_are_told_though_the_first_is_the_same():
    cluster = local_cluster(3)
    other = Cluster((cluster.addresses[0], cluster.addresses[2]), 1)
    told = met([FACTS, FACTS], [Cluster(cluster.addresses[:2], 0), other])
    assert all("has other addresses than worker 0" in str(error) for error in told)


def test_a_worker_that_does_not_come_is_named_and_so_is_a_leader_that_is_not_there():
    addresses = local_cluster(3).addresses
    told = met([FACTS, FACTS], [Cluster(addresses, 0), Cluster(addresses, 1)], patience=1.5)
    assert isinstance(told[0], TrainingError)
    assert str(told[1]) == str(told[0])
    line = f"worker 2 ({addresses[2]}): didn't come within 2 seconds; start it with the same"
    assert str(told[0]).startswith(line)
    (alone,) = met([FACTS], [Cluster(addresses, 1)], patience=0.3)
    assert str(alone).startswith(f"worker 0 ({addresses[0]}): can't be reached")


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (error,) = met([FACTS], [Cluster((f"localhost:{port}", "localhost:1"), 0)])
    assert isinstance(error, ConfigError)
    assert f"worker 0 (localhost:{port}): its port can't be opened: " in str(error)


def test_strangers_at_the_port_change_nothing():
    addresses = local_cluster(2).addresses
    told: list[object] = []
    leader = threading.Thread(target=lambda: told.append(met([FACTS], [Cluster(addresses, 0)])))
    leader.start()
    host, port = addresses[0].split(":")
    for said in (b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b'{"index": 7}\n', b""):
        for _ in range(100):
            try:
                with socket.create_connection((host, int(port)), 5) as line:
                    line.sendall(said)
                break
            except ConnectionRefusedError:  # not yet open
                continue
    assert met([FACTS], [Cluster(addresses, 1)]) == [None]
    leader.join()
    assert told == [[None]]


@pytest.mark.parametrize(
    ("addresses", "index", "line"),
    [
        (
            "a:1,b:2",
            2,
            "--index: which of the 2 workers this one is: expected a number from 0 to 1",
        ),
        ("a:1,b:2", -1, "from 0 to 1, received -1"),
        ("a:1,b:2", None, "expected a number from 0 to 1"),
        ("a:1,b", 0, "--cluster: expected HOST:PORT for each worker, received 'b'"),
        ("a:1,b:99999", 0, "received 'b:99999'"),
        ("a:1,", 0, "received ''"),
        ("a:1,a:1", 0, "--cluster: expected each worker's address once"),
    ],
)
def test_a_cluster_that_can_not_be_is_refused(addresses, index, line):
    with pytest.raises(ConfigError) as error:
        parse_cluster(addresses, index)
    assert line in str(error.value)


def test_tf_config_is_read_as_tensorflow_writes_it():
    cluster = Cluster(("a:1", "b:2", "c:3"), 2)
    assert cluster_of_environment({"TF_CONFIG": cluster.to_json()}) == cluster
    text = cluster.to_json().replace('"index": 2', '"index": "1"')  # which TensorFlow takes, too
    assert cluster_of_environment({"TF_CONFIG": text}) == Cluster(cluster.addresses, 1)
    assert cluster_of_environment({}) is None
    for task, index in (("chief", 0), ("worker", 1)):
        text = json.dumps(
            {"cluster": {"chief": ["a:1"], "worker": ["b:2"]}, "task": {"type": task, "index": 0}}
        )
        assert cluster_of_environment({"TF_CONFIG": text}) == Cluster(("a:1", "b:2"), index)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_tf_config_that_can_not_be_is_refused_by_its_name(text):
    with pytest.raises(ConfigError, match=r"^TF_CONFIG: "):
        cluster_of_environment({"TF_CONFIG": text})
