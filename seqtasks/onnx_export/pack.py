"""run.pyz: the part of this package that an ONNX export runs by, in one file (`zipapp`)."""

import importlib.util
import zipfile
from importlib._bootstrap_external import _code_to_hash_pyc  # type: ignore[import-not-found]
from pathlib import Path

# Modules and folders, whose own folders don't belong to them. None of them needs TensorFlow.
PACKED = (
    "__init__.py",
    "version.py",
    "errors.py",
    "answers.py",
    "compare.py",
    "entities.py",
    "runner",
    "clients/__init__.py",
    "clients/client.py",
    "clients/served_run.py",
    "serving/__init__.py",
    "serving/limits.py",
    "serving/status.py",
    "serving/models/__init__.py",
    "serving/models/signature.py",
    "serving/models/stopping.py",
    "serving/protocol/__init__.py",
    "serving/protocol/json_bodies.py",
    "serving/protocol/json_examples.py",
    "serving/protocol/json_pieces.py",
    "serving/protocol/json_tensors.py",
    "serving/protocol/routes.py",
)
_MAIN = """import sys
from pathlib import Path

from seqtasks.runner.app import main

sys.exit(main(Path(__file__).parent.parent, sys.argv[1:]))
"""
_TIME = (2026, 1, 1, 0, 0, 0)  # the same files make the same archive


def write_pyz(path: Path) -> None:
    """Write run.pyz. Python runs it as it is: `python run.pyz`."""
    root = Path(__file__).parents[1]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for file in packed_files(root):
            content = file.read_bytes()
            name = file.relative_to(root.parent).as_posix()
            _add(archive, name, content)
            if file.suffix == ".py":
                _add(archive, f"{name}c", _compiled(content, name))


def packed_files(root: Path) -> list[Path]:
    """The files of the package that are packed."""
    found = []
    for name in PACKED:
        place = root / name
        inside = sorted(place.iterdir()) if place.is_dir() else [place]
        found += [file for file in inside if file.suffix in (".py", ".json")]
    return found


def _compiled(source: bytes, name: str) -> bytes:
    """A module compiled for this Python; another one, which can't read it, takes the source."""
    code = compile(source, name, "exec", dont_inherit=True)
    return bytes(_code_to_hash_pyc(code, importlib.util.source_hash(source), False))


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)
