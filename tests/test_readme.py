"""What README.md claims: its outputs, its picture, its tables, its way to the equation.

README.ko.md holds the same commands, files, tables and figures, so what is true of one is true of
the other.
"""

import re
import shlex
from itertools import pairwise, zip_longest
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_docs import README, ROOT, code_blocks, documented_commands, inline_code, named_modules
from test_house import ROOMS, SOURCES, imports

import seqtasks.cells
from seqtasks.cli import main
from seqtasks.config import CONFIGS, load_config
from seqtasks.tasks.registry import TASKS, get_task
from seqtasks.tasks.sources import load_splits

KOREAN = (ROOT / "README.ko.md").read_text(encoding="utf-8")
MOST_WORDS = 3_250


def table_below(heading):
    """The rows of the first table below a heading, cell by cell, without the head."""
    text = README[README.index(f"{heading}\n") :]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


# --- The first minute ----------------------------------------------------------------------------


def test_the_readme_is_read_in_a_few_minutes():
    assert len([word for word in README.split() if re.search(r"\w", word)]) <= MOST_WORDS


def same(expected, found):
    """Whether a line is as README shows it: words equal, scores near, other numbers numbers."""
    for one, other in zip_longest(expected.split(), found.split()):
        if one == other:
            continue
        if one is None or other is None:
            return False
        number = r"[(]?[\d,]+(\.\d+)?(s|m\d+s)?[),:%]*"
        if not (re.fullmatch(number, one) and re.fullmatch(number, other)):
            return False
        if re.fullmatch(r"0\.\d+|1\.0+", one) and abs(float(one) - float(other)) > 0.03:
            return False
    return True


def check_output(shown, printed):
    """Find the shown lines in order; `...` stands for any lines, else they follow each other."""
    rest, skip = list(printed), False
    for line in shown:
        if line == "...":
            skip = True
            continue
        while skip and rest and not same(line, rest[0]):
            rest.pop(0)
        assert rest, f"README shows {line!r}, which isn't printed:\n" + "\n".join(printed)
        found = rest.pop(0)
        assert same(line, found), f"README shows {line!r}, printed is {found!r}"
        skip = False


def test_the_check_of_outputs_notices_what_differs():
    check_output(["a 0.99", "...", "c 3 epochs, 12s: x"], ["a 1.0", "b", "c 5 epochs, 1m02s: x"])
    for shown in (["a 0.5"], ["b"], ["a 1.0 x"], ["...", "d"]):
        with pytest.raises(AssertionError):
            check_output(shown, ["a 1.0", "b"])


@pytest.mark.slow
def test_the_commands_of_the_first_minute_print_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = code_blocks(README, ("console",))
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    assert len(parts) == 3
    for part in parts:
        command, *shown = part.rstrip("\n").split("\n")
        arguments = shlex.split(command)
        assert Path(arguments[0]).name == "seqtasks"
        done = CliRunner().invoke(main, arguments[1:], prog_name="seqtasks")
        assert done.exit_code == 0, done.stderr
        check_output(shown, [line.rstrip() for line in done.stdout.splitlines()])


def test_the_picture_of_a_sentence_shows_its_words_and_their_numbers():
    (picture,) = code_blocks(README, ("text",))
    sentence, words, numbers = (
        re.search(pattern, picture, re.MULTILINE)[1]
        for pattern in (r'^"(.+)"$', r"^ +(i  .+)$", r"^ +(\d+(?: +\d+)+)$")
    )
    config = load_config()
    codec = get_task(config.task).make_codec(config, load_splits(config))
    split = [word.decode() for word in codec.encoder.split([sentence])[0].numpy()]
    assert split == words.split()
    assert codec.encoder([sentence])["ids"][0].numpy().tolist() == list(map(int, numbers.split()))
    model = config.model
    assert f"D = {model.embedding_units}" in picture
    assert f"2 H = {2 * model.units}" in picture


# --- The pages, and the way to the equation ------------------------------------------------------


def test_the_pages_are_named_as_in_the_cells():
    cells = " ".join((seqtasks.cells.__doc__ or "").split())
    rows = table_below("### The pages")
    assert [row[0] for row in rows] == ["000", "001", "002", "003", "004"]
    for number, title, _ in rows:
        name = re.search(r'"(.+?)"', title)[0]
        assert f"{number} {name}" in cells


def test_the_way_to_the_equation_is_one_of_imports():
    text = README[README.index("From the command to the equation") :].split("\n\n")[0]
    files = re.findall(r"`([\w/]+)\.py`", text)
    assert len(files) <= 7
    assert (files[0], files[-1]) == ("cli/train", "cells/lstm")
    graph = imports(SOURCES, types=False, strings=False)
    names = [f"seqtasks.{file.replace('/', '.')}" for file in files]
    for one, other in pairwise(names):
        assert other in graph[one], f"{one} doesn't import {other}"


def test_the_tree_of_modules_is_the_order_of_rooms():
    (tree,) = (block for block in code_blocks(README) if block.startswith("seqtasks/\n"))
    shown = re.findall(r"^  (\w+)/", tree, re.MULTILINE)
    rooms = [room for room in ROOMS if (ROOT / "seqtasks" / room).is_dir()]
    assert shown == rooms


# --- The tables of tasks -------------------------------------------------------------------------


def test_the_table_of_tasks_has_them_all_and_each_starts_with_its_own_command():
    rows = table_below("Every task has the same verbs and archs, and toy data to start with:")
    assert {row[0].strip("`") for row in rows} == set(TASKS) == set(CONFIGS)
    for row in rows:
        (arguments,) = documented_commands(row[-1])
        options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
        files = (Path(options["--config"]),) if "--config" in options else ()
        config = load_config(files, (), {"task": options.get("--task")})
        assert config.task == row[0].strip("`")


def test_each_result_s_configuration_is_there():
    named = re.findall(r"`(configs/[\w.-]+)`", README[README.index("## Results") :])
    assert len(named) >= 8
    assert all((ROOT / path).is_file() for path in named)


# --- How do I add --------------------------------------------------------------------------------


def test_the_lists_of_files_to_touch_are_where_things_are_registered():
    text = README[README.index("How do I add") :]
    cell, task, form = (
        re.findall(r"[`(]((?:seqtasks|tests|configs)/[\w/.]*)[`)]", item)
        for item in re.findall(r"^- \*\*.*?(?=^- \*\*|\n\n)", text, re.MULTILINE | re.DOTALL)
    )
    read = {
        path: (ROOT / path).read_text("utf-8") for path in [*cell, *task, *form] if path[-1] != "/"
    }
    assert '"lstm"' in read["seqtasks/config/arch.py"]
    assert "LayerNormLSTMCell" in read["seqtasks/layers/variants.py"]
    assert '"lstm": LSTM' in read["seqtasks/topologies/recurrent_stack.py"]
    assert '"tagging": Tagging' in read["seqtasks/tasks/registry.py"]
    assert "class TaggingConfig" in read["seqtasks/config/tasks.py"]
    assert "class TaggedDataConfig" in read["seqtasks/config/data_sections.py"]
    assert "TaggedDataConfig" in read["seqtasks/tasks/sources.py"]
    # Nothing else of the package knows what is added there; lessons show some tasks.
    for name in ("tagging", "captioning"):
        knowing = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "seqtasks").rglob("*.py")
            if re.search(rf'"{name}"', path.read_text("utf-8")) and path.parent.name != "lessons"
        }
        named = {"registry": "tasks", "tasks": "config", "space": "experiments"}
        assert knowing == {f"seqtasks/{room}/{file}.py" for file, room in named.items()}


# --- The Korean one ------------------------------------------------------------------------------


def headings(text):
    """The depth of each heading, in order."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", outside, re.MULTILINE)]


def tables(text):
    """Of each table, row by row, what no language changes: code, links and numbers."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = table.splitlines()
        found.append([sorted(re.findall(r"`[^`]+`|\]\([^)]+\)|\d[\d,.]*", row)) for row in rows])
    return found


def fixed_blocks(text):
    """The code blocks, of the tree and the picture only what is named in them."""
    blocks = []
    for block in code_blocks(text):
        if block.startswith("seqtasks/\n"):
            block = re.findall(r"^  (\w+/)", block, re.MULTILINE)
        elif "│" in block:
            named = r"[a-z_.]*[0-9][0-9.]*|seqtasks/\w+/|[►◄]|negative|positive"
            block = re.findall(named, block)
        blocks.append(block)
    return blocks


def test_each_readme_links_to_the_other():
    assert "(README.ko.md)" in README.split("\n\n")[1]
    assert "(README.md)" in KOREAN.split("\n\n")[1]


def test_the_korean_readme_has_the_same_sections_commands_files_and_figures():
    assert headings(KOREAN) == headings(README)
    assert fixed_blocks(KOREAN) == fixed_blocks(README)
    assert documented_commands(KOREAN) == documented_commands(README)
    assert sorted(inline_code(KOREAN)) == sorted(inline_code(README))
    modules = [name for name in named_modules(KOREAN) if "README" not in name]
    assert sorted(modules) == sorted(name for name in named_modules(README) if "README" not in name)
    assert tables(KOREAN) == tables(README)


def test_the_korean_readme_is_korean_and_its_links_lead_to_its_own_sections():
    own = {
        heading.lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", KOREAN, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", KOREAN)) <= own
    prose = re.sub(r"^```.*?^```|^\|.*?$", "", KOREAN, flags=re.MULTILINE | re.DOTALL)
    paragraphs = [part for part in prose.split("\n\n") if len(part) > 60]
    assert len(paragraphs) > 10
    assert all(re.search("[가-힣]", part) for part in paragraphs)


def test_what_the_korean_readme_lacks_is_noticed():
    shorter = README.replace("| `recall` | many to one", "| recall | many to one")
    assert tables(shorter) != tables(README)
    assert fixed_blocks(README.replace("train --arch bilstm", "train")) != fixed_blocks(README)
    assert headings(README.replace("### The pages", "The pages")) != headings(README)
