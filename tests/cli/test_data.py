"""`seqtasks data`: what there is, what it looks like, what is in it before training."""

import json
from collections import Counter

import pytest

from seqtasks.config import TASKS, load_config
from seqtasks.toys import TOYS

ROWS = [(f"word{n % 7} film {n}", ("good", "bad", "so-so")[n % 3]) for n in range(60)]


@pytest.fixture(params=["tsv", "csv", "jsonl"])
def source(request, tmp_path):
    """The same rows in each format, as its defaults expect them."""
    path = tmp_path / f"reviews.{request.param}"
    lines = {
        "tsv": [f"{text}\t{label}" for text, label in ROWS],
        "csv": ["text,label", *(f'"{text}",{label}' for text, label in ROWS)],
        "jsonl": [json.dumps({"label": label, "text": text}) for text, label in ROWS],
    }[request.param]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_list_names_the_toy_set_the_formats_and_tfds(succeeds):
    lines = succeeds("data", "list").stdout.splitlines()
    names = {line.split()[0] for line in lines}
    assert names >= {"toy_sentiment", "FILE.tsv", "FILE.csv", "FILE.jsonl", "tfds:NAME"}
    assert names >= {*TOYS, "toy_text", "toy_recall", "digits", "FILE.conllu", "FILE.npz,FILE"}
    tasks = [line for line in lines if not line.startswith(" ")]
    assert tasks == [f"{task}:" for task in TASKS]
    assert all(len(line.split()) > 2 for line in lines if line not in tasks)


def test_show_prints_label_tab_text_of_every_format(succeeds, source):
    shown = succeeds("data", "show", source, "-n", 1000, "--split", "train").stdout.splitlines()
    rows = {f"{label}\t{text}" for text, label in ROWS}
    assert set(shown) < rows
    assert len(shown) == len(set(shown)) > 30


def test_the_three_splits_are_the_file(succeeds, source):
    splits = ("train", "validation", "test")
    shown = [
        line
        for split in splits
        for line in succeeds("data", "show", source, "-n", 1000, "--split", split)
        .stdout.splitlines()
    ]  # fmt: skip
    assert Counter(shown) == Counter(f"{label}\t{text}" for text, label in ROWS)


def test_show_prints_as_many_as_asked(succeeds, source):
    assert len(succeeds("data", "show", source).stdout.splitlines()) == 10
    assert len(succeeds("data", "show", source, "--number", 3).stdout.splitlines()) == 3


def test_describe_counts_what_is_there(succeeds, source):
    facts = json.loads(succeeds("data", "describe", source, "--json").stdout)
    assert sum(facts[split]["examples"] for split in facts) == len(ROWS)
    total = sum((Counter(facts[split]["labels"]) for split in facts), Counter())
    assert total == Counter(label for _, label in ROWS)
    for split, found in facts.items():
        printed = succeeds("data", "show", source, "-n", 1000, "--split", split).stdout.splitlines()
        texts = [line.partition("\t")[2] for line in printed]
        assert found["examples"] == len(texts)
        assert found["characters"]["max"] == max(map(len, texts))
        assert found["characters"]["min"] == min(map(len, texts))
        assert found["tokens"]["max"] == found["tokens"]["min"] == 3
        assert found["duplicates"] == found["empty_texts"] == 0
    # Each text ends in a number of its own, so a third of the other splits' words are unknown, and
    # of train's too, since words that come once are left out of so few texts by choice.
    assert facts["train"]["unknown_rate"] == pytest.approx(1 / 3)
    assert facts["test"]["unknown_rate"] == pytest.approx(1 / 3)
    all_words = ("--set", "text.min_count=1", "--json")
    facts = json.loads(succeeds("data", "describe", source, *all_words).stdout)
    assert facts["train"]["unknown_rate"] == 0


def test_describe_says_it_in_words_too(succeeds, source):
    text = succeeds("data", "describe", source).stdout
    facts = json.loads(succeeds("data", "describe", source, "--json").stdout)
    for split, found in facts.items():
        assert f"{split}: {found['examples']} examples from {source}" in text
        for label, count in found["labels"].items():
            assert f"label {label}: {count} ({count / found['examples']:.1%})" in text
    assert "unknown words: 33.33%" in text


def test_describe_reads_text_as_training_with_the_same_options_would(succeeds, films):
    setting = ("--set", "text.unit=char", "--json")
    facts = json.loads(succeeds("data", "describe", films, *setting).stdout)
    assert facts["train"]["tokens"]["max"] == facts["train"]["characters"]["max"]
    cut = ("--set", "text.max_length=2", "--json")
    cut_facts = json.loads(succeeds("data", "describe", films, *cut).stdout)
    whole = json.loads(succeeds("data", "describe", films, "--json").stdout)
    assert cut_facts["train"]["tokens"] == whole["train"]["tokens"]
    assert cut_facts["train"]["tokens"]["max"] > 2


def test_describe_ends_in_advice_whose_settings_train_chooses(succeeds, tmp_path):
    path = tmp_path / "films.tsv"
    lines = [f"the film {n % 9} was {('bad', 'good')[n % 2]}\t{n % 2}" for n in range(80)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    advice = succeeds("data", "describe", path).stdout.partition("\nAdvice: ")[2]
    for said in ("examples are few", "examples of test say an accuracy", "came before"):
        assert said in advice
    (line,) = (line for line in advice.splitlines() if "train chooses for" in line)
    assert " --set text.min_count=2 " in line
    config = load_config(assignments=tuple(line.split(" --set ")[1:]))
    given = succeeds("data", "describe", path, *line[line.index("--set") :].split()).stdout
    assert "train chooses for" not in given
    assert config.model.pooling == "max"


def test_columns_can_be_named_or_numbered(succeeds, tmp_path):
    path = tmp_path / "films.csv"
    rows = "".join(f'{n},"film {n}, indeed",{n % 2}\n' for n in range(30))
    path.write_text("id,review,stars\n" + rows)
    columns = ("--text-column", "review", "--label-column", "stars", "-n", 100)
    by_name = succeeds("data", "show", path, *columns).stdout
    assert set(by_name.splitlines()) < {f"{n % 2}\tfilm {n}, indeed" for n in range(30)}
    numbers = ("--text-column", 1, "--label-column", 2, "-n", 100)
    assert succeeds("data", "show", path, *numbers).stdout == by_name


def test_a_headerless_csv_and_a_tsv_with_a_header_can_be_read(succeeds, tmp_path):
    rows = [f"film {n},{n % 2}" for n in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    (tmp_path / "a.tsv").write_text("\n".join(["text,label", *rows]).replace(",", "\t"))
    options = ("-n", 100)
    bare = succeeds("data", "show", tmp_path / "a.csv", "--no-header", *options).stdout
    named = succeeds("data", "show", tmp_path / "a.tsv", "--header", *options).stdout
    assert bare == named
    assert "label" not in bare


def test_files_for_the_other_splits_are_shown_whole(succeeds, films, tmp_path):
    test = tmp_path / "test.tsv"
    test.write_text("그 영화\tpos\nthat film\tneg\n", encoding="utf-8")
    shown = succeeds("data", "show", films, "--test", test, "--split", "test").stdout
    assert shown == "pos\t그 영화\nneg\tthat film\n"


def test_a_configuration_says_the_same_as_options(succeeds, films, tmp_path):
    path = tmp_path / "films.yaml"
    path.write_text(f"data:\n  source: {films}\n")
    by_file = succeeds("data", "describe", "--config", path).stdout
    assert by_file == succeeds("data", "describe", films).stdout


def test_an_example_is_one_line_whatever_is_in_its_text(succeeds, tmp_path):
    path = tmp_path / "films.jsonl"
    rows = [{"text": f"{n}\n\t\r\x85\u2028x\x00\x07", "label": n % 2} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = succeeds("data", "show", path, "-n", 5).stdout
    assert shown.count("\n") == 5
    assert all(len(line.split("\t")) == 2 for line in shown.splitlines())


def test_what_is_left_out_is_said_and_counted(seqtasks, refused, tmp_path):
    path = tmp_path / "films.jsonl"
    rows = [{"text": f"film {n}", "label": "ab"[n % 2]} for n in range(60)]
    rows[7]["label"] = rows[30]["label"] = None
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    message = refused("data", "describe", path)
    assert message.startswith(f"{path}, line 8: 'label' must be a string")
    assert "2 bad rows in all; line 31; data.on_error=skip leaves them out" in message
    skip = ("--set", "data.on_error=skip")
    result = seqtasks("data", "describe", path, *skip, "--json")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"Note: {path}: 2 bad rows left out")
    facts = json.loads(result.stdout)
    assert facts["train"]["bad_rows_left_out"] == 2
    assert sum(found["examples"] for found in facts.values()) == 58
    assert "bad_rows_left_out" not in facts["test"]  # of the same file
    assert "bad rows left out: 2" in seqtasks("data", "describe", path, *skip).stdout


def test_a_header_that_nobody_stated_is_refused_and_read_when_it_is(succeeds, refused, tmp_path):
    path = tmp_path / "films.tsv"
    rows = "".join(f"film {n}\t{('bad', 'good')[n % 2]}\n" for n in range(40))
    path.write_text("sentence\tlabel\n" + rows)
    assert "--header" in refused("data", "show", path)
    shown = succeeds("data", "show", path, "--header", "-n", 99).stdout
    assert {line.partition("\t")[0] for line in shown.splitlines()} == {"bad", "good"}
    bare = succeeds("data", "show", path, "--no-header", "-n", 99, "--set", "data.test_fraction=0")
    assert "film" in bare.stdout


def test_a_file_that_is_too_small_to_be_cut_is_shown_whole(seqtasks, refused, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Sentence #,Word,POS,Tag\nSentence: 1,Ann,N,B-PER\n,ran,V,O\n")
    result = seqtasks("data", "show", "--task", "tagging", path)
    assert result.exit_code == 0
    assert result.stdout == "Ann/B-PER ran/O\n"
    assert "all examples are shown" in result.stderr
    other = ("--split", "validation")
    assert "no example for" in refused("data", "show", "--task", "tagging", path, *other)


def test_files_are_looked_at_before_tensorflow_starts(refused, tmp_path, monkeypatch):
    def start(*_, **__):
        raise AssertionError("TensorFlow was started")

    monkeypatch.setattr("seqtasks.cli.startup.start_tensorflow", start)
    cases = {
        "tagging": ("a.bio", "O\twhat\nB-X\tAnn\n", "data.token_column=1"),
        "sentiment": ("a.tsv", "text\tlabel\na\tb\nc\td\n", "--header"),
        "translation": ("b.tsv", "a\tb\nc\t \n", "the target is empty"),
        "captioning": (".", "", "is a folder; give a table"),
    }
    for task, (name, content, said) in cases.items():
        path = tmp_path / name
        if content:
            path.write_text(content)
        for verb in (("data", "describe"), ("train", "--data")):
            assert said in refused(*verb, path, "--task", task)
