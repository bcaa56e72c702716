"""Text that is written: ids of it, and the text of ids again."""

import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqtasks.errors import RunError
from seqtasks.text.splitting import JOINER, SPACE, normalise
from seqtasks.text.target_text import LINE_END, WrittenText, with_end, with_start
from seqtasks.text.vocabulary import END, END_ID, PADDING, START, START_ID, UNKNOWN, Vocabulary

TEXTS = ["J'ai dit non, est-ce clair ?", "정말 좋다!", "", "a  (b)  C.", "non non"]
UNITS = ("word", "char")

each_unit = pytest.mark.parametrize("unit", UNITS)
each_way = pytest.mark.parametrize("verbatim", [False, True], ids=["normalised", "verbatim"])


def written_of(texts, unit, verbatim=False, max_size=10_000, min_count=1, max_length=10_000):
    return WrittenText.from_texts(list(texts), unit, max_size, min_count, max_length, verbatim)


def decoded(tensor):
    return [text.decode() for text in tensor.numpy()]


def tokens_of(written, text):
    return [token.decode() for token in written.split(tf.constant([text]))[0].numpy()]


def there_and_back(written, texts):
    return decoded(written.strings(written.ids(tf.constant(texts, tf.string)).to_tensor()))


def normalised(texts, lowercase=True):
    return decoded(normalise(tf.constant(texts, tf.string), lowercase))


# --- The vocabulary and the ids -----------------------------------------------------------------


def test_a_start_and_an_end_come_before_the_tokens_which_stand_by_frequency():
    written = written_of(["b a b", "b c a"], "word")
    assert written.vocabulary.tokens == [PADDING, UNKNOWN, START, END, "b", "a", "c"]
    assert (START_ID, END_ID, len(written)) == (2, 3, 7)
    assert written.ids(tf.constant(["c b z", ""])).to_list() == [[6, 4, 1], []]


def test_characters_have_ids_and_a_space_is_one_of_them():
    written = written_of(["좋다 좋"], "char")
    assert written.vocabulary.tokens[4:] == ["좋", SPACE, "다"]
    assert written.ids(tf.constant(["다 좋x"])).to_list() == [[6, 5, 4, 1]]


def test_a_vocabulary_respects_its_limits_and_counts_all_texts():
    texts = ["a a a b b c"] + [f"w{n}" for n in range(2_000)]
    assert written_of(texts, "word", max_size=6).vocabulary.tokens[4:] == ["a", "b"]
    assert written_of(texts, "word", min_count=2).vocabulary.tokens[4:] == ["a", "b"]
    assert len(written_of(texts, "word")) == 4 + 3 + 2_000


@each_unit
def test_what_is_longer_is_cut_at_its_end(unit):
    whole, cut = (written_of(TEXTS, unit, max_length=length) for length in (99, 3))
    expected = [row[:3] for row in whole.ids(tf.constant(TEXTS)).to_list()]
    assert cut.ids(tf.constant(TEXTS)).to_list() == expected
    assert max(map(len, whole.ids(tf.constant(TEXTS)).to_list())) > 3


def test_a_vocabulary_that_has_no_start_and_end_is_refused():
    with pytest.raises(RunError, match=r"\[START\] and \[END\] as ids 2 and 3"):
        WrittenText("word", Vocabulary([PADDING, UNKNOWN, "a", "b"]))


@each_unit
@each_way
def test_a_vocabulary_read_back_gives_the_same_ids(tmp_path, unit, verbatim):
    texts = [*TEXTS, "line\nend\r", "\x85"]
    written = written_of(texts, unit, verbatim)
    written.save(tmp_path / "deep" / "target.txt")
    vocabulary = Vocabulary.load(tmp_path / "deep" / "target.txt")
    again = WrittenText(unit, vocabulary, verbatim=verbatim)
    ids = written.ids(tf.constant(texts)).to_list()
    assert again.ids(tf.constant(texts)).to_list() == ids
    assert not any(id_ < 4 for row in ids for id_ in row)


def test_a_decoder_reads_the_start_and_must_answer_the_end():
    ids = tf.ragged.constant([[7, 8, 5], [], [9]], dtype=tf.int32)
    before, after = with_start(ids), with_end(ids)
    assert before.numpy().tolist() == [[2, 7, 8, 5], [2, 0, 0, 0], [2, 9, 0, 0]]
    assert after.numpy().tolist() == [[7, 8, 5, 3], [3, 0, 0, 0], [9, 3, 0, 0]]
    assert before.dtype == after.dtype == tf.int32


# --- Texts of ids -------------------------------------------------------------------------------


def test_words_are_joined_as_they_stood():
    written = written_of(TEXTS, "word")
    assert tokens_of(written, TEXTS[0]) == [
        *(f"j'{JOINER}", "ai", "dit", "non", f"{JOINER},", "est", f"{JOINER}-ce", "clair", "?")
    ]
    assert there_and_back(written, TEXTS) == normalised(TEXTS)
    assert there_and_back(written, TEXTS)[3] == "a (b) c."


def test_no_text_is_written_for_padding_start_and_end_and_its_name_for_the_unknown():
    written = written_of(["ja nein"], "word")
    ids = tf.constant([[[2, 4, 3, 0], [5, 1, 3, 0]], [[0, 0, 0, 0], [2, 3, 0, 0]]])
    assert written.tokens(ids).numpy()[0].tolist() == [
        [b"", b"ja", b"", b""],
        [b"nein", b"[UNK]", b"", b""],
    ]
    assert written.strings(ids).numpy().tolist() == [[b"ja", b"nein [UNK]"], [b"", b""]]


@each_unit
@each_way
def test_padding_on_the_right_changes_no_text(unit, verbatim):
    written = written_of(TEXTS, unit, verbatim)
    ids = written.ids(tf.constant(TEXTS)).to_tensor()
    wider = tf.pad(ids, [[0, 0], [0, 5]])
    assert decoded(written.strings(wider)) == decoded(written.strings(ids))


def test_verbatim_keeps_case_and_lines_and_by_characters_every_space():
    text = " The  End\n\n\tIs near,\nJ'ai dit.\n"
    assert there_and_back(written_of([text], "char", True), [text]) == [text]
    by_words = "The End\n\nIs near,\nJ'ai dit.\n"
    assert there_and_back(written_of([text], "word", True), [text]) == [by_words]


def test_a_line_s_end_is_a_token_only_where_text_is_kept_verbatim():
    assert tokens_of(written_of([""], "word", True), "a,\nB") == ["a", f"{JOINER},", LINE_END, "B"]
    assert tokens_of(written_of([""], "char", True), "a\nB") == ["a", LINE_END, "B"]
    assert tokens_of(written_of([""], "word"), "a,\nB") == ["a", f"{JOINER},", "b"]
    assert tokens_of(written_of([""], "char"), "a\nB") == ["a", SPACE, "b"]


@each_unit
def test_the_sign_for_a_line_s_end_means_one_only_where_text_is_kept_verbatim(unit):
    text = f"press {LINE_END} twice"
    assert there_and_back(written_of([text], unit), [text]) == [text]
    as_line_end = {"word": "press\ntwice", "char": "press \n twice"}
    assert there_and_back(written_of([text], unit, True), [text]) == [as_line_end[unit]]


def test_the_sign_for_a_space_is_written_as_one_by_characters_only():
    text = f"a{SPACE}b"
    assert there_and_back(written_of([text], "char"), [text]) == ["a b"]
    assert there_and_back(written_of([text], "word"), [text]) == [text]


def test_typographic_apostrophes_between_letters_are_written_straight():
    written = written_of(["L’ami"], "word")
    assert there_and_back(written, ["L’ami"]) == ["l'ami"]
    assert tokens_of(written, "L’ami") == [f"l'{JOINER}", "ami"]


# --- Texts that nobody wrote --------------------------------------------------------------------

# Half a surrogate pair is no text; the signs that stand for something have tests of their own.
ANY = st.characters(exclude_categories=["Cs"], exclude_characters=[LINE_END, SPACE, JOINER, "’"])
DRAWN = st.text(
    st.one_of(ANY, st.sampled_from("aBéßİΣ 좋다'-.,!()\"\n\t\r\u200b\u0301\u2028\x00\x02\x85😀")),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(DRAWN, min_size=1, max_size=4))
@example(texts=["a-b--c 'd' e'f'g-h", "-a- b", "..", "'"])
@pytest.mark.parametrize("unit", UNITS)
def test_any_texts_come_back_as_normalising_leaves_them(unit, texts):
    assert there_and_back(written_of(texts, unit), texts) == normalised(texts)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(DRAWN, min_size=1, max_size=4))
def test_any_texts_come_back_by_characters_as_they_were(texts):
    assert there_and_back(written_of(texts, "char", True), texts) == texts


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(DRAWN, min_size=1, max_size=4))
@example(texts=["\n", " \n \n", "a\n.b", ".\n'c\n"])
def test_any_texts_come_back_by_words_line_by_line(texts):
    lines = [normalised(text.split("\n"), lowercase=False) for text in texts]
    assert there_and_back(written_of(texts, "word", True), texts) == [
        "\n".join(row) for row in lines
    ]


@settings(max_examples=8, deadline=None)
@given(texts=st.lists(DRAWN, min_size=1, max_size=4))
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("verbatim", [False, True], ids=["normalised", "verbatim"])
def test_no_token_is_empty_or_has_a_space_or_a_line_s_end(unit, verbatim, texts):
    written = written_of(texts, unit, verbatim)
    for text in texts:
        tokens = tokens_of(written, text)
        assert all(tokens)
        if unit == "word":
            assert not any(re.search(r"[ \n]", token) for token in tokens)
        else:
            assert all(len(token) == 1 and token not in " \n" for token in tokens)


# --- The same everywhere ------------------------------------------------------------------------


class Wrapped(tf.Module):
    """What a served model does with text that it writes."""

    def __init__(self, written):
        super().__init__()
        self.written = written

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def echo(self, text):
        ids = self.written.ids(text)
        return {"text": self.written.strings(ids.to_tensor()), "ids": with_end(ids)}


@pytest.mark.parametrize(("unit", "verbatim"), [("word", True), ("char", False)])
def test_a_saved_model_writes_what_this_one_does(tmp_path, unit, verbatim):
    written = written_of(TEXTS, unit, verbatim)
    tf.saved_model.save(Wrapped(written), str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for texts in (TEXTS, ["unseen\nnon"], [""]):
        found = loaded.echo(tf.constant(texts))
        assert decoded(found["text"]) == there_and_back(written, texts)
        expected = with_end(written.ids(tf.constant(texts)))
        assert np.array_equal(found["ids"], expected)
    assert loaded.echo(tf.constant([], tf.string))["text"].shape == (0,)
