"""What is built of the tree holds what it should, and shipped configurations are found by name."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from seqtasks.config import load_config, shipped
from seqtasks.config.shipped import find_config, shipped_configs
from seqtasks.errors import ConfigError

ROOT = Path(__file__).parents[1]
PAGE = "configs/README.md"  # what to try when a model isn't good enough
DEPLOYED = {  # beside the configurations: what puts a server, or several trainers, into containers
    "configs/serving/Dockerfile",
    "configs/serving/compose.yml",
    "configs/serving/models.config",
    "configs/serving/monitoring.config",
    "configs/serving/prometheus.yml",
    "configs/training/compose.yml",
}
NOT_PYTHON = {".html", ".json", ".md"}  # suffixes of the files in seqtasks/ that aren't modules


def files(folder):
    """The files of a folder that belong to it, by their paths from the tree's top."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree as a user has it, with what working in it leaves there."""
    copy = tmp_path_factory.mktemp("package") / "tree"
    copy.mkdir()
    for name in (".gitignore", "LICENSE", "README.md", "README.ko.md", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    for name in ("seqtasks", "configs", "tests"):
        shutil.copytree(ROOT / name, copy / name)
    for litter in ("runs/films/config.yaml", "build/seqtasks/cli/x.py", ".venv/pyvenv.cfg"):
        (copy / litter).parent.mkdir(parents=True)
        (copy / litter).touch()
    (copy / "seqtasks" / "__pycache__").mkdir(exist_ok=True)
    (copy / "seqtasks" / "__pycache__" / "runs.cpython-311.pyc").touch()
    return copy


def build(*command, **options):
    command = [sys.executable, "-m", *command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_wheel_holds_the_package_with_its_page_and_the_configurations_and_nothing_else(tree):
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    build("pip", "wheel", *options, "--wheel-dir", str(tree.parent), str(tree))
    (path,) = tree.parent.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
        about = {name.partition(".dist-info/")[2] for name in set(wheel.namelist()) - held}
        page = wheel.read("seqtasks/serving/page.html")
    assert held == files("seqtasks") | {f"seqtasks/{name}" for name in files("configs")}
    code = {name for name in held if name.removeprefix("seqtasks/") not in DEPLOYED}
    assert {Path(name).suffix for name in code} <= {".py", ".yaml", *NOT_PYTHON}
    assert page == (ROOT / "seqtasks" / "serving" / "page.html").read_bytes()
    assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


@pytest.mark.slow
def test_a_source_distribution_holds_the_tree_without_what_work_leaves_in_it(tree):
    build("hatchling", "build", "-t", "sdist", "-d", str(tree.parent), cwd=tree)
    (path,) = tree.parent.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    top = {"LICENSE", "README.md", "README.ko.md", "pyproject.toml", ".gitignore", "PKG-INFO"}
    assert held == files("seqtasks") | files("configs") | files("tests") | top


def test_every_file_of_the_package_is_python_or_known():
    assert {Path(name).suffix for name in files("seqtasks")} <= {".py", *NOT_PYTHON}
    assert {name for name in files("configs") if not name.endswith(".yaml")} == {PAGE, *DEPLOYED}


@pytest.mark.parametrize("name", ["recall-lstm", "recall-lstm.yaml"])
def test_a_shipped_configuration_is_found_by_its_name_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_config(Path(name))
    assert found == ROOT / "configs" / "recall-lstm.yaml"
    assert load_config((found,)).task == "recall"


def test_every_shipped_configuration_has_a_name():
    named = {f"configs/{name}.yaml" for name in shipped_configs()}
    assert named == files("configs") - {PAGE, *DEPLOYED}


def test_a_file_goes_before_a_shipped_configuration_and_a_folder_doesnt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own, folder = Path("recall-lstm"), Path("recall-gru")
    own.write_text("seed: 5")
    folder.mkdir()
    assert find_config(own) == own
    assert find_config(tmp_path / own) == tmp_path / own
    assert find_config(folder) == ROOT / "configs" / "recall-gru.yaml"


def test_in_a_wheel_configurations_are_inside_the_package(tmp_path, monkeypatch):
    inside, beside = tmp_path / "seqtasks" / "configs", tmp_path / "configs"
    for folder in (inside, beside):  # beside the installed package, others' folder
        folder.mkdir(parents=True)
        (folder / "ours.yaml").touch()
    monkeypatch.setattr(shipped, "_PLACES", (inside, beside))
    assert find_config(Path("ours")) == inside / "ours.yaml"
    shutil.rmtree(inside)
    assert find_config(Path("ours")) == beside / "ours.yaml"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("recall-lstn", "(did you mean 'recall-lstm'?); shipped with seqtasks: captioning-gru, "),
        ("configs/recall-lstm.yml", "No such file or directory (did you mean 'recall-lstm'?)"),
        ("xyzzy", "No such file or directory; shipped with seqtasks: captioning-gru, "),
        ("../etc/passwd", "../etc/passwd: can't read the configuration: No such file"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(name, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        find_config(Path(name))
    assert str(error.value).startswith(f"{name}: can't read the configuration: No such file or ")
    assert says in str(error.value)


def test_what_cant_be_looked_at_is_left_to_the_one_who_reads_it(tmp_path):
    endless = tmp_path / ("x" * 300)
    assert find_config(endless) == endless
    assert find_config(tmp_path) == tmp_path
    with pytest.raises(ConfigError, match="File name too long"):
        load_config((find_config(endless),))
