"""What a server tells of its requests: metrics for Prometheus, and the access log.

Counters and latencies have TF Serving's names, in Prometheus' text format, which is written here:
two metrics need forty lines, and the names begin with a colon, which Prometheus keeps for its own
rules and its client library for Python may refuse.
"""

import bisect
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

access_log = logging.getLogger("seqtasks.serving.access")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Microseconds, each 1.8 times the one before: TF Serving's buckets.
BUCKETS = tuple(10 * 1.8**power for power in range(33))
_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"


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

    def exposition(self) -> str:
        """Write all metrics as Prometheus reads them."""
        lines = [f"# TYPE {_COUNT} counter"]
        with self._lock:
            for (model, status), count in sorted(self._counts.items()):
                labels = _labels(model_name=model, status=status)
                lines.append(f"{_COUNT}{{{labels}}} {count}")
            lines.append(f"# TYPE {_LATENCY} histogram")
            for (model, api, entrypoint), histogram in sorted(self._latencies.items()):
                labels = _labels(model_name=model, API=api, entrypoint=entrypoint)
                lines.extend(histogram.lines(_LATENCY, labels))
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
