"""A finished run in a notebook or a program: `seqtasks.load_run`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqtasks.config import RunConfig
from seqtasks.runs import find_run
from seqtasks.tasks.finished_run import check_weights, evaluate_run, load_predictor

if TYPE_CHECKING:
    from seqtasks.inspection.trace_page import ShownTrace


class LoadedRun:
    """A run with its best weights.

    Args:
        path: of the run directory, or its name in `runs_dir`.
        runs_dir: where named runs are.

    Attributes:
        path: of the run directory.
        config: the configuration it was trained with.
        model: the Keras model.

    Raises:
        RunError: where there is no such run, or it has no weights yet.
    """

    def __init__(self, path: Path, runs_dir: Path = Path("runs")):
        self._run = find_run(path, runs_dir)
        check_weights(self._run)
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # read where Keras is first imported
        self.path: Path = self._run.path
        self.config: RunConfig = self._run.config
        self._predictor = load_predictor(self._run, self.config)
        self.model: Any = self._predictor.model

    def predict(self, texts: str | Iterable[str]) -> list[Any]:
        """Give an answer for each text; of captioning, for each image's file.

        Args:
            texts: several, or one.

        Returns:
            What `seqtasks predict --json` prints, as objects: a class's `label`, `probability` and
            `probabilities`; a tagger's `tokens` and `tags`; a `translation`, `caption` or
            `continuation`.
        """
        return list(self._predictor.predict([texts] if isinstance(texts, str) else texts))

    def evaluate(self, data: str | Path | None = None) -> Any:
        """Say how good the run is, as `seqtasks evaluate` does.

        Args:
            data: a file of examples. Default: the run's own test data; what is found is then kept
                in the run too, as evaluation.json.

        Returns:
            One of the classes of `seqtasks.tasks.evaluation`.
        """
        from seqtasks.tasks.sources import read_part

        part = None if data is None else read_part(self.config, str(data))
        return evaluate_run(self._run, self.config, part)

    def inspect(self, text: str, tokens: int = 200) -> "ShownTrace":
        """Follow one text through the model, token by token.

        Args:
            text: what to read; of captioning an image's file.
            tokens: how many of a longer text's tokens are shown, as if it ended there.

        Returns:
            A `seqtasks.inspection.trace_data.Trace`: `gradient`, `running`, `attention`, and
            `layers`, each with `arrays` by name, such as "f" or "h". A notebook shows it as
            pictures.

        Raises:
            DataError: a text without a token.
        """
        from seqtasks.inspection.trace import trace
        from seqtasks.inspection.trace_page import ShownTrace

        return ShownTrace(**vars(trace(self._predictor, self.config.task, text, tokens)))

    def __repr__(self) -> str:
        return f"LoadedRun({str(self.path)!r}, task={self.config.task!r})"
