"""A tiny data set, one short training that all tests share, and ways to use the command line."""

import contextlib
import functools
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cases as tiny_cases
import pytest
from click.testing import CliRunner, Result
from graphs import as_traced, without_graphs
from once import once
from pictures import sketched

from seqtasks.cli import main

Seqtasks = Callable[..., Result]


class Trained(NamedTuple):
    """A finished training of two epochs."""

    run: Path
    result: Result


# Verbs that run networks, a few steps of tiny ones: without graphs, unless a test is about them;
# and the one that writes graphs.
_COMPUTING = ("train", "sweep", "compare", "evaluate", "predict", "inspect")
_TRAINING = ("train", "sweep", "compare")
_GRAPHS = {**dict.fromkeys(_COMPUTING, without_graphs), "export": as_traced}


@pytest.fixture(scope="session")
def seqtasks() -> Seqtasks:
    """Run a command line in this process; `graphs` says that its networks run as graphs."""

    def invoke(*arguments: Any, input: bytes | None = None, graphs: bool = False) -> Result:
        words = [str(argument) for argument in arguments]
        verb = "".join(words[:1])
        plain = contextlib.nullcontext if graphs else _GRAPHS.get(verb, contextlib.nullcontext)
        drawn = sketched if verb in _TRAINING and not graphs else contextlib.nullcontext
        with plain(), drawn():
            return CliRunner().invoke(main, words, prog_name="seqtasks", input=input)

    return invoke


@pytest.fixture(scope="session")
def succeeds(seqtasks: Seqtasks) -> Seqtasks:
    """Run a command line that must end well; `noted` matches what it tells the error stream."""

    def invoke(
        *arguments: Any, input: bytes | None = None, noted: str = "", graphs: bool = False
    ) -> Result:
        result = seqtasks(*arguments, input=input, graphs=graphs)
        assert result.exit_code == 0, (result.stdout, result.stderr, result.exception)
        assert re.fullmatch(noted, result.stderr), result.stderr
        return result

    return invoke


@pytest.fixture(scope="session")
def refused(seqtasks: Seqtasks) -> Callable[..., str]:
    """Run a command line that a user got wrong: exit code 2 and one clear line, which is given."""

    def invoke(*arguments: Any, input: bytes | None = None, graphs: bool = False) -> str:
        result = seqtasks(*arguments, input=input, graphs=graphs)
        shown = (result.stdout, result.stderr, repr(result.exception))
        assert result.exit_code == 2, shown
        assert isinstance(result.exception, SystemExit), shown
        lines = [
            line
            for line in result.stderr.splitlines()
            if line.strip() and not line.startswith(("Usage: ", "Try 'seqtasks"))
        ]
        assert len(lines) == 1, shown
        assert lines[0].startswith("Error: "), shown
        assert len(lines[0]) < 700, shown
        return lines[0].removeprefix("Error: ")

    return invoke


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Options for a network that is trained in a second; 4 steps an epoch."""
    return tiny_cases.TINY


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty reviews, English and Korean, in a TSV file; one word of each decides."""
    rng = random.Random(5)
    deciding = {"pos": ["great", "lovely", "좋다"], "neg": ["awful", "dull", "나쁘다"]}
    others = ["the", "film", "was", "story", "영화", "정말", "배우"]
    lines = []
    for number in range(80):
        label = ("neg", "pos")[number % 2]
        words = [*rng.choices(others, k=rng.randint(1, 6)), rng.choice(deciding[label])]
        rng.shuffle(words)
        lines.append(f"{' '.join(words)} {number}\t{label}\n")
    path = tmp_path_factory.mktemp("data") / "films.tsv"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(
    succeeds: Seqtasks,
    films: Path,
    tiny: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """Train two epochs once for all tests, none of which may change the run."""
    base = tmp_path_factory.mktemp("runs")
    place = ("--name", "tiny films", "--runs-dir", base)  # a name that a shell must have quoted
    result = succeeds("train", "--data", films, "--epochs", 2, *place, *tiny)
    return Trained(base / "tiny films", result)


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Path:
    """Give a copy of the trained run that a test may change."""
    return Path(shutil.copytree(trained.run, tmp_path / "runs" / "films"))


@pytest.fixture(scope="session")
def exported(
    trained: Trained, succeeds: Seqtasks, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The trained run exported as ONNX once, checked in a process of its own."""
    target = tmp_path_factory.mktemp("onnx") / "films"
    succeeds("export", trained.run, "--format", "onnx", "--to", target)
    return target


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Read all that is in a folder."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


@pytest.fixture(scope="session")
def cases(
    tmp_path_factory: pytest.TempPathFactory, succeeds: Seqtasks, tiny: tuple[str, ...]
) -> Callable[[str], tuple[Any, Path, list[str], list[str]]]:
    """Each task trained once, when first asked for: its source, its run and texts to try."""

    def trained_on(task: str, source: Any, settings: list[str], folder: Path) -> None:
        data = ("--data", source) if source else ()
        place = ("--name", task, "--runs-dir", folder)
        command = ("train", "--task", task, *data, *place, *tiny, *settings, "--epochs", 1)
        succeeds(*command)

    def made(task: str) -> tuple[Any, Path, list[str], list[str]]:
        settings = [word for key in tiny_cases.MORE.get(task, ()) for word in ("--set", key)]
        written = []

        def make(folder: Path) -> None:
            written.append(write(folder))
            trained_on(task, written[0][0], settings, folder)

        def write(folder: Path) -> Any:
            return getattr(tiny_cases, f"make_{task}")(folder, random.Random(task))

        folder = once(tmp_path_factory, f"run-{task}", make)
        # The other processes write the same data again, to know where they are.
        source, texts = written[0] if written else write(folder)
        return source, folder / task, texts, settings

    return functools.cache(made)
