"""Splitting inside the graph against the same rules in plain Python.

Python's and TensorFlow's tables of Unicode are of different years. What they are compared on is
what both know: characters that Unicode 3.2 has (Python keeps its table) and that are of the same
category today. Lower-casing has no exception: ICU and Python agree on İ (i and a combining dot),
on ẞ and on the two small sigmas too.
"""

import os
import subprocess
import sys
import unicodedata

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.text.splitting import (
    SPACE,
    normalise,
    split_characters,
    split_word_characters,
    split_words,
)

VARIATION_SELECTORS = {chr(code) for code in range(0xFE00, 0xFE10)}


# --- The rules once more, without TensorFlow ---------------------------------------------------


def is_space(character):
    return character.isspace() or unicodedata.category(character) in ("Cc", "Zs", "Zl", "Zp")


def is_invisible(character):
    return unicodedata.category(character) == "Cf" or character in VARIATION_SELECTORS


def is_letter(character):
    return unicodedata.category(character).startswith("L")


def is_mark(character):
    return unicodedata.category(character)[0] in "PS"


def normalised(text):
    visible = (c for c in text.lower() if not is_invisible(c))
    return " ".join("".join(" " if is_space(c) else c for c in visible).split(" ")).strip(" ")


def single_spaced(text):
    return " ".join(part for part in normalised(text).split(" ") if part)


def words_of(text):
    text = single_spaced(text)
    words, word = [], ""
    for at, character in enumerate(text):
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        inside = before and after and is_letter(before) and is_letter(after)
        if character in "'’" and inside:
            word += "'"
        elif character == " " or is_mark(character):
            words += [word, character]
            word = ""
        else:
            word += character
    return [w for w in [*words, word] if w and w != " "]


def characters_of(text):
    return [SPACE if c == " " else c for c in single_spaced(text)]


def decoded(row):
    return [token.decode() for token in row.numpy().tolist()]


TEXTS = [tf.TensorSpec([None], tf.string)]
words_in_graph = tf.function(split_words, input_signature=TEXTS)
characters_in_graph = tf.function(split_characters, input_signature=TEXTS)


def words(text):
    return decoded(words_in_graph(tf.constant([text]))[0])


def characters(text):
    return decoded(characters_in_graph(tf.constant([text]))[0])


# --- Cases by hand -----------------------------------------------------------------------------

CASES = {
    "plain": ("A good film", ["a", "good", "film"]),
    "umlauts": ("ÄRGER Öl ÜBER", ["ärger", "öl", "über"]),
    "greek": ("ΟΔΟΣ ΑΣ", ["οδος", "ας"]),
    "cyrillic": ("ЁЖ Привет", ["ёж", "привет"]),
    "dotted capital i": ("İzmir", ["i\u0307zmir"]),
    "capital sharp s": ("GROẞ", ["groß"]),
    "hangul": ("정말 좋았다", ["정말", "좋았다"]),
    "hangul jamo": ("ㅋㅋ ㅠㅠ", ["ㅋㅋ", "ㅠㅠ"]),
    "mixed": ("영화A는 좋다!", ["영화a는", "좋다", "!"]),
    "japanese": ("映画は良い。", ["映画は良い", "。"]),
    "punctuation": ("Well, (really)...", ["well", ",", "(", "really", ")", ".", ".", "."]),
    "full-width marks": ("좋다！정말？", ["좋다", "！", "정말", "？"]),
    "symbols": ("5€ + 3% = a_b", ["5", "€", "+", "3", "%", "=", "a", "_", "b"]),
    "numbers": ("3.14 1,000", ["3", ".", "14", "1", ",", "000"]),
    "emoji": ("good😀😀film", ["good", "😀", "😀", "film"]),
    "emoji of several people": ("👨\u200d👩\u200d👧", ["👨", "👩", "👧"]),
    "apostrophe": ("Don't l'ami", ["don't", "l'ami"]),
    "curly apostrophe": ("Don’t", ["don't"]),
    "apostrophes at the edges": ("'tis the dogs'", ["'", "tis", "the", "dogs", "'"]),
    "apostrophe and number": ("the '90s 5'6", ["the", "'", "90s", "5", "'", "6"]),
    "apostrophe between Hangul": ("가'나", ["가'나"]),
    "two apostrophes": ("a''b", ["a", "'", "'", "b"]),
    "apostrophes with one letter between": ("Rock'n'roll o'e'e'r", ["rock'n'roll", "o'e'e'r"]),
    "our mark for the apostrophe": ("a\x02b", ["a", "b"]),
    "our mark for the space": ("a▁b", ["a", "▁", "b"]),
    "white space": (" \t a\r\n\n b\u00a0c\u3000d\u2028e\x0bf\x85g ", list("abcdefg")),
    "control characters": ("a\x00b\x01c\x1bd\x7fe\x9ff", list("abcdef")),
    "zero width": ("go\u200bod\ufeff f\u00adilm \u2060", ["good", "film"]),
    "right to left": ("\u202bשלום\u202c עולם\u200f!", ["שלום", "עולם", "!"]),
    "arabic": ("فيلم جيد؟", ["فيلم", "جيد", "؟"]),
    "combining accents": ("cafe\u0301 x\u0300y", ["cafe\u0301", "x\u0300y"]),
    "reserved words": ("[PAD] [UNK]", ["[", "pad", "]", "[", "unk", "]"]),
    "nothing": ("", []),
    "nothing to see": (" \n\u200b\x00 ", []),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_words_are_as_a_reader_would_cut_them(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_the_rules_in_python_give_the_same_words_so_they_can_judge(text, expected):
    assert words_of(text) == expected


@pytest.mark.parametrize("text", [text for text, _ in CASES.values()], ids=CASES)
def test_characters_are_as_a_reader_would_cut_them(text):
    assert characters(text) == characters_of(text)


@pytest.mark.parametrize("text", ["I ❤\ufe0f it", "☺\ufe0f", "a ⭐\ufe0f\ufe0f b"])
def test_an_emoji_is_followed_by_no_invisible_word(text):
    shown = text.replace("\ufe0f", "")
    assert words(text) == words(shown)
    assert characters(text) == characters(shown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a\xffb", ["a", "b"]),
        (b"\xc3 caf\xc3\xa9 \xc3", ["café"]),
        ("좋다".encode()[:-1], ["좋"]),
        ("좋다".encode("cp949"), None),
        (b"\xed\xa0\x80x\xf4\x90\x80\x80y", ["x", "y"]),
        (bytes(range(256)), None),
    ],
    ids=["lone byte", "cut off", "cut syllable", "cp949", "surrogate", "all bytes"],
)
def test_bytes_that_are_not_utf8_count_as_spaces(text, expected):
    found = words(text)
    assert all("\ufffd" not in word for word in found)
    assert found == (words_of(text.decode(errors="replace").replace("\ufffd", " ")))
    if expected is not None:
        assert found == expected


# --- Every character, and texts that nobody wrote -----------------------------------------------

SETTLED = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.ucd_3_2_0.category(character) == unicodedata.category(character)
    and unicodedata.category(character) not in ("Cn", "Cs", "Co")
]


def test_every_settled_character_of_unicode_is_treated_by_the_rules():
    texts = [f"X{character}y" for character in SETTLED]
    found = split_words(tf.constant(texts)).to_list()
    expected = [[word.encode() for word in words_of(text)] for text in texts]
    wrong = [t for t, f, e in zip(texts, found, expected, strict=True) if f != e]
    # A test of its own has the variation selectors.
    assert [ascii(text) for text in wrong if text[1] not in VARIATION_SELECTORS] == []
    assert len(SETTLED) > 90_000


DRAWN = st.text(
    st.one_of(
        st.sampled_from("aZ'’ 좋다.,!?-_\t\n"),
        st.sampled_from(
            "ÄéİΣσßЖ한글ㅋ漢あש؟😀👍🏽❤\u200b\u200d\u00ad\u0301\u00a0\u2028\x00\x02\x85▁"
        ),
        st.sampled_from(SETTLED).filter(lambda c: c not in VARIATION_SELECTORS),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(DRAWN, max_size=5))
def test_any_texts_are_split_by_the_rules(texts):
    batch = tf.constant(texts, tf.string)
    expected = [[word.encode() for word in words_of(text)] for text in texts]
    assert words_in_graph(batch).to_list() == expected
    expected = [[character.encode() for character in characters_of(text)] for text in texts]
    assert characters_in_graph(batch).to_list() == expected


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_give_words_that_are_utf8_without_spaces(data):
    for word in words(data):
        assert word
        assert not any(is_space(character) or is_invisible(character) for character in word)


@settings(max_examples=40, deadline=None)
@given(DRAWN)
def test_normalising_twice_is_normalising_once(text):
    once = normalise(tf.constant([text]))
    assert normalise(once).numpy() == once.numpy()


# --- Shapes and places --------------------------------------------------------------------------


def test_the_characters_of_words_join_to_the_words():
    split = split_words(tf.constant(["Don't 좋다!", "", "😀 a"]))
    spelled = split_word_characters(split)
    assert spelled.shape.rank == 3
    joined = [[b"".join(word) for word in row] for row in spelled.to_list()]
    assert joined == split.to_list()
    assert spelled.to_list()[0][1] == ["좋".encode(), "다".encode()]


@pytest.mark.parametrize("split", [split_words, split_characters])
def test_an_empty_batch_gives_no_rows(split):
    assert split(tf.constant([], tf.string)).to_list() == []


def test_a_line_of_ten_thousand_words_is_split_whole():
    line = " ".join(f"단어{n}," for n in range(10_000))
    found = words(line)
    assert len(found) == 20_000
    assert found[-2:] == ["단어9999", ","]
    assert len(characters(line)) == len(line)


def test_splitting_is_the_same_in_a_graph():
    batch = tf.constant([text for text, _ in CASES.values()])
    assert words_in_graph(batch).to_list() == split_words(batch).to_list()
    assert characters_in_graph(batch).to_list() == split_characters(batch).to_list()


@pytest.mark.slow
def test_a_turkish_machine_lower_cases_as_any_other():
    """ICU asks the process for its language, and a capital I is ı in Turkish."""
    code = (
        "import tensorflow as tf\n"
        "from seqtasks.text.splitting import split_words\n"
        "words = split_words(tf.constant(['TITLE I \u0130']))[0].numpy()\n"
        "print(ascii([word.decode() for word in words]))"
    )
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == ascii(["title", "i", "i\u0307"])
