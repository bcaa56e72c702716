"""Damage to a run's files: one line that names the file, by every verb that reads it."""

import json
import os
import shutil

import pytest

from seqtasks.errors import RunError, SeqtasksError
from seqtasks.loaded import LoadedRun


def empty(data):
    return b""


def half(data):
    return data[: len(data) // 2]


def turned(data):
    return data[: len(data) // 3] + bytes([data[len(data) // 3] ^ 1]) + data[len(data) // 3 + 1 :]


def not_utf8(data):
    return half(data) + b"\xff\xfe\xc3" + data[len(data) // 2 :]


def bad_line(data):
    lines = data.split(b"\n")
    return b"\n".join([*lines[: len(lines) // 2], b'{"x": ', *lines[len(lines) // 2 :]])


def another_type(data):
    return b"[1, 2]\n"


def null(data):
    return b"null\n"


def another_object(data):
    return (
        b'{"a": 1, "train": [], "packages": 3, "parameters": "x", "scores": [], "accuracy": {}}\n'
    )


def deep(data):
    return b"[" * 100_000 + b"\n"


def zeros(data):
    return bytes(len(data)) + b"\n"


def digits(data):
    return b'{"epoch": ' + b"9" * 5_000 + b"}\n"


ANY = (empty, half, turned, not_utf8, deep, zeros, another_type)
JSON = (empty, half, not_utf8, bad_line, another_type, null, another_object, deep, zeros, digits)

VERBS = {
    "predict": ("predict", "RUN", "a film"),
    "evaluate": ("evaluate", "RUN"),
    "inspect": ("inspect", "RUN", "a film"),
    "compare": ("compare", "RUN"),
    "resume": ("train", "--resume", "RUN", "--epochs", 3),
    "export": ("export", "RUN", "--to", "NOWHERE"),
}
EVERY = tuple(VERBS)
# Of each file: the kinds of damage, and the verbs that need it.
DAMAGED = {
    "config.yaml": ((*ANY, null, another_object, digits), EVERY),
    "checksums.json": ((*JSON, turned), ("predict", "resume")),
    "vocabulary/words.txt": (ANY, ("predict", "resume", "export")),
    "vocabulary/labels.txt": (ANY, ("inspect", "resume")),
    "checkpoints/best.weights.h5": (ANY, ("predict", "evaluate", "resume", "export")),
    "checkpoints/last.npz": (ANY, ("resume",)),
    "metrics.jsonl": (
        (turned, not_utf8, bad_line, another_type, null, another_object, digits, deep),
        ("compare",),
    ),
    "network.json": ((*JSON, turned), ("compare",)),
    "evaluation.json": (JSON, ("compare",)),
    "environment.json": (JSON, ("resume",)),
    "data.json": ((*JSON, turned), ("evaluate", "resume")),
}
CASES = [
    (name, kind, verb)
    for name, (kinds, verbs) in DAMAGED.items()
    for kind in kinds
    for verb in verbs
]
HELP = (
    "restore",
    "remove",
    "anew",
    "expected",
    "unknown key",
    "not UTF-8",
    "not YAML",
    "should be",
)
GONE = {  # files whose absence is noticed, and by which verbs
    "vocabulary/words.txt": ("predict", "resume"),
    "checkpoints/best.weights.h5": ("predict", "evaluate", "resume", "export"),
}


@pytest.fixture(scope="module")
def judged(trained, tmp_path_factory):
    """The trained run as `evaluate` leaves it, to be damaged and mended."""
    run = tmp_path_factory.mktemp("judged") / "films"
    shutil.copytree(trained.run, run)
    (run / "evaluation.json").write_text('{"accuracy": 0.75}\n')
    return run


@pytest.fixture
def damaged(judged):
    """Damage a file of the run; afterwards it is as it was."""
    before = {}

    def damage(name, kind):
        path = judged / name
        before[path] = path.read_bytes()
        changed = kind(before[path])
        assert changed != before[path]
        path.write_bytes(changed)
        return path

    yield damage
    for path, data in before.items():
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(data)


def ask(refused, run, verb):
    nowhere = run.parent / "nowhere"
    words = {"RUN": run, "NOWHERE": nowhere}
    message = refused(*(words.get(word, word) for word in VERBS[verb]))
    assert not nowhere.exists() or not list(nowhere.iterdir())
    return message


@pytest.mark.parametrize(
    ("name", "kind", "verb"), CASES, ids=[f"{n}-{k.__name__}-{v}" for n, k, v in CASES]
)
def test_a_damaged_file_is_named_in_one_line(refused, judged, damaged, contents, name, kind, verb):
    path = damaged(name, kind)
    found = contents(judged)
    message = ask(refused, judged, verb)
    if name == "checksums.json" and kind is turned:  # a checksum of another file, then
        assert str(judged) in message
    else:
        assert str(path) in message
    assert any(word in message for word in HELP), message
    assert contents(judged) == found


@pytest.mark.parametrize(("name", "verb"), [(n, v) for n, verbs in GONE.items() for v in verbs])
def test_a_missing_file_is_named_in_one_line(refused, judged, damaged, name, verb):
    path = damaged(name, empty)
    path.unlink()
    assert str(path) in ask(refused, judged, verb)


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("verb", ["predict", "compare", "resume"])
def test_a_folder_or_a_pipe_in_a_files_place_is_named(refused, judged, damaged, name, verb):
    path = damaged(name, empty)
    path.unlink()
    path.mkdir()
    assert str(judged) in ask(refused, judged, verb)
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        assert str(judged) in ask(refused, judged, verb)  # and doesn't wait for a writer


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl", "checkpoints/last.npz"])
def test_a_damaged_run_is_listed_with_what_is_wrong(succeeds, judged, damaged, name):
    damaged(name, not_utf8)
    (row,) = map(
        json.loads, succeeds("runs", "--runs-dir", judged.parent, "--json").stdout.splitlines()
    )
    assert row["state"] == "damaged"
    assert name in row["problem"]


@pytest.mark.parametrize("kind", [half, turned])
@pytest.mark.parametrize(
    "name", ["config.yaml", "vocabulary/words.txt", "checkpoints/best.weights.h5"]
)
def test_a_program_is_told_the_same(judged, damaged, name, kind):
    path = damaged(name, kind)
    with pytest.raises(SeqtasksError, match=path.name):
        LoadedRun(judged)


def test_settings_that_a_user_may_change_by_hand_are_no_damage(succeeds, refused, copied, tmp_path):
    path = copied / "config.yaml"
    text = path.read_text("utf-8")
    moved = text.replace("source: ", f"source: {tmp_path}/moved/").replace("name: ", "name: new ")
    path.write_text(f"# moved\n{moved}", "utf-8")
    succeeds("compare", copied)
    for line in ("  units: 4\n", "seed: 1\n", "  clip_norm: 1.0\n", "  unit: word+char\n"):
        key, _, value = line.rpartition(": ")
        for changed in (f"{key}: {'char' if 'word' in value else '3'}\n", "\n"):
            path.write_text(text.replace(line, changed, 1), "utf-8")
            message = refused("compare", copied)
            assert message.startswith(f"{path}: damaged, or changed by hand"), line


def test_a_run_whose_metrics_are_lost_still_has_its_state(succeeds, copied):
    known = json.loads(succeeds("compare", copied, "--json").stdout)
    lines = (copied / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    for kept in (lines[:1], []):  # as a kill leaves it between the state and them
        (copied / "metrics.jsonl").write_bytes(b"".join(kept))
        assert json.loads(succeeds("compare", copied, "--json").stdout) == known
    (copied / "metrics.jsonl").unlink()
    assert json.loads(succeeds("compare", copied, "--json").stdout) == known


def test_weights_that_are_lost_are_not_said_to_be_still_to_come(copied):
    (copied / "checkpoints" / "best.weights.h5").unlink()
    with pytest.raises(RunError, match=r"best\.weights\.h5: missing; restore it from a copy"):
        LoadedRun(copied)
