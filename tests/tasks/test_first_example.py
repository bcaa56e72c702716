"""The first example, as it was read, of every form of data."""

import numpy as np

from seqtasks.config import parse_config
from seqtasks.data.images import CaptionedImages
from seqtasks.data.pairs import TextPairs
from seqtasks.data.plain import PlainText
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.tasks.first_example import first_example


def shown(task, part, **text):
    config = parse_config({"task": task, "text": text})
    first, *rest = first_example(config, Splits(part, part, None)).split("\n")
    return first, dict(line.strip().split(": ", 1) for line in rest)


def test_a_text_is_shown_in_its_tokens_beside_its_label():
    part = LabelledTexts(["Fine, 좋다!"], ["pos"], "a.tsv", [7])
    first, told = shown("sentiment", part)
    assert first == "first example, as read (a.tsv, line 7):"
    assert told == {"tokens": "fine | , | 좋다 | !", "label": "pos"}
    assert shown("sentiment", part, unit="char")[1]["tokens"].endswith("▁ | 좋 | 다 | !")


def test_a_long_text_is_cut_and_its_length_said():
    part = LabelledTexts(["a " * 500], ["pos"], "a.tsv", [1])
    tokens = shown("sentiment", part)[1]["tokens"]
    assert tokens.count("a") < 30
    assert "(500 in all)" in tokens


def test_pairs_sentences_images_and_texts_have_their_own_lines():
    pair = TextPairs(["Go now."], ["Va."], "a.tsv", [1])
    for case, target in (("lower", "va | ."), ("restore", "va | ."), ("keep", "Va | .")):
        told = shown("translation", pair, case=case)[1]
        assert told == {"source": "go | now | .", "target": target}
    assert shown("translation", pair, target_unit="char")[1]["target"].lower() == "v | a | ."
    sentence = TaggedSentences([["Ann", " ", "ran"]], [["B", "O", ""]], "a.bio", [1])
    assert shown("tagging", sentence)[1] == {"tokens": "Ann | ' ' | ran", "tags": "B | O |"}
    image = CaptionedImages(np.zeros((1, 2, 3, 1), np.float32), ["cat"], "a.npz", [0])
    assert shown("captioning", image) == (
        "first example, as read (a.npz):",
        {"image": "2 x 3 x 1", "caption": "c | a | t"},
    )
    text = PlainText("\nTo be\nor", "a.txt")
    assert shown("language_model", text)[1] == {"text": "t | o | ▁ | b | e"}
