"""What a request may ask of an export made before exports kept such bounds themselves.

An export clamps k, length, top_k and temperature in its graph (`seqtasks.tasks.endpoints.Input`),
and names the bounds in its signatures.json. Those of earlier versions have a signatures.json
without bounds; for them the server clamps. What isn't an export of a run is left as it is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SIGNATURES_FILE = "signatures.json"
# By signature: the inputs that say how much is to be done, with what an export of now allows where
# the run's configuration says nothing.
_MOST: dict[str, dict[str, float]] = {
    "nbest": {"k": 20},
    "continue": {"length": 1000, "top_k": 2**31 - 1, "temperature": 1000.0},
}


def missing_bounds(path: Path) -> dict[str, dict[str, float]]:
    """Give the bounds that an export lacks, by signature and input.

    Args:
        path: the folder of a version.
    """
    try:
        described = json.loads((path / SIGNATURES_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    found = {}
    for name, bounds in _MOST.items():
        inputs = _inputs(described, name)
        lacking = {key: most for key, most in bounds.items() if _is_open(inputs.get(key))}
        if lacking:
            found[name] = lacking
    return found


def _inputs(described: Any, signature: str) -> Mapping[str, Any]:
    try:
        inputs = described[signature]["inputs"]
    except (LookupError, TypeError):
        return {}
    return inputs if isinstance(inputs, dict) else {}


def _is_open(given: Any) -> bool:
    """Whether an input is one number, without a bound."""
    return isinstance(given, dict) and given.get("shape") == [] and "most" not in given


def keep_within(feeds: Mapping[str, np.ndarray], most: Mapping[str, float]) -> dict[str, Any]:
    """Take each number that is out of bounds for the bound; what is no number for 0.

    >>> keep_within({"k": np.array(10**6, np.int32)}, {"k": 20})
    {'k': array(20, dtype=int32)}
    """
    return {name: _within(feeds[name], most.get(name)) for name in feeds}


def _within(value: np.ndarray, most: float | None) -> np.ndarray:
    if most is None:
        return value
    return np.asarray(np.clip(np.nan_to_num(value, nan=0.0, posinf=most), 0, most), value.dtype)
