"""What a server tells of its requests: metrics for Prometheus, and the access log.

Counters and latencies have TF Serving's names, in Prometheus' text format, which is written here:
three metrics need few lines, and the names begin with a colon, which Prometheus keeps for its own
rules and its client library for Python may refuse.
"""

import bisect
import collections
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

access_log = logging.getLogger("seqtasks.serving.access")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Microseconds, each 1.8 times the one before: TF Serving's buckets.
BUCKETS = tuple(10 * 1.8**power for power in range(33))
_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
_ANSWERS = "seqtasks_answers_total"
# Prometheus keeps a series for each; what a model of others calls a label may be any text.
_LABELS, _LABEL_LENGTH, _VERSIONS = 100, 100, 16
OTHER_LABELS = "(others)"


class Metrics:
    """The server's counts and latencies. May be called from many threads.

    Args:
        knows: tells whether a model of this name exists; other names are counted under "", since
            clients could otherwise make any number of series.
    """

    def __init__(self, knows: Callable[[str], bool] = lambda name: True):
        self._knows = knows
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._latencies: dict[tuple[str, str, str], _Histogram] = {}
        self._answers: dict[tuple[str, int], dict[str, int]] = {}
        # Gives the counts of all processes of this server, where there are more.
        self.all_counts: Callable[[], Sequence[Any]] = lambda: [self.counts()]

    def count(self, model: str, status: str) -> None:
        """Count a request by the name of its status code, such as "OK"."""
        key = (self._label(model), status)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def latency(self, model: str, api: str, entrypoint: str, microseconds: float) -> None:
        """Record how long a request took: `api` "predict", `entrypoint` "REST" or "GRPC"."""
        key = (self._label(model), api, entrypoint)
        with self._lock:
            self._latencies.setdefault(key, _Histogram()).add(microseconds)

    def answered(self, model: str, version: int, given: Mapping[str, int]) -> None:
        """Count the labels that a model gave; those that are too many or too long together."""
        with self._lock:
            known = self._answers.get((model, version))
            if known is None:
                versions = [key for key in self._answers if key[0] == model]
                if len(versions) >= _VERSIONS:
                    del self._answers[versions[0]]
                known = self._answers[model, version] = {}
            for label, count in given.items():
                fits = label in known or (len(known) < _LABELS and len(label) <= _LABEL_LENGTH)
                name = label if fits else OTHER_LABELS
                known[name] = known.get(name, 0) + count

    def counts(self) -> dict[str, list]:
        """Give all that was counted, as JSON has it."""
        with self._lock:
            return {
                "counts": [[*key, count] for key, count in self._counts.items()],
                "latencies": [
                    [*key, list(found.counts), found.sum] for key, found in self._latencies.items()
                ],
                "answers": [
                    [*key, label, count]
                    for key, labels in self._answers.items()
                    for label, count in labels.items()
                ],
            }

    def exposition(self) -> str:
        """Write all metrics, of all processes together, as Prometheus reads them."""
        counts: collections.Counter[tuple] = collections.Counter()
        answers: collections.Counter[tuple] = collections.Counter()
        latencies: dict[tuple, _Histogram] = {}
        for process in self.all_counts():
            for *key, count in process["counts"]:
                counts[tuple(key)] += count
            for *key, count in process["answers"]:
                answers[tuple(key)] += count
            for *key, found, total in process["latencies"]:
                latencies.setdefault(tuple(key), _Histogram()).add_all(found, total)
        lines = [f"# TYPE {_COUNT} counter"]
        for (model, status), count in sorted(counts.items()):
            lines.append(f"{_COUNT}{{{_labels(model_name=model, status=status)}}} {count}")
        lines.append(f"# TYPE {_LATENCY} histogram")
        for (model, api, entrypoint), histogram in sorted(latencies.items()):
            labels = _labels(model_name=model, API=api, entrypoint=entrypoint)
            lines.extend(histogram.lines(_LATENCY, labels))
        if answers:
            lines.append(f"# TYPE {_ANSWERS} counter")
        for (model, version, label), count in sorted(answers.items()):
            labels = _labels(model_name=model, version=str(version), label=label)
            lines.append(f"{_ANSWERS}{{{labels}}} {count}")
        return "\n".join(lines) + "\n"

    def _label(self, model: str) -> str:
        return model if self._knows(model) else ""


class _Histogram:
    """Counts of values by the smallest bucket that holds them."""

    def __init__(self):
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_left(BUCKETS, value)] += 1
        self.sum += value

    def add_all(self, counts: Sequence[int], total: float) -> None:
        self.counts = [mine + more for mine, more in zip(self.counts, counts, strict=True)]
        self.sum += total

    def lines(self, name: str, labels: str) -> list[str]:
        bounds = [*(f"{bound:.10g}" for bound in BUCKETS), "+Inf"]
        totals = list(itertools.accumulate(self.counts))
        return [
            *(
                f'{name}_bucket{{{labels},le="{bound}"}} {total}'
                for bound, total in zip(bounds, totals, strict=True)
            ),
            f"{name}_sum{{{labels}}} {self.sum:.10g}",
            f"{name}_count{{{labels}}} {totals[-1]}",
        ]


def _labels(**labels: str) -> str:
    r"""Write labels, with what the format escapes.

    >>> print(_labels(model_name='a"b', status="OK"))
    model_name="a\"b",status="OK"
    """
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def log_request(**facts: Any) -> None:
    """Log a request: its time and these facts. They must hold no text that a client sent."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    access_log.info("%s", log_line(time=now, **facts))


def log_line(**facts: Any) -> str:
    """Write a line of the access log: JSON, without what is None.

    >>> log_line(method="GET", version=None)
    '{"method": "GET"}'
    """
    return json.dumps({name: fact for name, fact in facts.items() if fact is not None})
