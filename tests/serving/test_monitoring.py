"""Metrics in Prometheus' text format."""

import bisect
import re

import numpy as np

from seqtasks.serving.monitoring import BUCKETS, Metrics

LINE = re.compile(r'^([:\w]+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)+)\} (\S+)$')


def read(text):
    """Read the format: {(name, labels): value}."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.match(line)
            assert match, line
            found[match[1], match[2]] = float(match[3])
    return found


def test_requests_are_counted_by_model_and_status():
    metrics = Metrics()
    for model, status in [("a", "OK"), ("b", "OK"), ("a", "OK"), ("a", "NOT_FOUND")]:
        metrics.count(model, status)
    found = read(metrics.exposition())
    name = ":tensorflow:serving:request_count"
    assert found == {
        (name, 'model_name="a",status="OK"'): 2,
        (name, 'model_name="a",status="NOT_FOUND"'): 1,
        (name, 'model_name="b",status="OK"'): 1,
    }


def test_latencies_are_counted_in_rising_buckets():
    rng = np.random.default_rng(8)
    values = [*(10 ** rng.uniform(0, 10, 200)), 10.0, 18.0, 1e12]
    metrics = Metrics()
    for value in values:
        metrics.latency("m", "predict", "REST", value)
    found = read(metrics.exposition())
    name = ":tensorflow:serving:request_latency"
    labels = 'model_name="m",API="predict",entrypoint="REST"'
    assert found[f"{name}_count", labels] == len(values)
    assert np.isclose(found[f"{name}_sum", labels], sum(values))
    assert found[f"{name}_bucket", f'{labels},le="+Inf"'] == len(values)
    ordered = sorted(values)
    for bound in BUCKETS:
        count = found[f"{name}_bucket", f'{labels},le="{bound:.10g}"']
        assert count == bisect.bisect_right(ordered, bound)


def test_clients_can_make_no_series_of_their_own():
    metrics = Metrics(lambda name: name == "mine")
    for number in range(100):
        metrics.count(f"guess {number}", "NOT_FOUND")
        metrics.latency(f"guess {number}", "predict", "REST", 5)
    metrics.count("mine", "OK")
    counts = {key: n for key, n in read(metrics.exposition()).items() if "count" in key[0]}
    assert len(counts) == 3
    assert counts[":tensorflow:serving:request_count", 'model_name="",status="NOT_FOUND"'] == 100


def test_names_are_escaped():
    metrics = Metrics()
    metrics.count('a"b\\c\nd', "OK")
    (key,) = read(metrics.exposition())
    assert key[1] == r'model_name="a\"b\\c\nd",status="OK"'
