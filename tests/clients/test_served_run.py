"""What `seqtasks predict --server` says, from what a server answers; numbers are float32 there."""

import math

import numpy as np
import pytest

from seqtasks.answers import line
from seqtasks.clients.client import Client
from seqtasks.clients.served_run import ServedRun
from seqtasks.errors import DataError, ServingError

LESS = -math.inf


def names(inputs, outputs):
    return {
        "inputs": {key: {} for key in inputs.split()},
        "outputs": {key: {} for key in outputs.split()},
    }


CLASSES = names("text", "label score probabilities"), names("inputs", "classes scores")
SIGNATURES = {
    "films": {"serving_default": CLASSES[0], "classify": CLASSES[1]},
    "long": {
        "serving_default": names("text", "label score probabilities unread empty"),
        "classify": CLASSES[1],
    },
    "papers": {
        "serving_default": CLASSES[0],
        "classify": CLASSES[1],
        "attention": names("text", "words word_weights sentence_weights"),
    },
    "tagger": {"serving_default": names("text", "tokens tags scores lengths")},
    "german": {
        "serving_default": names("text", "translation score"),
        "nbest": names("text k", "translations scores tokens attention source_tokens"),
    },
    "pictures": {
        "serving_default": names("image", "caption score"),
        "encoded": names("image_bytes", "caption score"),
    },
    "novel": {"serving_default": names("text", "continuation"), "continue": names("text", "x")},
    "sums": {"serving_default": names("x", "y")},
    "plain": {"serving_default": names("text", "translation score")},
    "genres": {
        "serving_default": names("text", "labels classes probabilities"),
        "classify": CLASSES[1],
    },
    "stars": {
        "serving_default": names("text", "value"),
        "regress": names("inputs", "outputs"),
    },
    "long genres": {
        "serving_default": names("text", "labels classes probabilities unread empty"),
        "classify": CLASSES[1],
    },
    "long stars": {
        "serving_default": names("text", "value unread empty"),
        "regress": names("inputs", "outputs"),
    },
    "nothing": {"other": names("text", "label")},
}


def shortest(value):
    """A float32 as the protocol writes it."""
    return float(str(np.float32(value)))


class Canned(Client):
    """Gives answers that are easily known, and takes down what it was asked."""

    def __init__(self):
        self.asked = []

    def metadata(self, model, version=None, label=None):
        return {"metadata": {"signature_def": {"signature_def": SIGNATURES[model]}}}

    def status(self, model, version=None, label=None):
        raise AssertionError

    def close(self):
        pass

    def _infer(self, verb, model, version, label, document):
        self.asked.append((verb, document))
        if verb == "classify":
            texts = [example["text"] for example in document["examples"]]
            rows = [[["neg", shortest(0.1 + len(t) / 9)], ["pos", shortest(0.3)]] for t in texts]
            return {"results": rows}
        rows = document.get("instances")
        if model == "papers":
            words = [[["one", "two", ""], ["three", "", ""], ["", "", ""]], [[""] * 3] * 3]
            weights = [[[0.25, 0.12345, 0.0], [0.7, 0.0, 0.0], [0.0] * 3], [[0.0] * 3] * 3]
            shares = [[0.3, 0.7, 0.0], [0.1, 0.0, 0.0]]
            return {
                "outputs": {"words": words, "word_weights": weights, "sentence_weights": shares}
            }
        if model == "tagger":
            found = {"tokens": ["I", "go", ""], "tags": ["P", "V", ""], "lengths": 2}
            none = {"tokens": [""] * 3, "tags": [""] * 3, "lengths": 0, "scores": [0.0] * 3}
            return {"predictions": [{**found, "scores": [0.5, 0.123456, 0.0]}, none][: len(rows)]}
        if model == "long":
            marks = [{"unread": max(len(text) - 3, 0), "empty": not text} for text in rows]
            answer = {"label": "pos", "score": shortest(0.3), "probabilities": [0.1, 0.3]}
            return {"predictions": [{**answer, **one} for one in marks]}
        if model == "genres":
            given = {"": ["", ""], "both": ["drama", "war"], "one": ["war", ""]}
            chances = [shortest(0.1), shortest(0.7)]
            classes = {"classes": ["drama", "war"], "probabilities": chances}
            return {"predictions": [{"labels": given[text], **classes} for text in rows]}
        if model.startswith("long "):
            marks = [{"unread": max(len(text) - 3, 0), "empty": not text} for text in rows]
            answer = {
                "labels": ["war", ""],
                "classes": ["drama", "war"],
                "probabilities": [0.1, 0.7],
            }
            if model == "long stars":
                answer = {"value": 0.5}
            return {"predictions": [{**answer, **one} for one in marks]}
        if model == "stars":
            return {"predictions": [shortest(len(text) / 3) for text in rows]}
        if model == "novel":
            return {"predictions": [f" after {text}" for text in rows]}
        if model == "pictures":
            size = len(rows[0]["image_bytes"])
            return {"predictions": [{"caption": f"{size} bytes", "score": shortest(-0.7)}]}
        if rows:
            return {"predictions": [{"translation": text.upper(), "score": -1.5} for text in rows]}
        k, texts = document["inputs"]["k"], document["inputs"]["text"]
        made = [[f"{t}-1", f"{t}-2", ""][:k] for t in texts]
        tokens = [[["das", "ist", ""], ["x", "y", "z"], [""] * 3][:k] for _ in texts]
        looked = [[[[0.12344, 0.9, 0.0], [0.3, 0.6, 0.1], [0.0] * 3]] * k for _ in texts]
        return {
            "outputs": {
                "translations": made,
                "scores": [[shortest(-0.1), shortest(-0.6), LESS][:k] for _ in texts],
                "tokens": tokens,
                "attention": looked,
                "source_tokens": [["that", "is", ""] for _ in texts],
            }
        }


def f32(value):
    return float(np.float32(value))


def predicted(model, texts, n_best=1, complete=True):
    server = Canned()
    return list(ServedRun(server, model, n_best).predict(texts, complete)), server.asked


def test_classes_have_their_names_and_the_numbers_of_the_model():
    found, asked = predicted("films", ["", "abcdef"])
    first, second = f32(0.1), f32(0.1 + 6 / 9)
    assert found == [
        {
            "text": "",
            "label": "pos",
            "probability": f32(0.3),
            "probabilities": {"neg": first, "pos": f32(0.3)},
        },
        {
            "text": "abcdef",
            "label": "neg",
            "probability": second,
            "probabilities": {"neg": second, "pos": f32(0.3)},
        },
    ]
    assert [list(one) for one in found] == [["text", "label", "probability", "probabilities"]] * 2
    assert asked == [
        ("classify", {"signature_name": "classify", "examples": [{"text": ""}, {"text": "abcdef"}]})
    ]
    assert [line(one) for one in found] == ["pos\t0.3000\t", "neg\t0.7667\tabcdef"]


def test_a_class_says_what_was_not_read_where_the_export_does():
    complete, asked = predicted("long", ["", "abc", "abcd"])
    assert [verb for verb, _ in asked] == ["predict", "classify"]
    brief, asked = predicted("long", ["", "abc", "abcd"], complete=False)
    assert [verb for verb, _ in asked] == ["predict"]
    for found in (complete, brief):
        marks = [{key: one[key] for key in ("unread", "empty") if key in one} for one in found]
        assert marks == [{"empty": True}, {}, {"unread": 1}]
    assert brief[1] == {"text": "abc", "label": "pos", "probability": f32(0.3)}
    assert set(complete[1]) == {"text", "label", "probability", "probabilities"}
    assert line(brief[2]) == "pos\t0.3000\tabcd"


def test_sets_have_the_labels_that_are_given_and_all_probabilities():
    found, asked = predicted("genres", ["", "both", "one"])
    chances = {"drama": f32(0.1), "war": f32(0.7)}
    assert found == [
        {"text": "", "labels": [], "probabilities": chances},
        {"text": "both", "labels": ["drama", "war"], "probabilities": chances},
        {"text": "one", "labels": ["war"], "probabilities": chances},
    ]
    assert [list(one) for one in found] == [["text", "labels", "probabilities"]] * 3
    assert [verb for verb, _ in asked] == ["predict"]
    assert [*map(line, found)] == ["\t\t", "drama|war\t0.1000|0.7000\tboth", "war\t0.7000\tone"]
    # And as `seqtasks client` shows a row.
    row = {"labels": ["war", ""], "classes": ["drama", "war"], "probabilities": [0.1, 0.7]}
    assert line({"text": "one", **row}) == "war\t0.7000\tone"


def test_numbers_are_the_model_s_own():
    found, asked = predicted("stars", ["", "long"])
    assert found == [{"text": "", "value": 0.0}, {"text": "long", "value": f32(4 / 3)}]
    assert [verb for verb, _ in asked] == ["predict"]
    assert [*map(line, found)] == ["0.0000\t", "1.3333\tlong"]


@pytest.mark.parametrize("model", ["long genres", "long stars"])
def test_sets_and_numbers_say_what_was_not_read_where_the_export_does(model):
    found, _ = predicted(model, ["", "abc", "abcd"])
    marks = [{key: one[key] for key in ("unread", "empty") if key in one} for one in found]
    assert marks == [{"empty": True}, {}, {"unread": 1}]
    own = {"labels", "probabilities"} if model == "long genres" else {"value"}
    assert set(found[1]) == {"text"} | own


def test_sentences_and_words_are_weighed_only_where_all_is_asked_for():
    found, _ = predicted("papers", ["One two. Three.", ""])
    assert found[0]["attention"] == [
        {"weight": f32(0.3), "words": [("one", 0.25), ("two", 0.1235)]},
        {"weight": f32(0.7), "words": [("three", 0.7)]},
    ]
    assert found[1]["attention"] == []
    brief, asked = predicted("papers", ["One two. Three.", ""], complete=False)
    assert "attention" not in brief[0]
    assert len(asked) == 1


def test_tags_stand_beside_their_words_without_what_fills_up():
    found, _ = predicted("tagger", ["I go", ""])
    assert found == [
        {"text": "I go", "tokens": ["I", "go"], "tags": ["P", "V"], "probabilities": [0.5, 0.1235]},
        {"text": "", "tokens": [], "tags": [], "probabilities": []},
    ]
    assert [line(one) for one in found] == ["I/P go/V", ""]


def test_translations_come_with_the_others_and_where_the_model_looked():
    (found,), asked = predicted("german", ["a"], n_best=3)
    assert found == {
        "text": "a",
        "translation": "a-1",
        "score": f32(-0.1),
        "alternatives": [("a-2", f32(-0.6))],  # the third has no score: there is none
        "source_tokens": ["that", "is"],
        "target_tokens": ["das", "ist"],
        "attention": [[0.1234, 0.9], [0.3, 0.6]],
    }
    assert asked[0][1]["inputs"] == {"text": ["a"], "k": 3}
    assert line(found) == "a-1\ta-2"


def test_a_translation_alone_is_asked_for_alone():
    found, asked = predicted("german", ["a", "b"], complete=False)
    assert [line(one) for one in found] == ["A", "B"]
    assert asked == [("predict", {"signature_name": "", "instances": ["a", "b"]})]
    complete, asked = predicted("german", ["a", "b"])
    assert [one["alternatives"] for one in complete] == [[], []]
    assert asked[0][1]["inputs"]["k"] == 1


def test_an_image_s_file_is_sent_as_it_is(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    file = str(tmp_path / "a.png")
    (found,), asked = predicted("pictures", [file])
    assert found == {
        "image": file,
        "caption": "4 bytes",
        "score": f32(-0.7),
        "alternatives": [],
    }
    assert asked[0][1]["instances"] == [{"image_bytes": b"\x89PNG"}]
    assert line(found) == f"{file}\t4 bytes"
    with pytest.raises(DataError, match=r"none\.png: can't be read: No such file"):
        predicted("pictures", [str(tmp_path / "none.png")])


def test_texts_are_gone_on_with_one_by_one_since_their_place_matters():
    found, asked = predicted("novel", ["a\n", ""])
    assert found == [
        {"text": "a\n", "continuation": " after a\n"},
        {"text": "", "continuation": " after "},
    ]
    assert [document["instances"] for _, document in asked] == [["a\n"], [""]]
    assert line(found[0]) == "a\n after a\n"


@pytest.mark.parametrize("model", ["sums", "plain", "nothing"])
def test_what_is_no_export_of_a_run_is_told(model):
    with pytest.raises(ServingError, match=f"{model}: no export of a run .*--metadata"):
        ServedRun(Canned(), model)
