"""Check in a process without Keras whether an export answers as its run does.

    python -m seqtasks.export.check VERSION_DIR SAMPLES

prints a JSON object: "answers", the number of answers compared, "largest_difference" between
numbers, and "different", a description of the first wrong answer, or null.
"""

import contextlib
import json
import sys
from pathlib import Path

from seqtasks.compare import compare


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


def _report(answers: int, largest: float, different: str | None) -> dict[str, object]:
    return {"answers": answers, "largest_difference": largest, "different": different}


if __name__ == "__main__":
    sys.modules["keras"] = None  # type: ignore[assignment]
    print(json.dumps(check(Path(sys.argv[1]), Path(sys.argv[2]))))
