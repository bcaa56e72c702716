"""Files of strangers that were once read in a wrong way, where they are beside the repository."""

from pathlib import Path

import pytest

from seqtasks.config import parse_config
from seqtasks.errors import SeqtasksError
from seqtasks.tasks.sources import load_splits, notices, read_part

CASES = Path(__file__).parents[2] / ".." / "shared" / "cases"
pytestmark = pytest.mark.skipif(
    not CASES.exists(), reason="the cases are not beside the repository"
)

REFUSED = [
    ("sentiment", "header.tsv", {}, "--header"),
    ("sentiment", "header2.tsv", {}, "--header"),
    ("tagging", "tagfirst.bio", {}, "column 0 looks like tags"),
    ("tagging", "naver.tr.tsv", {}, "the tokens of column 0 are numbers"),
    ("tagging", "withheld.conllu", {}, "withheld"),
    ("sentiment", "nested.jsonl", {}, "review.text, meta.label"),
    ("sentiment", "null.jsonl", {}, "bad rows in all"),
    ("translation", "para.en,para.fr", {}, "2 bad rows in all"),
]
NESTED = {"text_column": "review.text", "label_column": "meta.label"}
SWAPPED = {"token_column": 1, "tag_column": 0}
READ = [
    ("sentiment", "header.tsv", {"header": True}, 400, ["negative", "positive"]),
    ("sentiment", "header2.tsv", {"header": True}, 400, ["negative", "positive"]),
    ("sentiment", "semi.csv", {}, 400, ["negative", "positive"]),
    ("sentiment", "nested.jsonl", NESTED, 400, ["negative", "positive"]),
    ("sentiment", "float.jsonl", {}, 400, ["0", "1"]),
    ("sentiment", "null.jsonl", {"on_error": "skip"}, 380, ["negative", "positive"]),
    ("sentiment", "bom.csv", {}, 60, ["neg", "pos"]),
    ("tagging", "tagfirst.bio", SWAPPED, None, ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]),
    (
        "tagging",
        "feats.conllu",
        {"tag_column": "feats"},
        None,
        ["Number=Sing", "NumType=Card", "_"],
    ),
    ("tagging", "klue.tsv", {}, 200, None),
    ("tagging", "klue_nocomment.tsv", {}, 200, None),
    ("tagging", "kaggle.csv", {}, 2, ["B-per", "O"]),
    ("tagging", "odd.conllu", {}, 2, ["ADP", "DET", "INTJ", "VERB"]),
    ("translation", "para.en,para.fr", {"on_error": "skip"}, 498, None),
]


def config_of(task, name, data):
    source = ",".join(str(CASES / one) for one in name.split(","))
    return parse_config({"task": task, "data": {"source": source, **data}})


@pytest.mark.parametrize(("task", "name", "data", "said"), REFUSED)
def test_what_is_not_as_it_seems_is_refused(task, name, data, said):
    config = config_of(task, name, data)
    with pytest.raises(SeqtasksError) as caught:
        read_part(config, config.data.source)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("task", "name", "data", "size", "names"), READ)
def test_what_can_be_read_is(task, name, data, size, names):
    config = config_of(task, name, data)
    part = read_part(config, config.data.source)
    assert size is None or len(part) == size
    if task == "tagging":
        found = {tag for tags in part.tags for tag in tags}
        assert names is None or found == set(names)
    elif names is not None:
        assert sorted(set(part.labels)) == names


def test_texts_of_one_word_are_told_of():
    config = config_of("sentiment", "zh.tsv", {})
    (note,) = notices(config, load_splits(config))
    assert "text.unit=char" in note
