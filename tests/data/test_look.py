"""A look at what was read: what is refused, what is told, and what is left alone."""

import random
from dataclasses import replace

import pytest

from seqtasks.data.columns import Layout
from seqtasks.data.look import check_part, notices
from seqtasks.data.pairs import TextPairs
from seqtasks.data.plain import PlainText
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.errors import DataError

UNSTATED = (None, None)


def labelled(texts, labels, source="a.tsv"):
    return LabelledTexts(list(texts), list(labels), source, list(range(1, len(texts) + 1)))


def tagged(sentences, source="a.bio"):
    tokens = [[token for token, _ in sentence] for sentence in sentences]
    tags = [[tag for _, tag in sentence] for sentence in sentences]
    return TaggedSentences(tokens, tags, source, list(range(1, len(tokens) + 1)))


def refusal(part, layout=Layout(), columns=UNSTATED):  # noqa: B008, it never changes
    with pytest.raises(DataError) as caught:
        check_part(part, layout, columns)
    message = str(caught.value)
    assert message.startswith(part.source)
    assert len(message.splitlines()) == 1
    return message


def told(train, unit="word", target_unit=None, validation=None):
    return notices(Splits(train, validation or train, None), unit, target_unit)


# --- Headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("text", "label"), ("Review", "Sentiment"), ("문장", "라벨")])
def test_a_row_of_names_is_refused_unless_it_was_stated(names):
    part = labelled([names[0], "a", "b"], [names[1], "x", "y"])
    assert "give --header" in refusal(part)
    for stated in (Layout(header=False), Layout(header=True)):
        check_part(part, stated, UNSTATED)
    check_part(labelled(part.texts, part.labels, "a.csv"), Layout(), UNSTATED)


@pytest.mark.parametrize("label", ["pos", "question", "english"])
def test_a_class_that_may_be_a_columns_name_is_a_class(label):
    check_part(labelled(["a film", "another"], [label, "other"]), Layout(), UNSTATED)


def test_a_label_of_row_1_only_is_refused_where_no_other_is_alone():
    texts, labels = [f"t{n}" for n in range(40)], ["q", *"xyz" * 13]
    assert "the label 'q' stands in this row only, beside 't0'" in refusal(labelled(texts, labels))
    check_part(labelled(texts, ["x", *labels[1:]]), Layout(), UNSTATED)
    check_part(labelled(texts, [*labels[1:], "q"]), Layout(), UNSTATED)  # in another row
    check_part(labelled(texts, [*labels[:-1], "r"]), Layout(), UNSTATED)  # others are alone too
    check_part(labelled(texts[:9], labels[:9]), Layout(), UNSTATED)  # too few to tell


def test_a_word_above_numbers_is_a_header():
    part = labelled(["how", *"abcd"], ["grade of it", "1", "2.5", "3", "-1"])
    assert "'grade of it'" in refusal(part)
    check_part(labelled(part.texts[1:], part.labels[1:]), Layout(), UNSTATED)


# --- Columns -------------------------------------------------------------------------------------


def test_texts_and_labels_that_are_exchanged_are_refused():
    texts = [f"a film of {n}" for n in range(60)]
    labels = ["good" if n % 2 else "bad" for n in range(60)]
    message = refusal(labelled(labels, texts))
    assert "give --text-column 1 --label-column 0" in message
    check_part(labelled(texts, labels), Layout(), UNSTATED)
    check_part(labelled(labels, texts), Layout(), (0, 1))  # as it was stated


def test_tags_that_were_read_as_tokens_are_refused_by_their_form_or_their_number():
    few = tagged([[("O", "what"), ("B-X", "Ann")], [("I-X", "Lee")]])
    assert "give data.token_column=1 and data.tag_column=0" in refusal(few)
    many = tagged([[(("N", "V")[n % 2], f"w{n}")] for n in range(50)])
    assert "column 0 looks like tags" in refusal(many)
    check_part(many, Layout(), (0, 1))
    right = tagged(
        [
            [(word, tag) for tag, word in zip(tags, words, strict=True)]
            for tags, words in zip(few.tokens, few.tags, strict=True)
        ]
    )
    check_part(right, Layout(), UNSTATED)
    # A word that is like a tag, in any number of them.
    check_part(tagged([[("O", "O"), ("Romeo", "B-X")]]), Layout(), UNSTATED)


def test_tokens_that_count_are_refused_and_other_numbers_are_told_of():
    for start in (0, 1):
        part = tagged([[(str(n), "X") for n in range(start, start + size)] for size in (3, 2)])
        assert "data.token_column=1" in refusal(part)
        check_part(part, Layout(), (0, None))
    rng = random.Random(1)
    numbers = [[(str(rng.randrange(1000)), "XY"[n % 2]) for n in range(5)] for _ in range(20)]
    check_part(tagged(numbers), Layout(), UNSTATED)
    assert any("the tokens are numbers" in note for note in told(tagged(numbers)))


def test_tokens_that_are_all_one_are_refused():
    assert "all 6 tokens are 'x'" in refusal(tagged([[("x", "A"), ("x", "B")]] * 3))
    message = refusal(tagged([[("_", "A"), ("_", "B")]] * 3, "a.conllu"))
    assert "withheld" in message
    check_part(tagged([[("_", "SYM")]], "a.conllu"), Layout(), UNSTATED)


def test_more_tags_than_half_of_the_tokens_are_told_of():
    part = tagged([[(f"w{n}", f"t{n}")] for n in range(200)])
    assert any("data.tag_column" in note for note in told(part))
    assert not told(tagged([[(f"w{n}", f"t{n % 9}")] for n in range(200)]))


def test_tokens_without_a_tag_are_counted():
    part = tagged([[("a", "X"), ("b", "")], [("c", "Y")]])
    assert told(part) == [
        "a.bio: 1 of 3 tokens are not annotated ('_'); they are neither learnt nor judged"
    ]


# --- Labels and words ----------------------------------------------------------------------------


def test_labels_that_are_nearly_all_distinct_are_told_of():
    texts = [f"film {n % 7}" for n in range(100)]
    assert "different numbers" in told(labelled(texts, [f"{n / 8}" for n in range(100)]))[0]
    assert "--label-column" in told(labelled(texts, [f"word{n}" for n in range(100)]))[0]
    assert not told(labelled(texts, [str(n % 5) for n in range(100)]))
    assert not told(labelled(texts, [f"class{n % 30}" for n in range(100)]))


def test_texts_that_are_all_one_or_numbers_are_told_of():
    labels = ["x", "y"] * 20
    assert "all texts are 'a'" in told(labelled(["a"] * 40, labels))[0]
    assert "--text-column" in told(labelled([str(n) for n in range(40)], labels))[0]


@pytest.mark.parametrize(
    "words",
    [
        ["这部电影真的很好看我喜欢", "今天的剧情一直不错确实"],
        ["この映画は本当に面白かったです", "今日の話はつまらなかった"],
        ["หนังเรื่องนี้สนุกมากจริงๆ", "บทภาพยนตร์น่าเบื่อเหลือเกิน"],
    ],
)
def test_a_script_without_spaces_is_told_of_with_the_unit_that_reads_it(words):
    texts = [f"{words[n % 2]}{words[n % 2]}" for n in range(40)]
    part = labelled(texts, ["x", "y"] * 20)
    (note,) = told(part)
    assert "text.unit=char" in note
    assert not told(part, "char")
    pairs = TextPairs([f"word {n}" for n in range(40)], texts, "a.tsv", list(range(40)))
    (note,) = told(pairs, "word", "word")
    assert "the targets are in a script" in note
    assert "text.target_unit=char" in note
    text = PlainText("\n".join(texts), "a.txt")
    assert "text.unit=char" in told(text)[0]


def test_words_between_spaces_are_words_in_any_script():
    for words in (
        ["정말", "좋은", "영화", "였다"],
        ["我", "很", "喜欢", "电影"],
        ["a", "good", "film"],
    ):
        part = labelled([" ".join(words)] * 20 + [" ".join(words[::-1])] * 20, ["x", "y"] * 20)
        assert not told(part)


def test_a_validation_of_unknown_words_is_told_of():
    train = labelled([f"known words {n}" for n in range(30)], ["x", "y"] * 15)
    foreign = labelled([f"never seen {n}a" for n in range(30)], ["x", "y"] * 15)
    (note,) = told(train, validation=foreign)
    assert "100% of the validation's words are not in the training texts" in note
    assert "text.unit=word+char, or char" in note
    assert not told(train, "char", validation=foreign)
    assert not told(train, validation=train)


def test_many_labels_are_a_note_only_where_each_becomes_a_class():
    numbers = labelled([f"text {n}" for n in range(60)], [str(n) for n in range(60)])
    assert any("becomes a class" in note for note in notices(Splits(numbers, numbers, None)))
    for kind in ("number", "set"):
        given = replace(numbers, kind=kind)
        assert notices(Splits(given, given, None)) == []
