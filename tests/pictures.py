"""Pictures of trainings that are about something else, drawn in little time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def sketched() -> Iterator[None]:
    """Draw the curves of trainings without axes and letters, which take a third of a tiny training.

    Each picture is made, written and closed as always; how it looks is for tests of inspection.
    """
    from seqtasks.inspection import training_plots

    save = training_plots._save

    def sketch(figure: Any, path: Path) -> None:
        figure.set_layout_engine("none")
        for axes in figure.axes:
            axes.set_axis_off()
            if axes.get_legend():
                axes.get_legend().remove()
            axes.set_title("")
        save(figure, path)

    training_plots._save = sketch
    try:
        yield
    finally:
        training_plots._save = save
