"""The command line as a whole: help, version, unknown verbs, and what it may not import."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from seqtasks import __version__
from seqtasks.cli import main


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = list(commands(main))


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


def test_every_verb_of_the_issue_is_there():
    expected = {("train",), ("evaluate",), ("predict",), ("compare",)}
    expected |= {("data", verb) for verb in ("list", "show", "describe")}
    expected |= {("config", verb) for verb in ("show", "validate", "schema")}
    expected |= {("bench", "layers")}
    assert expected <= set(ALL)


@pytest.mark.parametrize("path", [(), *ALL], ids=" ".join)
def test_help_of_every_verb_names_every_option(succeeds, path):
    command = command_at(path)
    for flag in ("--help", "-h") if path else ("--help",):
        text = succeeds(*path, flag).stdout
        assert text.startswith(f"Usage: {' '.join(('seqtasks', *path))} ")
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert all(name in text for name in parameter.opts)
            else:
                assert parameter.make_metavar(click.Context(command)) in text


@pytest.mark.parametrize("path", [(), *ALL], ids=" ".join)
def test_every_verb_and_every_option_says_what_it_is_for(path):
    command = command_at(path)
    assert (command.help or "").strip()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert (parameter.help or "").strip(), f"{' '.join(path)} {parameter.opts} has no help"


def test_the_overview_lists_the_verbs_in_the_order_of_a_runs_life(succeeds):
    text = succeeds("--help").stdout
    order = [
        "train",
        "evaluate",
        "predict",
        "inspect",
        "compare",
        "sweep",
        "runs",
        "export",
        "serve",
        "client",
        "data",
        "config",
        "lesson",
        "bench",
    ]
    assert [line.split()[0] for line in text.partition("Commands:\n")[2].splitlines()] == order


def test_the_version_is_the_packages(succeeds):
    assert succeeds("--version").stdout == f"seqtasks {__version__}\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("trian",), "'train'"),
        (("evaluat",), "'evaluate'"),
        (("data", "descibe"), "'describe'"),
        (("config", "shwo"), "'show'"),
        (("train", "--unts", "3"), "'--units'"),
        (("train", "--overwite"), "'--overwrite'"),
        (("predict", "--jsn"), "'--json'"),
        (("data", "show", "--splt"), "'--split'"),
        (("--versoin",), "'--version'"),
    ],
    ids=" ".join,
)
def test_an_unknown_verb_or_option_is_refused_with_the_nearest_known_one(refused, words, meant):
    message = refused(*words)
    wrong = next(word for word in words[::-1] if not word.isdecimal())
    assert wrong in message
    assert "did you mean" in message.lower()
    assert meant in message


def test_a_verb_like_no_other_is_refused_without_a_suggestion(refused):
    assert refused("xyzzy") == "No such command 'xyzzy'."


@pytest.mark.parametrize("words", [(), ("data",), ("config",), ("bench",)], ids=" ".join)
def test_a_group_without_a_verb_shows_its_help(seqtasks, words):
    result = seqtasks(*words)
    assert result.exit_code == 2
    assert result.output.startswith("Usage: ")
    assert "Traceback" not in result.output


# Whoever answers these from TensorFlow needs seconds instead of a blink.
LIGHT = [
    ("--help", 0),
    ("--version", 0),
    ("trian", 2),
    ("train --help", 0),
    ("train --units 0", 2),
    ("train --arch bilsmt", 2),
    ("train --set model.unis=3", 2),
    ("train --config nosuch.yaml", 2),
    ("train --resume nosuch", 2),
    ("evaluate --help", 0),
    ("evaluate nosuch", 2),
    ("predict --help", 0),
    ("predict nosuch text", 2),
    ("data list", 0),
    ("config show", 0),
    ("config schema", 0),
    ("config validate nosuch.yaml", 2),
    ("bench layers --help", 0),
]


def test_help_version_and_config_errors_import_nothing_heavy(tmp_path):
    program = f"""
import sys
from click.testing import CliRunner
from seqtasks.cli import main
for line, code in {LIGHT!r}:
    result = CliRunner().invoke(main, line.split(), prog_name="seqtasks")
    assert result.exit_code == code, (line, result.output, result.exception)
    for name in ("tensorflow", "keras", "sklearn", "matplotlib", "tensorflow_datasets"):
        assert name not in sys.modules, (line, name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "code"), [(["--help"], 0), (["--version"], 0), (["train", "--epochs", "0"], 2)]
)
def test_a_real_process_answers_without_tensorflow(tmp_path, words, code):
    command = [sys.executable, "-X", "importtime", "-m", "seqtasks", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "seqtasks.cli" in imported
    assert not {name for name in imported if name.split(".")[0] in ("tensorflow", "keras", "numpy")}


def test_python_m_seqtasks_is_seqtasks(tmp_path):
    def run(*command: str) -> tuple[int, str, str]:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    ours = run(sys.executable, "-m", "seqtasks", "config", "show", "--set", "model.units=0")
    assert ours[0] == 2
    assert ours[2].startswith("Error: --set model.units: ")
    version = run(sys.executable, "-m", "seqtasks", "--version")
    assert version[0] == 0
    assert version[1].endswith(f" {__version__}\n")
