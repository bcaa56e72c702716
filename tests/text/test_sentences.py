"""Sentences inside the graph against the same rules in plain Python."""

import unicodedata

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqtasks.text.sentences import split_sentences
from seqtasks.text.splitting import normalise
from seqtasks.toys.toy_sentiment import split_sentences as toy_sentences

# --- The rules once more, without TensorFlow ---------------------------------------------------

LINE_ENDS = "\n\v\f\r\x85\u2028\u2029"
NEVER_LAST = {"Mr", "Mrs", "Ms", "Dr", "e.g", "i.e"}


def is_quote(character):
    return unicodedata.category(character) in ("Ps", "Pe", "Pi", "Pf") or character in "'\""


def is_part_of_a_word(character):
    return unicodedata.category(character)[0] in "LMN"


def normalised(text):
    kept = [
        " " if c.isspace() or unicodedata.category(c) in ("Cc", "Zs", "Zl", "Zp") else c
        for c in text
        if unicodedata.category(c) not in ("Cf",) or c in LINE_ENDS
    ]
    return " ".join("".join(kept).split())


def is_abbreviation(before):
    """Whether the last full stop of `before` is that of an initial or a title."""
    start = len(before) - 1
    while start > 0 and is_part_of_a_word(before[start - 1]):
        start -= 1
    word = before[start:-1]
    if word in NEVER_LAST - {"e.g", "i.e"}:
        return True
    if word in ("g", "e") and before[start - 2 : -1] in NEVER_LAST:
        return start < 3 or not is_part_of_a_word(before[start - 3])
    if not word or word[0] == "I" or unicodedata.category(word[0]) != "Lu":
        return False
    return all(unicodedata.category(c)[0] == "M" for c in word[1:])


def ends_here(line, at):
    """Whether the space at `at` parts two sentences."""
    before, after = line[:at], line[at + 1 :]
    stop = at - 1
    while stop >= 0 and is_quote(before[stop]):
        stop -= 1
    if stop < 0 or before[stop] not in ".!?…。！？":
        return False
    if before[stop] == "." and stop == at - 1 and is_abbreviation(before):
        return False
    letters = (c for c in after if not is_quote(c))
    first = next(letters, "")
    return not (before[stop] in ".…" and first and unicodedata.category(first) == "Ll")


def sentences_of(text):
    for end in LINE_ENDS:
        text = text.replace(end, "\n")
    sentences = []
    for line in map(normalised, text.split("\n")):
        start = 0
        for at, character in enumerate(line):
            if character == " " and ends_here(line, at):
                sentences.append(line[start:at])
                start = at + 1
        sentences.append(line[start:])
    return [sentence for sentence in sentences if sentence]


def decoded(ragged):
    return [[sentence.decode() for sentence in row] for row in ragged.to_list()]


in_graph = tf.function(split_sentences, input_signature=[tf.TensorSpec([None], tf.string)])


def split(*texts):
    return decoded(in_graph(tf.constant(texts, tf.string)))


# --- Cases by hand -----------------------------------------------------------------------------

CASES = {
    "full stops": ("It rained. We left.", ["It rained.", "We left."]),
    "every mark": (
        "A! B? C… D。 E！ F？ G",
        ["A!", "B?", "C…", "D。", "E！", "F？", "G"],
    ),
    "runs of marks": ("No!!! Why?! Well... Yes.", ["No!!!", "Why?!", "Well...", "Yes."]),
    "korean": (
        "정말 좋았다. 하지만 길었다! 왜?",
        ["정말 좋았다.", "하지만 길었다!", "왜?"],
    ),
    "no mark at the end": ("It rained. We left", ["It rained.", "We left"]),
    "closing quotes": (
        "“Go.” He went. 'No!' (Really?) [Yes.] Fine.",
        ["“Go.”", "He went.", "'No!'", "(Really?)", "[Yes.]", "Fine."],
    ),
    "german quotes": ("„Gut.“ Er ging.", ["„Gut.“", "Er ging."]),
    "corner brackets": ("「좋다.」 그는 갔다.", ["「좋다.」", "그는 갔다."]),
    "quote and second mark": ('Did he say "no."? Yes.', ['Did he say "no."?', "Yes."]),
    "opening quote": ("It ends. “Why?” he asked.", ["It ends.", "“Why?”", "he asked."]),
    "small letter behind a quote": ("approx. (one) litre", ["approx. (one) litre"]),
    "numbers": ("Pi is 3.14, not 3. So be it.", ["Pi is 3.14, not 3.", "So be it."]),
    "a number follows": ("It rained. 3 men left.", ["It rained.", "3 men left."]),
    "small letter after a stop": ("It was approx. one hour.", ["It was approx. one hour."]),
    "small letter after dots": ("well... it was… not bad", ["well... it was… not bad"]),
    "small letter after others": ("why? because! yes", ["why?", "because!", "yes"]),
    "for example": (
        "Some, e.g. Tom, left; i.e. Ann stayed.",
        ["Some, e.g. Tom, left; i.e. Ann stayed."],
    ),
    "not for example": ("In the cafe.g. Tom", ["In the cafe.g.", "Tom"]),
    "an initial": ("J. Smith left.", ["J. Smith left."]),
    "several initials": ("By J. R. R. Tolkien, A.B. Cee.", ["By J. R. R. Tolkien, A.B. Cee."]),
    "an initial in brackets": ("Tom (J. Smith) left.", ["Tom (J. Smith) left."]),
    "accented initial": ("É. Zola and E\u0301. Zola.", ["É. Zola and E\u0301. Zola."]),
    "the pronoun": ("So do I. He left.", ["So do I.", "He left."]),
    "a capital ends a word": ("From NASA. He left.", ["From NASA.", "He left."]),
    "a capital behind a number": ("Platform 9B. He left.", ["Platform 9B.", "He left."]),
    "titles": (
        "Mr. Oh met Mrs. Ahn, Ms. Bae and Dr. Cha. Then?",
        ["Mr. Oh met Mrs. Ahn, Ms. Bae and Dr. Cha.", "Then?"],
    ),
    "two titles": ("Mr. Dr. Mr. Dr. Oh left.", ["Mr. Dr. Mr. Dr. Oh left."]),
    "no title": ("Two Kms. Then left.", ["Two Kms.", "Then left."]),
    "a title asked for": ("Which Dr.? Oh.", ["Which Dr.?", "Oh."]),
    "line breaks": (
        "title\nA line\r\n\r\n그리고\x85d\u2028e\u2029f\vg\fh",
        ["title", "A line", "그리고", "d", "e", "f", "g", "h"],
    ),
    "a line ends in an initial": ("J.\nSmith", ["J.", "Smith"]),
    "white space": (" A.\t B. \u00a0 \u3000we. C ", ["A. B. we.", "C"]),
    "control characters": ("One.\x00Two.\x1bThree.\x02x", ["One.", "Two.", "Three. x"]),
    "invisible characters": ("One.\u200b Two\u00ad. \ufeffThree.", ["One.", "Two.", "Three."]),
    "no space behind": ("One.Two.三。四。", ["One.Two.三。四。"]),
    "marks alone": ("! ? . (", ["!", "?", ".", "("]),
    "quotes alone": ("\" ' “ ”", ["\" ' “ ”"]),
    "nothing": ("", []),
    "nothing to see": (" \n\u200b\n \x00", []),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_sentences_are_as_a_reader_would_cut_them(text, expected):
    assert split(text) == [expected]


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_the_rules_in_python_give_the_same_sentences_so_they_can_judge(text, expected):
    assert sentences_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"One.\xffTwo.", ["One.", "Two."]),
        (b"One\xc3. Two \xc3", ["One .", "Two"]),
        ("좋다.".encode()[:-2] + b".", ["좋 ."]),
        (b"\xed\xa0\x80", []),
        (b"One\xc2\nTwo", ["One", "Two"]),
    ],
)
def test_bytes_that_are_not_utf8_count_as_spaces(text, expected):
    assert split(text) == [expected]


# --- Texts that nobody wrote ---------------------------------------------------------------------

WORDS = ["J", "I", "É", "Mr", "Mrs", "Dr", "e.g", "i.e", "one", "Two", "3", "좋다", "e", "g", "ǅ"]
PIECES = st.sampled_from(
    [*WORDS, *WORDS, *".!?…。！？", ". ", ". ", *" \n\t\u2028\x00\u200b('\"”“»"]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=20))
# Python's tables of Unicode and TensorFlow's are of different years.
SETTLED = TEXTS.filter(
    lambda text: all(
        unicodedata.ucd_3_2_0.category(c) == unicodedata.category(c) not in ("Cn", "Cs", "Co")
        and not "\ufe00" <= c <= "\ufe0f"
        for c in text
    )
)


@settings(max_examples=200, deadline=None)
@given(st.lists(SETTLED, max_size=6))
@example(["A. B. C. D. e", "Dr.. J.( x", "Mr.\u200b Oh.\" 'x"])
def test_any_texts_are_cut_by_the_rules(texts):
    assert split(*texts) == [sentences_of(text) for text in texts]


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=40), TEXTS.map(lambda text: text.encode(errors="replace"))))
def test_nothing_is_lost_and_no_sentence_is_empty(data):
    sentences = in_graph(tf.constant([data])).to_list()[0]
    assert b" ".join(sentences) == normalise(tf.constant([data]), lowercase=False).numpy()[0]
    assert all(sentence == sentence.strip() != b"" for sentence in sentences)


def test_the_toy_sentences_come_back_whole_from_the_text_that_they_are_joined_to():
    closed = [
        one.text
        for one in toy_sentences()["test"]
        if one.text[-1] in ".!" and not set(one.text[:-1]) & set(".?!")
    ]
    assert len(closed) > 500
    documents = [closed[at : at + 7] for at in range(0, len(closed), 7)]
    assert split(*[" ".join(document) for document in documents]) == documents


# --- Shapes and places --------------------------------------------------------------------------

BATCH = [text for text, _ in CASES.values()]
EXPECTED = [sentences for _, sentences in CASES.values()]


def test_the_result_has_one_ragged_dimension_also_where_there_are_no_texts():
    for texts in ([], [""], ["A. B.", ""]):
        found = split_sentences(tf.constant(texts, tf.string))
        assert (found.shape.rank, found.ragged_rank) == (2, 1)
        assert found.nrows() == len(texts)


def test_sentences_are_the_same_in_a_dataset_batched_or_not():
    texts = tf.data.Dataset.from_tensor_slices(BATCH)
    batched = texts.batch(5).map(split_sentences).unbatch()
    assert [[s.decode() for s in row.numpy()] for row in batched] == EXPECTED
    alone = texts.map(lambda text: split_sentences(text[tf.newaxis])[0])
    assert [[s.decode() for s in row.numpy()] for row in alone] == EXPECTED


def test_a_saved_model_cuts_as_before_with_stock_operations(tmp_path):
    class Splitter(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, text):
            return split_sentences(text).to_tensor("")

    module = Splitter()
    tf.saved_model.save(module, str(tmp_path), signatures=module.__call__)
    operations = {op.type for op in module.__call__.get_concrete_function().graph.get_operations()}
    assert not {name for name in operations if "Py" in name}
    loaded = tf.saved_model.load(str(tmp_path))
    (padded,) = loaded.signatures["serving_default"](text=tf.constant(BATCH)).values()
    found = [[s.decode() for s in row if s] for row in padded.numpy()]
    assert found == EXPECTED


def test_a_text_of_ten_thousand_sentences_is_cut_whole():
    sentences = [f"Line {number}." for number in range(10_000)]
    assert split(" ".join(sentences), "x") == [sentences, ["x"]]
