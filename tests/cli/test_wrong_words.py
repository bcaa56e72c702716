"""Wrong words on the command line: one line before TensorFlow starts, and nothing left behind."""

import os
import zipfile

import pytest

from seqtasks.cli import startup

LONG = "x" * 300
TRAIN = [  # options of a training on good data
    ["--units", "0"], ["--units", "2.5"], ["--units", "9" * 25], ["--units", ""],
    ["--epochs", "-1"],
    ["--seed", "-1"], ["--set", "seed=yes"], ["--arch", "lstmm"], ["--arch", ""], ["--layers", "2"],
    ["--precision", "float64"], ["--name", ""], ["--name", " "], ["--name", "CON"],
    ["--name", "aux.txt"], ["--name", "com1"], ["--name", "a/b"], ["--name", ".."],
    ["--name", "a\nb"], ["--name", "a:b"], ["--name", "x."], ["--name", "x "], ["--name", LONG],
    ["--seeds", "0"], ["--seeds", "1,1"], ["--seeds", "1,,2"], ["--seeds", ""],
    ["--text-column", "9"], ["--label-column", "0"], ["--set", "model.units"], ["--set", "=5"],
    ["--set", "model=5"], ["--set", "model..units=5"], ["--set", "model.units=&a [*a]"],
    ["--set", "training.class_weight={nosuch: 3}"], ["--set", "training.learning_rate=1e39"],
    ["--set", "data.validation=''"], ["--set", "data.validation_fraction=0.95"],
    ["--config", "nosuch.yaml"], ["--config", "folder"], ["--config", "pipe"],
    ["--config", "binary.tsv"], ["--resume", "x", "--overwrite"], ["extra"], ["--units"],
    ["--runs-dir", "good.tsv"], ["--runs-dir", "good.tsv/x"], ["--runs-dir", ""],
    ["--runs-dir", "loop"], ["--runs-dir", "nowhere"], ["--runs-dir", "pipe"],
    ["--test", "pipe"], ["--test", ""], ["--validation", "good.tsv"], ["--validation", "folder"],
]  # fmt: skip
DATA = [
    "nosuch.tsv", "folder", "folder.tsv", "pipe.tsv", "loop", "nowhere", f"{LONG}.tsv",
    "good.tsv/x.tsv", "/dev/null", "", "good.tsv,", "toy_sentimnt", "*.tsv", "empty.tsv",
    "blank.tsv", "binary.tsv",
    "latin.tsv", "utf16.tsv", "one.tsv", "json.tsv", "quote.csv", "header.csv", "array.jsonl",
    "deep.jsonl", "archive.xlsx", "nosuffix", "archive.zip",
]  # fmt: skip
OTHERS = [
    ["predict", "nosuch", "x"], ["predict", "good.tsv", "x"], ["predict", "pipe", "x"],
    ["predict", "RUN", "--file", "folder"], ["predict", "RUN", "x", "--file", "good.tsv"],
    ["predict", "RUN", "--set", "model.units=9", "x"], ["predict", "RUN", "--set", "seed=9", "x"],
    ["predict", "RUN", "--set", "nosuch=9", "x"], ["predict", "RUN", "--server", "ftp://a", "x"],
    ["predict", "RUN", "--tokens", "--server", "http://127.0.0.1:1", "x"],
    ["predict", "RUN", "--file", "good.conllu", "--server", "http://127.0.0.1:1"],
    ["evaluate", "RUN", "--set", "text.unit=char"], ["evaluate", "RUN", "--data", ""],
    ["evaluate", "RUN", "--data", "pipe.tsv"], ["evaluate", "RUN", "--errors", "-1"],
    ["inspect", "RUN"], ["inspect", "RUN", "x", "--npz", "same", "--html", "same"],
    ["inspect", "RUN", "x", "--html", "no/x.html"], ["inspect", "RUN", "x", "--units", "a,b"],
    ["inspect", "RUN", "x", "--data", ""],
    ["compare", "RUN", "RUN"], ["compare", "--arch", ","], ["compare", "--arch", "lstm,lstm"],
    ["compare", "--arch", "lstm", "--name", "CON"], ["compare", "RUN", "--curves", "x.pdf"],
    ["compare", "--over", "model.units=a"], ["runs", "--runs-dir", "nosuch"],
    ["export", "RUN", "--to", ""], ["export", "RUN", "--to", "good.tsv/x"],
    ["export", "RUN", "--to", "pipe"], ["export", "RUN", "--to", "a/CON"],
    ["export", "RUN", "--version", "9" * 25], ["export", "RUN", "--check-only", "nosuch"],
    ["export", "RUN", "--check-only", "folder"],
    ["serve", "--model-base", "pipe"], ["serve", "--model-config-file", "pipe"],
    ["serve", "--enable-batching", "--batching-parameters-file", "pipe"],
    ["serve", "--port", "99999"], ["config", "validate", "pipe"], ["data", "describe", "pipe.tsv"],
]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch, films):
    """A folder of files that are no data, and nothing that starts TensorFlow."""

    def started(*_, **__):
        pytest.fail("TensorFlow was started")

    monkeypatch.setattr(startup, "start_tensorflow", started)
    monkeypatch.chdir(tmp_path)
    good = films.read_text("utf-8")
    objects = '{"text": "good", "label": "a"}\n{"text": "bad", "label": "b"}\n' * 9
    for name, content in {
        "good.tsv": good, "empty.tsv": "", "blank.tsv": "\n \n", "one.tsv": "good\nbad\n" * 9,
        "json.tsv": objects, "quote.csv": 'text,label\n"never closed,a\ngood,b\n',
        "header.csv": "text,label\n", "array.jsonl": "[1]\n" * 9, "deep.jsonl": "[" * 100_000,
        "nosuffix": good, "good.conllu": "1\tDogs\tdog\tNOUN\t_\t_\t0\t_\t_\t_\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(content, "utf-8")
    (tmp_path / "binary.tsv").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "latin.tsv").write_bytes(b"caf\xe9\ta\nbar\tb\n" * 9)
    (tmp_path / "utf16.tsv").write_text(good, "utf-16")
    for name in ("archive.xlsx", "archive.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("x", "y")
    for name in ("folder", "folder.tsv"):
        (tmp_path / name).mkdir()
    for name in ("pipe", "pipe.tsv"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("there is none")
    return tmp_path


pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes and links")


def named(words):
    return " ".join(word[:20] for word in words)


def entries(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("options", TRAIN, ids=named)
def test_an_option_of_a_training(refused, place, options):
    before = entries(place)
    refused("train", "--data", "good.tsv", "--runs-dir", "runs", *options)
    assert entries(place) == before


@pytest.mark.parametrize("name", DATA, ids=lambda name: name[:20])
def test_data(refused, place, name):
    before = entries(place)
    refused("train", "--data", name, "--runs-dir", "runs")
    assert entries(place) == before


@pytest.mark.parametrize("words", OTHERS, ids=named)
def test_other_verbs(refused, place, trained, words):
    before = entries(place)
    refused(*(trained.run if word == "RUN" else word for word in words))
    assert entries(place) == before
