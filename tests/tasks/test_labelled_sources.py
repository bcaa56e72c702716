"""Where train, validation and test come from, what is in them, and what is refused."""

import csv
import json
import random
import socket
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import ConfigError, DataError
from seqtasks.tasks.labelled_sources import describe, label_names
from seqtasks.tasks.labelled_sources import load_labelled_splits as load_splits


def write_tsv(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_bytes("".join(f"{text}\t{label}\n" for text, label in rows).encode())
    return str(path)


def rows_of(part: LabelledTexts | None) -> list[tuple[str, str]]:
    assert part is not None
    return list(zip(part.texts, part.labels, strict=True))


def error_of(*arguments, **options) -> str:
    with pytest.raises(DataError) as caught:
        load_splits(*arguments, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.fixture
def films() -> list[tuple[str, str]]:
    """Two thousand rows: Korean, English, emoji, and many duplicates, some with two labels."""
    rng = random.Random(5)
    texts = [f"영화 {n} 👍" if n % 2 else f"film {n}" for n in range(1000)]
    return [(rng.choice(texts + ["같은 말"] * 100), rng.choice("01")) for _ in range(2000)]


def test_one_file_is_cut_in_three_without_loss_or_overlap(tmp_path, films):
    source = write_tsv(tmp_path / "films.tsv", films)
    splits = load_splits(source)
    parts = [splits.train, splits.validation, splits.test]
    texts = [set(part.texts) for part in parts if part is not None]
    assert len(texts) == 3
    assert sum(map(len, texts)) == len(set.union(*texts))
    placed = [
        (line, row) for part in parts for line, row in zip(part.lines, rows_of(part), strict=True)
    ]
    assert sorted(placed) == list(enumerate(films, 1))
    for part in parts:
        assert part.lines == sorted(part.lines)
        assert part.source == source


def test_the_shares_are_near_the_fractions(tmp_path):
    source = write_tsv(tmp_path / "a.tsv", [(str(n), str(n % 3)) for n in range(5000)])
    splits = load_splits(source, validation_fraction=0.2, test_fraction=0.05)
    # Five standard deviations of a binomial with n = 5,000.
    assert abs(len(splits.validation) - 1000) < 5 * (5000 * 0.2 * 0.8) ** 0.5
    assert abs(len(rows_of(splits.test)) - 250) < 5 * (5000 * 0.05 * 0.95) ** 0.5


def test_the_cut_is_the_same_for_one_seed_and_another_for_another(tmp_path, films):
    source = write_tsv(tmp_path / "films.tsv", films)
    assert load_splits(source, seed=3) == load_splits(source, seed=3)
    assert load_splits(source, seed=3).test != load_splits(source, seed=4).test


def test_the_cut_is_the_same_in_another_process_and_release(tmp_path):
    source = write_tsv(tmp_path / "a.tsv", [(f"글 {n}", str(n % 2)) for n in range(30)])
    splits = load_splits(source)
    # From coreutils: printf '0\\0글 0' | b2sum -l 64. Another cut would put what an old run was
    # tested on into the train split of a new one.
    assert splits.test is not None
    assert splits.test.lines == [9, 12, 15]
    assert splits.validation.lines == [1, 8, 22]


def test_a_text_stays_where_it_is_when_others_come_and_go(tmp_path, films):
    before = load_splits(write_tsv(tmp_path / "a.tsv", films))
    more = [("새 글", "1"), *reversed(films), ("new", "0")]
    after = load_splits(write_tsv(tmp_path / "b.tsv", more))
    for name in ("train", "validation", "test"):
        old, new = set(getattr(before, name).texts), set(getattr(after, name).texts)
        assert new - old <= {"새 글", "new"}
        assert old <= new


def test_a_test_file_leaves_only_validation_to_carve(tmp_path, films):
    source = write_tsv(tmp_path / "films.tsv", films)
    test = write_tsv(tmp_path / "test.tsv", [("good", "1"), ("bad", "0")])
    splits = load_splits(source, test=test)
    assert rows_of(splits.test) == [("good", "1"), ("bad", "0")]
    assert len(splits.train) + len(splits.validation) == len(films)
    assert not set(splits.train.texts) & set(splits.validation.texts)


def test_a_validation_file_means_no_test(tmp_path, films):
    source = write_tsv(tmp_path / "films.tsv", films)
    validation = write_tsv(tmp_path / "dev.tsv", [("good", "1")])
    splits = load_splits(source, validation=validation)
    assert splits.test is None
    assert rows_of(splits.train) == films
    assert rows_of(splits.validation) == [("good", "1")]


def test_three_files_of_three_formats_are_taken_as_they_are(tmp_path):
    source = write_tsv(tmp_path / "a.tsv", [("좋다", "1"), ("bad", "0")])
    with (tmp_path / "b.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("label", "text"), ("0", "so,\nso")])
    (tmp_path / "c.jsonl").write_text(json.dumps({"text": "ok", "label": 1}))
    splits = load_splits(source, validation=str(tmp_path / "b.csv"), test=str(tmp_path / "c.jsonl"))
    assert rows_of(splits.train) == [("좋다", "1"), ("bad", "0")]
    assert rows_of(splits.validation) == [("so,\nso", "0")]
    assert rows_of(splits.test) == [("ok", "1")]


def test_columns_and_header_reach_every_file(tmp_path):
    for name, text in (("a", "good"), ("b", "bad")):
        content = f"id\treview\tstars\n1\t{text}\t5\n2\t{text}!\t1\n"
        (tmp_path / f"{name}.tsv").write_text(content)
    splits = load_splits(
        str(tmp_path / "a.tsv"),
        validation=str(tmp_path / "b.tsv"),
        text_column=1,
        label_column=2,
        header=True,
    )
    assert rows_of(splits.train) == [("good", "5"), ("good!", "1")]
    assert rows_of(splits.validation) == [("bad", "5"), ("bad!", "1")]


def test_no_test_fraction_means_no_test(tmp_path, films):
    splits = load_splits(write_tsv(tmp_path / "a.tsv", films), test_fraction=0)
    assert splits.test is None
    assert len(splits.train) + len(splits.validation) == len(films)


def test_a_cut_that_leaves_a_split_empty_is_refused(tmp_path):
    source = write_tsv(tmp_path / "a.tsv", [("same", "0"), ("same", "1")])
    message = error_of(source)
    assert source in message
    assert "no example for" in message


def test_a_train_split_of_one_label_is_refused(tmp_path):
    source = write_tsv(tmp_path / "a.tsv", [(str(n), "good") for n in range(100)])
    message = error_of(source)
    assert source in message
    assert "'good'" in message


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a", "b", "a"), "train and test"),
        (("a", "a", "b"), "train and validation"),
        (("a", "b", "b"), "validation and test"),
    ],
)
def test_one_file_for_two_splits_is_refused(tmp_path, films, names, words):
    for name in set(names):
        write_tsv(tmp_path / f"{name}.tsv", films)
    (tmp_path / "folder").mkdir()
    train, validation, test = names
    message = error_of(
        str(tmp_path / f"{train}.tsv"),
        validation=str(tmp_path / f"{validation}.tsv"),
        test=str(tmp_path / "folder" / ".." / f"{test}.tsv"),
    )
    assert words in message


@pytest.mark.parametrize(("validation", "test"), [(0, 0.1), (0.5, 0.5), (0.1, -0.1), (1.2, 0)])
def test_fractions_that_cannot_be_are_refused(validation, test):
    with pytest.raises(ConfigError, match=f"received {validation} and {test}"):
        load_splits("a.tsv", validation_fraction=validation, test_fraction=test)


def test_a_word_that_is_no_file_is_told_how_sets_are_written():
    assert "tfds:NAME" in error_of("imdb_reviews")
    assert "did you mean 'toy_sentiment'?" in error_of("toy_sentimnet")


def test_errors_of_a_file_pass_through(tmp_path, films):
    source = write_tsv(tmp_path / "films.tsv", films)
    (tmp_path / "bad.tsv").write_text("good\t1\nbad\n")
    assert "bad.tsv, line 2: " in error_of(source, test=str(tmp_path / "bad.tsv"))
    assert "did you mean 'films.tsv'?" in error_of(str(tmp_path / "film.tsv"))


def part(labels: list[str], source: str = "a.tsv") -> LabelledTexts:
    return LabelledTexts(["x"] * len(labels), labels, source, list(range(11, 11 + len(labels))))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "-1", "9", "10"], ["-1", "9", "10"]),
        (["10", "9", "many"], ["10", "9", "many"]),
        (["긍정", "부정", "ok", "부정"], ["ok", "긍정", "부정"]),
        (["1.5", "10", "9"], ["1.5", "10", "9"]),
    ],
)
def test_labels_are_sorted_by_value_if_all_are_integers(labels, expected):
    assert label_names(Splits(part(labels), part(labels[:1]), None)) == expected


@pytest.mark.parametrize("where", ["validation", "test"])
def test_a_label_that_train_never_has_is_located(where):
    odd = part(["1", "0", "neutral", "odd"], "other.csv")
    plain = part(["1"])
    splits = Splits(
        part(["1", "0"]),
        odd if where == "validation" else plain,
        odd if where == "test" else plain,
    )
    with pytest.raises(DataError, match=r"^other.csv, line 13: .*'neutral'.*'0, 1'$"):
        label_names(splits)


def test_description_agrees_with_counting_by_hand(tmp_path, films):
    films = [*films, ("", "2"), ("", "10"), ("👩‍👩‍👧", "2")]
    test = write_tsv(tmp_path / "test.tsv", [films[0], ("only here", "1"), films[0]])
    splits = load_splits(write_tsv(tmp_path / "films.tsv", films), test=test)
    described = describe(splits)
    assert json.loads(json.dumps(described)) == described
    assert list(described) == ["train", "validation", "test"]
    train = set(splits.train.texts)
    for name, summary in described.items():
        data = getattr(splits, name)
        lengths = [len(text) for text in data.texts]
        repeated = sum(count - 1 for count in Counter(data.texts).values())
        assert summary["source"] == data.source
        assert summary["examples"] == len(data)
        assert summary["labels"] == Counter(data.labels)
        assert summary["empty_texts"] == data.texts.count("")
        assert summary["duplicates"] == repeated
        cuts = statistics.quantiles(lengths, n=20, method="inclusive")
        assert summary["characters"] == {
            "min": min(lengths),
            "median": statistics.median(lengths),
            "mean": pytest.approx(statistics.fmean(lengths)),
            "p95": pytest.approx(cuts[-1]),
            "max": max(lengths),
        }
        shared = [text for text in data.texts if text in train]
        assert summary["shared_with_train"] == (None if name == "train" else len(shared))
    assert described["validation"]["shared_with_train"] == 0
    assert list(described["train"]["labels"])[:2] == ["0", "1"]


def test_a_split_that_is_not_there_is_not_described():
    described = describe(Splits(part(["1", "0"]), part(["1"]), None))
    assert list(described) == ["train", "validation"]


def test_reading_files_needs_no_tensorflow(tmp_path, films):
    source = write_tsv(tmp_path / "films.tsv", films)
    script = (
        "import sys; import seqtasks.tasks.labelled_sources as s; heavy = {'tensorflow',"
        "'tensorflow_datasets'}; assert not heavy & set(sys.modules);"
        "d = s.load_labelled_splits(sys.argv[1]); s.describe(d); s.label_names(d);"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, source], check=True)


# TFDS sets, prepared once by TFDS itself from texts in memory.

TEXTS = ["좋다", "bad", "", "a\u2028b", "👍", "같은 말"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    tf = pytest.importorskip("tensorflow")
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("tfds")
    named = tfds.features.ClassLabel(names=["neg", "pos"])
    text = tfds.features.Text()

    def store(name: str, features: dict, **splits: dict) -> None:
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            data_dir=folder,
            features=tfds.features.FeaturesDict(features),
            split_datasets={
                split: tf.data.Dataset.from_tensor_slices(data) for split, data in splits.items()
            },
        )

    data = {"review": TEXTS, "stars": [1, 0, 0, 1, 1, 0]}
    withheld = {"review": ["?", "!"], "stars": [-1, -1]}
    review = {"review": text, "stars": named}
    store("whole", review, train=data, validation=withheld | {"stars": [1, 0]}, test=data)
    store("unjudged", review, train=data, test=withheld)
    store("spoilt", review, train=data | {"stars": [1, 0, 0, -1, 1, 0]})
    store("untrained", review, test=data)
    pairs = {"a": TEXTS, "b": TEXTS[::-1], "grade": [3, 1, 2, 3, 1, 2], "name": list("xyxyxy")}
    store(
        "pairs",
        {"a": text, "b": text, "grade": tfds.features.Scalar(tf.int32), "name": text},
        train=pairs,
    )
    return folder


def test_a_tfds_set_keeps_its_splits(sets):
    splits = load_splits("tfds:whole", data_dir=sets)
    expected = sorted(zip(TEXTS, ["pos", "neg", "neg", "pos", "pos", "neg"], strict=True))
    assert sorted(rows_of(splits.train)) == expected
    assert sorted(rows_of(splits.test)) == expected
    assert sorted(rows_of(splits.validation)) == [("!", "neg"), ("?", "pos")]
    assert splits.train.lines == list(range(6))
    assert "tfds:whole" in splits.train.source
    assert load_splits("tfds:whole:1.0.0", data_dir=sets) == load_splits(
        "tfds:whole:1.0.0", data_dir=sets
    )


def test_a_tfds_set_without_validation_has_it_carved(sets):
    splits = load_splits("tfds:unjudged", data_dir=sets, validation_fraction=0.4)
    assert sorted(splits.train.texts + splits.validation.texts) == sorted(TEXTS)
    assert len(splits.validation) > 0
    # Its test labels are all withheld, so it can judge nothing.
    assert splits.test is None


def test_files_go_before_the_splits_of_a_tfds_set(tmp_path, sets):
    file = write_tsv(tmp_path / "dev.tsv", [("good", "pos")])
    splits = load_splits("tfds:whole", validation=file, data_dir=sets)
    assert rows_of(splits.validation) == [("good", "pos")]
    assert len(rows_of(splits.test)) == 6


def test_a_missing_label_in_a_tfds_set_is_located(sets):
    message = error_of("tfds:spoilt", data_dir=sets)
    assert "tfds:spoilt, train, example " in message
    assert "the label is empty" in message


def test_a_tfds_set_without_train_is_refused(sets):
    assert "train; splits: test" in error_of("tfds:untrained", data_dir=sets)


def test_features_are_chosen_by_name_where_their_kinds_leave_a_choice(sets):
    message = error_of("tfds:pairs", data_dir=sets)
    assert "expected one Text feature for the text, found 3" in message
    assert "features: a (Text), b (Text), grade (Scalar), name (Text);" in message
    assert "--text-column" in message
    message = error_of("tfds:pairs", data_dir=sets, text_column="b")
    assert "expected one ClassLabel feature for the label, found 0" in message
    options = {"data_dir": sets, "text_column": "b", "validation_fraction": 0.4}
    splits = load_splits("tfds:pairs", label_column="grade", **options)
    rows = rows_of(splits.train) + rows_of(splits.validation)
    assert sorted(rows) == sorted(zip(TEXTS[::-1], "312312", strict=True))
    splits = load_splits("tfds:pairs", label_column="name", **options)
    rows = rows_of(splits.train) + rows_of(splits.validation)
    assert sorted(rows) == sorted(zip(TEXTS[::-1], "xyxyxy", strict=True))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"text_column": "c"}, "no feature 'c'"),
        ({"text_column": 0}, "no feature 0"),
        ({"text_column": "grade"}, "'grade' can't be the text"),
    ],
)
def test_features_that_do_not_fit_are_refused(sets, options, problem):
    assert problem in error_of("tfds:pairs", data_dir=sets, label_column="grade", **options)


def test_a_damaged_tfds_set_names_its_folder(tmp_path, sets):
    for file in (sets / "whole" / "1.0.0").iterdir():
        if "-train." not in file.name:
            (tmp_path / "whole" / "1.0.0").mkdir(parents=True, exist_ok=True)
            (tmp_path / "whole" / "1.0.0" / file.name).write_bytes(file.read_bytes())
    message = error_of("tfds:whole", data_dir=tmp_path)
    assert "damaged or missing files in" in message
    assert str(tmp_path) in message


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("tfds:imdb_review", "did you mean 'imdb_reviews'"),
        ("tfds:imdb_reviews/nope", "configurations: plain_text"),
        ("tfds:imdb_reviews:9.9.9", "9.9.9, only: 1.0.0."),
        ("tfds:imdb reviews", "expected tfds:NAME[/CONFIG][:VERSION]"),
        ("tfds:", "expected tfds:NAME[/CONFIG][:VERSION]"),
    ],
)
def test_tfds_names_that_cannot_be_are_refused(tmp_path, source, problem):
    assert problem in error_of(source, data_dir=tmp_path)


@pytest.fixture
def prepared(monkeypatch) -> list[str]:
    """What TFDS was asked to download; every download fails."""
    tfds = pytest.importorskip("tensorflow_datasets")
    asked = []

    def download_and_prepare(self) -> None:
        asked.append(self.name)
        print("Downloading and preparing")
        raise ConnectionError("the host\nhung up")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", download_and_prepare)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return asked


def test_without_network_a_download_is_not_even_tried(tmp_path, monkeypatch, prepared):
    def refuse(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    message = error_of("tfds:imdb_reviews", data_dir=tmp_path)
    assert "tfds:imdb_reviews is not on this machine and needs a download" in message
    assert "no network" in message
    assert "--data FILE" in message
    assert prepared == []


@pytest.mark.parametrize("way", ["direct", "proxy", "downloaded"])
def test_with_a_way_to_the_files_the_download_is_tried(
    tmp_path, monkeypatch, capsys, prepared, way
):
    def connect(address, timeout):
        assert way == "direct"
        assert timeout <= 5
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    if way == "proxy":
        monkeypatch.setenv("http_proxy", "http://localhost:9")
    if way == "downloaded":
        (tmp_path / "downloads" / "imdb_reviews").mkdir(parents=True)
        (tmp_path / "downloads" / "imdb_reviews" / "x.tar.gz.INFO.json").touch()
    message = error_of("tfds:imdb_reviews", data_dir=tmp_path)
    assert "can't be prepared here: ConnectionError" in message
    assert prepared == ["imdb_reviews"]
    assert capsys.readouterr().out == ""


def test_the_toy_set_loads_by_its_name(tmp_path, capfd):
    pytest.importorskip("seqtasks.toys.toy_sentiment")
    capfd.readouterr()
    splits = load_splits("toy_sentiment", data_dir=tmp_path)
    assert capfd.readouterr().out == ""
    assert label_names(splits) == ["negative", "positive"]
    assert splits.test is not None
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [8000, 1000, 1000]
    assert not set(splits.train.texts) & set(splits.test.texts)
