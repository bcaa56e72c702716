"""Check in a process without Keras whether an export answers as its run does.

    python -m seqtasks.export.check VERSION_DIR SAMPLES

prints a JSON object: "answers", the number of answers compared, "largest_difference" between
numbers, and "different", a description of the first wrong answer, or null.
"""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 1e-4  # absolute and relative, for numbers: kernels may sum in another order


def check(version: Path, samples: Path) -> dict[str, object]:
    """Send the samples' requests to an export and compare its answers with theirs."""
    from seqtasks.export.recorded_answers import read_answers
    from seqtasks.serving.models.engine import Servable

    answers, largest = 0, 0.0
    with contextlib.closing(Servable(version)) as servable:
        for name, feeds, expected in read_answers(samples):
            answers += 1
            found = servable.run(servable.signature(name), feeds)
            if found.keys() != expected.keys():
                different = f"{name}: outputs {sorted(found)} instead of {sorted(expected)}"
                return _report(answers, largest, different)
            for output, right in expected.items():
                difference = compare(found[output], right)
                if isinstance(difference, str):
                    return _report(answers, largest, f"{name}, output {output}: {difference}")
                largest = max(largest, difference)
    return _report(answers, largest, None)


def compare(found: np.ndarray, right: np.ndarray) -> float | str:
    """Give the largest difference of two arrays, or a description of why they aren't the same.

    >>> compare(np.array([1.0, 2.0]), np.array([1.0, 2.00001]))
    1.0000000000065512e-05
    >>> compare(np.array([b"a"], object), np.array([b"b"], object))
    "b'a' instead of b'b'"
    """
    if found.shape != right.shape or found.dtype != right.dtype:
        return f"{found.dtype}{list(found.shape)} instead of {right.dtype}{list(right.shape)}"
    if not np.issubdtype(right.dtype, np.floating):
        wrong = np.flatnonzero(found.ravel() != right.ravel())
        if len(wrong):
            return f"{found.ravel()[wrong[0]]!r:.80} instead of {right.ravel()[wrong[0]]!r:.80}"
        return 0.0
    if not np.allclose(found, right, TOLERANCE, TOLERANCE, equal_nan=True):
        return f"numbers differ by up to {np.nanmax(np.abs(found - right)):.3g}"
    same = found == right  # infinities have no difference
    return float(np.max(np.abs(np.where(same, 0, found) - np.where(same, 0, right)), initial=0))


def _report(answers: int, largest: float, different: str | None) -> dict[str, object]:
    return {"answers": answers, "largest_difference": largest, "different": different}


if __name__ == "__main__":
    sys.modules["keras"] = None  # type: ignore[assignment]
    print(json.dumps(check(Path(sys.argv[1]), Path(sys.argv[2]))))
