"""The documentation names only commands, options, keys, files and modules that exist."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from seqtasks.cli import main
from seqtasks.cli.options import OPTION_KEYS, configured
from seqtasks.config import load_config
from seqtasks.config.arch import ARCHS
from seqtasks.config.schema import tasks_of
from seqtasks.config.shipped import find_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_SHELL = ("", "sh", "bash", "shell", "console")
_BEFORE = {"time": 0, "nohup": 0, "nice": 2}  # what may stand before a command, and its arguments


def code_blocks(text: str, languages: tuple[str, ...] | None = None) -> list[str]:
    """The code blocks of a Markdown text, or those in some languages."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [code for language, code in found if languages is None or language in languages]


def inline_code(text: str) -> list[str]:
    """The `code` outside of blocks."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [span.strip() for span in re.findall(r"`([^`\n]+)`", outside)]


def simple_commands(line: str) -> Iterator[list[str]]:
    """Split a shell line at its operators; redirections are left out."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split, words.commenters = True, "#"
    command: list[str] = []
    skip = False
    for word in words:
        if set(word) <= set("|&;()"):
            yield command
            command = []
        elif set(word) <= set("<>"):
            skip = True
        elif skip:
            skip = False
        else:
            command.append(word)
    yield command


def our_arguments(command: list[str]) -> list[str] | None:
    """The arguments for seqtasks, if it is seqtasks that the command runs."""
    words = list(command)
    while words and (words[0] in ("$", "%") or re.fullmatch(r"\w+=.*", words[0])):
        words.pop(0)
    while words and words[0] in _BEFORE:
        arguments = _BEFORE[words[0]]
        words = words[1 + (arguments if words[1:2] == ["-n"] else 0) :]
    if words and Path(words[0]).name == "seqtasks":
        return words[1:]
    if words and Path(words[0]).name.startswith("python") and words[1:3] == ["-m", "seqtasks"]:
        return words[3:]
    return None


def documented_commands(text: str) -> list[tuple[str, ...]]:
    """The arguments of every seqtasks command in a Markdown text's shell blocks and inline code."""
    lines = [span for span in inline_code(text) if span.startswith("seqtasks ")]
    for block in code_blocks(text, _SHELL):
        for line in block.replace("\\\n", " ").splitlines():
            prompts = re.search(r"^\s*[$%] ", block, re.MULTILINE)
            if not prompts or re.match(r"\s*[$%] ", line):  # else it is what was printed
                lines.append(line)
    commands = (our_arguments(command) for line in lines for command in simple_commands(line))
    return [tuple(arguments) for arguments in commands if arguments is not None]


def placeholder(word: str) -> bool:
    """Whether a word stands for what a reader fills in, such as RUN, <name> or rnn|lstm."""
    return word.isupper() or bool(re.search(r"[<>…|]|\.\.\.", word))


def check_command(arguments: tuple[str, ...]) -> None:
    """Raise where a command names a verb, an option, a key or a file that doesn't exist."""
    command: click.Command = main
    rest = list(arguments)
    context = click.Context(command, info_name="seqtasks", **main.context_settings)
    while isinstance(command, click.Group):
        _, rest, _ = command.make_parser(context).parse_args(rest)
        if not rest:
            return  # options of the group itself, such as --version
        found = command.get_command(context, rest[0])
        assert found is not None, f"no verb {rest[0]!r} in: seqtasks {' '.join(arguments)}"
        command = found
        context = click.Context(command, info_name=rest.pop(0), parent=context)
    values, left, _ = command.make_parser(context).parse_args(rest)
    assert not left, f"too many arguments {left} in: seqtasks {' '.join(arguments)}"
    for option in command.params:
        value = values.get(option.name or "")
        number = isinstance(option.type, click.types.IntParamType) and isinstance(value, str)
        if number and not placeholder(value):
            values[option.name or ""] = option.type.convert(value, option, context)
    settings = [word for word in values.get("assignments") or () if not placeholder(word)]
    names = [Path(word) for word in values.get("config_files") or () if not placeholder(word)]
    files = [ROOT / name if name.suffix else find_config(name) for name in names]
    archs = (values.get("arch") or "").split(",")  # `compare` takes several
    assert all(not arch or placeholder(arch) or arch in ARCHS for arch in archs), archs
    given = {key: v for key, v in values.items() if key in OPTION_KEYS and not placeholder(str(v))}
    for arch in archs:
        one = {**given, "arch": arch} if "arch" in given else given
        load_config(tuple(files), tuple(settings), configured(one))


def all_options() -> set[str]:
    """Every option of every verb."""

    def of(command: click.Command) -> Iterator[str]:
        context = click.Context(command, **main.context_settings)
        for parameter in command.get_params(context):
            yield from (*parameter.opts, *parameter.secondary_opts)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                yield from of(found)

    return set(of(main))


def check_module(name: str) -> None:
    """Raise where a module's file, its folder or its dotted name doesn't exist."""
    if "/" in name:
        assert (ROOT / name).exists(), f"README.md names {name}, which doesn't exist"
        assert not name.endswith("/") or (ROOT / name).is_dir(), f"{name} is no folder"
        return
    module, _, attribute = name.rpartition(".")
    if find_spec(name) is None:
        loaded = __import__(module, fromlist=[attribute])
        assert hasattr(loaded, attribute), f"README.md names {name}, which doesn't exist"


def named_modules(text: str) -> list[str]:
    """What a Markdown text names: modules by path, dotted name or in a tree, and links to files."""
    spans = inline_code(text)
    paths = [span for span in spans if re.fullmatch(r"(seqtasks|tests)/[\w/.-]*", span)]
    bare = r"(?!seqtasks/|tests/)[a-z_]+(/\w+)*\.py"
    short = [f"seqtasks/{span}" for span in spans if re.fullmatch(bare, span)]
    dotted = [span for span in spans if re.fullmatch(r"seqtasks(\.\w+)+", span)]
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    links = [link if "/" in link else f"./{link}" for link in links]
    return [*paths, *short, *dotted, *links, *tree_modules(text)]


def tree_modules(text: str) -> list[str]:
    """The files and folders of trees, such as `layers/   stacked.py   two and more` by indent."""
    found = []
    for block in code_blocks(text):
        lines = [line for line in block.splitlines() if line.strip()]
        if not lines or lines[0].split()[0] != "seqtasks/":
            continue
        folders: list[tuple[int, str]] = []
        for line in lines:
            bare = re.sub(r"[│├└─]", " ", line)
            indent, first = len(bare) - len(bare.lstrip()), bare.split()[0]
            while folders and folders[-1][0] >= indent:
                folders.pop()
            here = "".join(name for _, name in folders)
            if first.endswith("/"):
                folders.append((indent, first))
                found.append(here + first)
                here += first
            found += [here + word for word in bare.split() if re.fullmatch(r"\w+\.py", word)]
    return found


COMMANDS = sorted(set(documented_commands(README)))
MODULES = sorted(set(named_modules(README)))


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_in_the_readme_can_be_typed(arguments):
    check_command(arguments)


def test_every_option_named_in_the_readme_exists():
    known = all_options()
    for span in inline_code(README):
        if re.match(r"--?[a-z]", span):
            assert span.split()[0].partition("=")[0] in known, f"README.md names {span}"


def test_every_key_set_in_the_readme_exists():
    for span in [*inline_code(README), *code_blocks(README, _SHELL)]:
        for setting in re.findall(r"--set[ =]([\w.]+=[\w.+-]+)", span):
            section, _, key = setting.partition("=")[0].partition(".")
            load_config((), (setting,), {"task": tasks_of(section, key)[0]})


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_file_that_the_readme_names_exists(name):
    check_module(name)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_command_in_a_configs_comments_can_be_typed(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    comments = "\n".join(line.lstrip("# ") for line in lines).replace("\\\n", " ")
    for line in comments.splitlines():
        if line.startswith("seqtasks "):
            check_command(tuple(shlex.split(line)[1:]))


# The checks themselves, on texts that are wrong on purpose.

SAMPLE = """
# Use `seqtasks predict RUN TEXT...`

```sh
git clone https://example.org/seqtasks && cd seqtasks  # not ours
python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/seqtasks train --arch bilstm
printf 'a\\nb\\n' | nice -n 15 seqtasks predict toy --json > out.txt; CUDA_VISIBLE_DEVICES= \\
    python -m seqtasks bench layers --rounds 3
```
```console
$ seqtasks --version
seqtasks 0.1.0
```
```text
seqtasks dance
```
"""


def test_commands_are_found_where_they_are():
    assert documented_commands(SAMPLE) == [
        ("predict", "RUN", "TEXT..."),
        ("train", "--arch", "bilstm"),
        ("predict", "toy", "--json"),
        ("bench", "layers", "--rounds", "3"),
        ("--version",),
    ]
    for arguments in documented_commands(SAMPLE):
        check_command(arguments)


@pytest.mark.parametrize(
    "line",
    [
        "trian",
        "train --unit 3",
        "train extra",
        "train --set model.unit=3",
        "train --set model.units=0",
        "train --arch bilsmt",
        "train --epochs many",
        "train --config configs/no-such-file.yaml",
        "train --config no-such-name",
        "data dance",
        "bench layers --fast",
    ],
)
def test_a_command_that_cant_be_typed_is_noticed(line):
    with pytest.raises(Exception, match=r"\S"):
        check_command(tuple(line.split()))


@pytest.mark.parametrize(
    "line", ["train --config configs/recall-lstm.yaml", "train --config recall-lstm"]
)
def test_a_configuration_is_named_by_its_file_or_as_a_shipped_one(line):
    check_command(tuple(line.split()))


def test_modules_are_found_in_tables_trees_and_links():
    text = """
`cells/rnn.py`, `seqtasks/layers/`, `seqtasks.text.encoder`, [design](docs/design.md)
```
seqtasks/
  cells/      rnn.py lstm.py     the equations
  config.py   typed
```
"""
    assert named_modules(text) == [
        "seqtasks/layers/",
        "seqtasks/cells/rnn.py",
        "seqtasks.text.encoder",
        "docs/design.md",
        "seqtasks/",
        "seqtasks/cells/",
        "seqtasks/cells/rnn.py",
        "seqtasks/cells/lstm.py",
        "seqtasks/config.py",
    ]


@pytest.mark.parametrize(
    "name", ["seqtasks/cells/mamba.py", "seqtasks.text.no_such_name", "seqtasks/nowhere/"]
)
def test_a_module_that_doesnt_exist_is_noticed(name):
    with pytest.raises((AssertionError, ImportError)):
        check_module(name)
