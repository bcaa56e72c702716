"""Which words may be copied: learnt from made-up pairs in which it is known which are."""

import random

import pytest
import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.copying import LOOKS, CopyRule
from seqtasks.text.encoder import TextEncoder


def encoder(texts, min_count=2):
    return TextEncoder.from_texts(texts, "word", 999, 999, min_count, 99, 9)


def spelled(rng, letters="bdklmnrstvz"):
    return "".join(rng.choice(letters) + rng.choice("aeiou") for _ in range(3))


def pairs(count=120, names_are_copied=True, seed=1):
    """Texts `WORD sees NAME NUMBER .` and their translations; one word is copied, though small."""
    rng = random.Random(seed)
    sources, targets = [], []
    for number in range(count):
        name = spelled(rng).capitalize()
        other = name if names_are_copied else spelled(rng, "gq").capitalize()
        first = rng.choice(["Dogs", "Cats"]) if number % 2 else spelled(rng).capitalize()
        verb = rng.choice(["sees", "taxi", spelled(rng)])
        sources.append(f"{first} {verb} {name} {number + 100} Paris.")
        verb = "taxi" if verb == "taxi" else "voit"
        targets.append(f"chiens {verb} {other} {number + 100} parigi.")
    return sources, targets


def learn(texts, targets, min_count=2):
    return CopyRule.learn(encoder(texts, min_count), texts, targets)


def may_copy(rule, text):
    source = TextEncoder("word", rule._words)
    words = source.split_as_written(tf.constant([text]))
    return [
        word.decode()
        for word, may in zip(words[0].numpy(), rule(words)[0].numpy(), strict=True)
        if may
    ]


def test_names_numbers_and_what_training_copies_are_copied_and_other_words_are_not():
    rule = learn(*pairs())
    assert rule.copied == ["taxi"]
    found = may_copy(rule, "Zebras quaff Umbriel 17 dogs sees Paris Taxi e4 iPad. Yaks NATO €")
    assert found == ["Umbriel", "17", "Taxi", "e4", "iPad", "NATO", "€"]
    titles = "Zebras! Yaks. Dr. Umbra, J. Ovid. Mr. Quuz? Gnus (Emus"
    assert {"Umbra", "Ovid", "Quuz"} <= set(may_copy(rule, titles))
    assert not {"Zebras", "Yaks", "Gnus", "Emus"} & set(may_copy(rule, titles))


def test_names_that_training_translates_are_not_copied():
    rule = learn(*pairs(names_are_copied=False))
    assert rule.looks == {**LOOKS, "capital": False}
    assert may_copy(rule, "cats quaff Umbriel 17") == ["17"]


def test_first_words_are_copied_where_training_copies_most_of_them():
    sources, targets = pairs()
    named = [f"{text.split()[2]} {text.split()[1]} dogs." for text in sources]
    found = [f"{text.split()[2]} voit chiens." for text in sources]
    assert learn(named, found).looks["first"] is True
    assert learn(named, targets[::-1]).looks["first"] is False


def test_where_no_word_is_rare_what_is_usual_decides():
    texts = ["the dog sees tom", "tom sees the dog"] * 2
    rule = learn(texts, ["le chien voit tom", "tom voit le chien"] * 2)
    assert (rule.looks, rule.copied) == (LOOKS, ["tom"])
    assert may_copy(rule, "Tom sees Xara yak") == ["Tom", "Xara"]


def test_a_script_without_capitals_has_no_names_to_see():
    texts = ["민수는 사과를 먹는다", "제인은 iPad를 본다"] * 2 + ["유리는 3시에 온다"]
    rule = learn(texts, ["Minsu eats", "Jane looks"] * 2 + ["Yuri comes at 3"])
    assert may_copy(rule, "다니엘은 사과를 5 먹는다") == ["5"]


def test_no_text_has_nothing_to_copy():
    rule = learn(*pairs(8))
    assert rule(encoder(["a"]).split_as_written(tf.constant(["", " "]))).to_list() == [[], []]


def test_what_was_learnt_is_saved_and_a_run_of_before_copies_any_word(tmp_path):
    rule = learn(*pairs())
    assert CopyRule.load(tmp_path / "copies.json", rule._words) is None
    rule.save(tmp_path / "copies.json")
    again = CopyRule.load(tmp_path / "copies.json", rule._words)
    assert isinstance(again, CopyRule)
    assert (again.copied, again.looks) == (rule.copied, rule.looks)
    text = "Dogs taxi Umbriel 9 paris"
    assert may_copy(again, text) == may_copy(rule, text) == ["taxi", "Umbriel", "9"]
    for content in ("", "[]", '{"looks": {}, "words": []}'):
        (tmp_path / "copies.json").write_text(content)
        with pytest.raises(RunError, match=r"copies\.json: damaged: expected"):
            CopyRule.load(tmp_path / "copies.json", rule._words)
