"""Wrong input: one clear line, exit code 2, and nothing left behind."""

import errno
import functools
import json
import shutil
import socket
from pathlib import Path

import pytest
import tensorflow as tf

from seqtasks import runs
from seqtasks.errors import RunError


@pytest.fixture
def refused_training(refused, films, tiny, tmp_path):
    """Train with options that can't be; give what was said, after checking that no run is left."""

    def train(*options, data=films):
        base = tmp_path / "runs"
        message = refused("train", "--data", data, "--runs-dir", base, *tiny, *options)
        assert not base.exists() or not list(base.iterdir())
        return message

    return train


# Data


def test_a_missing_file_is_named_with_the_nearest_one(refused_training, films):
    wrong = films.with_name("film.tsv")
    message = refused_training(data=wrong)
    assert str(wrong) in message
    assert "does not exist" in message
    assert "did you mean 'films.tsv'?" in message


@pytest.mark.parametrize("name", ["empty.tsv", "empty.csv", "empty.jsonl"])
def test_an_empty_file_is_refused(refused_training, tmp_path, name):
    (tmp_path / name).touch()
    message = refused_training(data=tmp_path / name)
    assert str(tmp_path / name) in message
    assert "empty" in message


def test_a_folder_as_data_is_refused(refused_training, tmp_path, monkeypatch):
    (tmp_path / "reviews").mkdir()
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "reviews", "./reviews", "reviews"):
        message = refused_training(data=path)
        assert "reviews" in message
        assert "is a folder" in message
        assert "expected a file" in message


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.tsv", "good film\tpos\nbad film\n", ["line 2", "expected 2", "received 1"]),
        ("a.csv", "text,label\ngood,pos\nbad\n", ["line 3", "expected 2", "received 1"]),
        ("a.jsonl", '{"text": "good", "label": 1}\n{"text": "x"}\n', ["line 2", "'label'"]),
        ("b.jsonl", '{"text": "good", "label": 1}\n{"text":\n', ["line 2", "malformed JSON"]),
        ("b.tsv", "good film\tpos\nbad film\t\n", ["line 2", "label is empty"]),
        ("c.tsv", "good\tpos\nbad\tpos\n" * 40, ["two labels", "'pos'"]),
        ("a.pdf", "good\tpos\n", [".tsv", ".csv", ".jsonl", "'.pdf'"]),
    ],
)
def test_a_malformed_file_is_refused_with_file_and_line(
    refused_training, refused, tmp_path, name, text, said
):
    # Distinct texts, so that a set of one label is cut in three before it is refused.
    lines = [line.replace("\t", f" {n}\t", 1) for n, line in enumerate(text.splitlines())]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    message = refused_training(data=tmp_path / name)
    assert str(tmp_path / name) in message
    assert all(part in message for part in said), message
    assert refused("data", "describe", tmp_path / name) == message


def test_bytes_that_arent_utf_8_are_refused_with_file_and_line(
    refused_training, refused, trained, tmp_path
):
    path = tmp_path / "cp949.tsv"
    path.write_bytes("좋다\tpos\n".encode() + "나쁘다\tneg\n".encode("cp949"))
    for message in (
        refused_training(data=path),
        refused("data", "show", path),
        refused("evaluate", trained.run, "--data", path),
    ):
        assert all(part in message for part in (f"{path}, line 2", "not UTF-8", "iconv"))


def test_a_label_that_only_the_test_data_have_is_refused_with_file_and_line(
    refused_training, refused, trained, films, tmp_path
):
    path = tmp_path / "test.tsv"
    path.write_text("good film\tpos\nodd film\tmixed\n")
    for option in ("--test", "--validation"):
        message = refused_training(option, path)
        assert all(part in message for part in (f"{path}, line 2", "'mixed'", "neg", "pos"))
        assert refused("data", "describe", films, option, path) == message
    message = refused("evaluate", trained.run, "--data", path)
    assert all(part in message for part in (f"{path}, line 2", "'mixed'", "neg", "pos"))


def test_one_file_for_two_splits_is_refused(refused_training, films):
    message = refused_training("--test", films)
    assert all(part in message for part in (str(films), "train", "test"))


def test_a_label_of_two_lines_is_refused_or_works(seqtasks, tiny, tmp_path):
    # labels.txt has a label a line, so such a run could be trained and never be used.
    rows = [{"text": f"film {n}", "label": ("a\nb", "c")[n % 2]} for n in range(60)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    place = ("--runs-dir", tmp_path / "runs", "--name", "a", "--epochs", 1)
    result = seqtasks("train", "--data", path, *tiny, *place)
    if result.exit_code == 2:
        assert result.stderr.startswith(f"Error: {path}, line 1: ")
        assert not (tmp_path / "runs").exists()
    else:
        assert result.exit_code == 0
        assert seqtasks("predict", tmp_path / "runs" / "a", "film").exit_code == 0


def test_an_unknown_set_is_refused_with_the_nearest_one(refused_training):
    assert "did you mean 'toy_sentiment'?" in refused_training(data="toy_sentimnt")
    message = refused_training(data="tfds:imdb_review")
    assert "'imdb_review'" in message
    assert "did you mean 'imdb_reviews'?" in message
    assert "tfds:NAME" in refused_training(data="tfds:")


def test_a_set_that_needs_a_download_is_refused_without_a_network(
    refused_training, refused, tmp_path, monkeypatch
):
    def no_network(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path / "sets"))
    message = refused_training(data="tfds:imdb_reviews")
    assert all(part in message for part in ("tfds:imdb_reviews", "download", "no network"))
    assert "--data FILE" in message
    assert refused("data", "describe", "tfds:imdb_reviews") == message


# Options and configuration


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--units", "0"), ["--units", "greater than or equal to 1", "received 0"]),
        (("--units", "many"), ["--units", "'many'", "integer"]),
        (("--seed", "-1"), ["--seed", "greater than or equal to 0", "received -1"]),
        (("--epochs", "0"), ["--epochs", "greater than or equal to 1", "received 0"]),
        (("--layers", "2"), ["--layers", "bilstm", "stacked-bilstm"]),
        (("--layers", "0"), ["--layers", "received 0"]),
        (("--arch", "bilsmt"), ["--arch", "'bilsmt'", "did you mean 'bilstm'?"]),
        (("--arch", "transformer"), ["--arch", "'transformer'", "expected one of rnn, lstm"]),
        (
            ("--set", "training.learning_rate=abc"),
            ["--set training.learning_rate", "number", "'abc'"],
        ),
        (("--set", "training.learning_rate=0"), ["--set training.learning_rate", "greater than 0"]),
        (("--set", "training.learning_rate=.nan"), ["--set training.learning_rate", "nan"]),
        (("--set", "training.learning_rate=.inf"), ["--set training.learning_rate", "inf"]),
        (("--set", "model.dropout=1"), ["--set model.dropout", "less than 1"]),
        (("--set", "model.unis=4"), ["--set model.unis", "did you mean 'units'?"]),
        (("--set", "modle.units=4"), ["--set modle", "did you mean 'model'?"]),
        (("--set", "model.units"), ["--set model.units", "expected key=value"]),
        (("--set", "=4"), ["--set =4", "expected key=value"]),
        (("--set", "model.units=[4"), ["--set model.units=[4", "YAML"]),
        (("--config", "nosuch.yaml"), ["nosuch.yaml", "No such file"]),
        (("--set", "data.validation_fraction=0.95"), ["validation_fraction", "0.95"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_impossible_option_is_refused(refused_training, options, said):
    message = refused_training(*options)
    assert all(part in message for part in said), message


def test_a_network_too_big_for_the_machine_is_refused(refused_training, monkeypatch):
    def no_room(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr("seqtasks.tasks.sentiment.Sentiment.build", no_room)
    assert "memory" in refused_training("--units", 10**9)


# Runs


def test_a_run_that_isnt_there_is_refused_with_the_nearest_one(refused, trained):
    base = trained.run.parent
    for command in (("evaluate",), ("predict",), ("train", "--resume")):
        for run, options in (("tiny film", ("--runs-dir", base)), (base / "tiny film", ())):
            message = refused(*command, run, *options)
            assert "tiny film" in message
            assert "did you mean 'tiny films'?" in message


def test_what_is_no_run_is_refused(refused, tmp_path, films):
    for command in (("evaluate",), ("predict",), ("train", "--resume")):
        for path in (tmp_path, films):
            message = refused(*command, path)
            assert message.startswith(f"{path}: not a run")
            assert "config.yaml" in message


def test_a_run_with_a_broken_configuration_is_refused(refused, copied):
    path = copied / "config.yaml"
    path.write_text(path.read_text().replace("arch: bilstm", "arhc: bilstm"))
    message = refused("predict", copied, "text")
    assert message.startswith(f"{path}: model.arhc")
    assert "did you mean 'arch'?" in message


def test_a_run_without_weights_is_refused_and_the_advice_works(
    refused, succeeds, copied, films, tmp_path
):
    # What a power cut in the first epoch leaves.
    for path in ("metrics.jsonl", "model_card.md", "checkpoints/best.weights.h5"):
        (copied / path).unlink()
    (copied / "checkpoints" / "last.npz").unlink()
    for verb in ("evaluate", "predict"):
        message = refused(verb, copied)
        assert "no weights" in message
    advised = "--resume" in message
    if advised:
        succeeds("train", "--resume", copied)
        assert (copied / "checkpoints" / "best.weights.h5").is_file()
    else:
        assert "--overwrite" in message or "train" in message
        refused("train", "--resume", copied)


def overwrite_middle(data):
    return data[:600] + b"\xff" * 2400 + data[3000:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no weights at all" * 99,
        lambda data: data[:5000],
        overwrite_middle,
    ],
    ids=["empty", "text", "cut short", "overwritten"],
)
def test_damaged_weights_are_refused(refused, copied, damage):
    path = copied / "checkpoints" / "best.weights.h5"
    path.write_bytes(damage(path.read_bytes()))
    message = refused("predict", copied, "text")
    assert str(path) in message
    assert "damaged" in message


def test_weights_of_another_model_are_refused(refused, copied):
    path = copied / "config.yaml"
    path.write_text(path.read_text().replace("embedding_units: 5", "embedding_units: 6"))
    assert refused("evaluate", copied).startswith(f"{path}: damaged, or changed by hand")
    (copied / "checksums.json").unlink()  # as the message says
    message = refused("evaluate", copied)
    assert str(copied / "checkpoints" / "best.weights.h5") in message
    assert "another model" in message


def repeated(data):
    lines = data.split(b"\n")
    return b"\n".join([*lines[:-2], lines[4], b""])


@pytest.mark.parametrize("name", ["words.txt", "labels.txt"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: None,
        lambda data: b"",
        lambda data: data[: len(data) // 2].rpartition(b"\n")[0] + b"\n",
        lambda data: data + b"one\nmore\n",
        lambda data: data.replace(b"\n", b"\xff\n"),
        lambda data: repeated(data) if data.count(b"\n") > 4 else b"pos\npos\n",
    ],
    ids=["missing", "empty", "cut short", "too long", "not UTF-8", "a line twice"],
)
def test_damaged_vocabularies_are_refused(refused, copied, name, damage):
    path = copied / "vocabulary" / name
    data = damage(path.read_bytes())
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    message = refused("predict", copied, "text")
    # A wrong size only shows where the weights don't fit; then either file may be the culprit.
    assert str(path) in message or "another model" in message


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: b"nothing" * 99, lambda data: data[:1000]],
    ids=["empty", "text", "cut short"],
)
def test_a_damaged_state_cant_be_resumed_and_the_run_stays_as_it_is(
    refused, copied, contents, damage
):
    path = copied / "checkpoints" / "last.npz"
    path.write_bytes(damage(path.read_bytes()))
    before = contents(copied)
    message = refused("train", "--resume", copied, "--epochs", 9)
    assert str(path) in message
    assert "damaged" in message
    assert "pickle" not in message
    assert {**contents(copied), "tensorboard": b""} == {**before, "tensorboard": b""}


def test_a_line_of_metrics_that_was_cut_short_doesnt_keep_a_run_from_going_on(succeeds, copied):
    # What a power cut leaves that comes while the third epoch's line is written.
    path = copied / "metrics.jsonl"
    before = path.read_text()
    path.write_text(before + '{"epoch": 3, "train_loss": 0.6')
    succeeds("train", "--resume", copied, "--epochs", 3)
    assert path.read_text().startswith(before)
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [1, 2, 3]


# Texts


def test_texts_as_arguments_and_a_file_are_too_much(refused, trained, films):
    message = refused("predict", trained.run, "text", "--file", films)
    assert "--file" in message
    assert "not both" in message


def test_a_file_of_texts_that_isnt_there_is_refused(refused, trained, tmp_path):
    assert "nosuch.txt" in refused("predict", trained.run, "--file", tmp_path / "nosuch.txt")
    assert str(tmp_path) in refused("predict", trained.run, "--file", tmp_path)


def test_texts_that_arent_utf_8_are_refused_with_file_and_line(
    refused, seqtasks, trained, tmp_path
):
    data = "좋다\n나쁘다\n".encode() + "나쁘다\n좋다\n".encode("cp949")
    path = tmp_path / "cp949.txt"
    path.write_bytes(data)
    message = refused("predict", trained.run, "--file", path)
    assert all(part in message for part in (str(path), "line 3", "not UTF-8"))
    message = refused("predict", trained.run, input=data)
    assert all(part in message for part in ("input", "line 3", "not UTF-8"))
    # What came before is answered.
    assert seqtasks("predict", trained.run, input=data).stdout.count("\n") == 2


def test_an_argument_that_isnt_utf_8_is_refused(refused, trained):
    # As Python gives the byte ff of a command line.
    assert "not UTF-8" in refused("predict", trained.run, "good", "\udcff")


# Disks


def test_a_file_in_the_place_of_the_runs_folder_is_refused(refused, films, tiny, tmp_path):
    (tmp_path / "runs").write_text("mine")
    for base in (tmp_path / "runs", tmp_path / "runs" / "deeper"):
        message = refused("train", "--data", films, "--runs-dir", base, "--epochs", 1, *tiny)
        assert str(tmp_path / "runs") in message
        assert "runs-dir" in message
    assert (tmp_path / "runs").read_text() == "mine"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("refusing", ["mkdir", "write_text"])
def test_a_disk_that_refuses_a_new_run_is_named_and_nothing_is_left(
    refused_training, monkeypatch, code, refusing
):
    def refuse(path, *_, **__):
        raise OSError(code, "what the disk says", str(path))

    monkeypatch.setattr(Path, refusing, refuse)
    message = refused_training("--epochs", 1)
    assert "what the disk says" in message
    assert "runs" in message
    assert "--runs-dir" in message


def test_a_disk_that_refuses_a_new_run_leaves_the_one_it_would_replace(
    refused, copied, films, tiny, monkeypatch, contents
):
    before = contents(copied)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", functools.partialmethod(no_space))
        place = ("--name", copied.name, "--runs-dir", copied.parent, "--overwrite")
        refused("train", "--data", films, "--epochs", 1, *tiny, *place)
    assert contents(copied) == before


def no_space(path, *_, **__):
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_disk_that_fills_up_while_evaluating_is_named(refused, copied, monkeypatch, contents):
    before = contents(copied)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", functools.partialmethod(no_space))
        message = refused("evaluate", copied)
    assert "No space left on device" in message
    assert contents(copied) == before


def test_a_write_that_breaks_off_leaves_no_file_under_the_final_name(tmp_path):
    path = tmp_path / "config.yaml"
    runs.write_text(path, "old")

    def broken():
        with runs.disk_errors(tmp_path), runs.replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device", str(temporary))

    with pytest.raises(RunError, match="No space left"):
        broken()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"config.yaml": "old"}


def test_a_name_too_long_for_the_disk_is_refused(refused_training):
    assert "name" in refused_training("--name", "n" * 300).lower()


def test_a_run_removed_while_it_is_judged_is_no_traceback(seqtasks, copied, monkeypatch):
    from seqtasks.tasks.sentiment import Sentiment

    real = Sentiment.evaluate

    def evaluate_and_remove(*arguments):
        shutil.rmtree(copied)
        return real(*arguments)

    monkeypatch.setattr(Sentiment, "evaluate", evaluate_and_remove)
    result = seqtasks("evaluate", copied)
    assert result.exit_code == 2, result.exception
    assert str(copied) in result.stderr
