"""Subwords: cut as the library cuts, and joined to the letter."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqtasks.errors import ConfigError, RunError
from seqtasks.text import subwords as module
from seqtasks.text.encoder import TextEncoder
from seqtasks.text.splitting import normalise
from seqtasks.text.subwords import Subwords, cut_words
from seqtasks.text.target_text import WrittenText
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.vocabulary import END, PADDING, START, UNKNOWN, UNKNOWN_ID

tokenizers = pytest.importorskip("tokenizers")

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TEXTS = [
    "l'ami de l'école est là, l'ami l'a dit...",
    "정말 좋다! 정말 좋은 영화다, 좋다 좋다",
    "the cat sat on the mat; the cats sat there, that is that",
    "don't go there (they said): the mat isn't theirs",
] * 6
ODD = [
    "",
    " ",
    "▁ ⏎ ￭ <0x41> [PAD] [UNK]",
    "日本語も書ける☃ ﷽ 👩‍👩‍👧 e\u0301 \U0010ffff",
    "ㅋ" * 200,
    "a" * 47 + "' b",
    "thethethe catcatcat",
    "İSTANBUL STRASSE straße ΣΊΣΥΦΟΣ",
    "\n\n the\n  cat\r\n\u2028sat\n",
    "\0 \x01 \x7f\ufeff",
]


@pytest.fixture(scope="module")
def learnt():
    return Subwords.learn([normalise(tf.constant(TEXTS))], written=True)


@pytest.fixture(scope="module")
def verbatim():
    return WrittenText.from_texts(
        [f"{text}\n" for text in TEXTS], "subword", None, 1, 10_000, verbatim=True
    )


def of_library(path):
    return tokenizers.Tokenizer.from_file(str(path))


def begun(text):
    """A text with the space that each of its lines begins with."""
    return "\n".join(f" {line}" if line else "" for line in text.split("\n"))


def decoded(tensor):
    return [text.decode() for text in tensor.numpy()]


def shown(subwords, text):
    return decoded(subwords.split(tf.constant([text]))[0])


def slowly(word, merges):
    """Sennrich et al.'s loop: join the first of the pairs that was learnt earliest."""
    ranks = {pair: rank for rank, pair in reversed([*enumerate(merges)])}
    symbols = list(word)
    while True:
        pairs = enumerate(pairwise(symbols))
        found = [(ranks[pair], n) for n, pair in pairs if pair in ranks]
        if not found:
            return symbols
        _, n = min(found)
        symbols[n : n + 2] = ["".join(symbols[n : n + 2])]


# --- As the library ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(learnt, tmp_path_factory):
    path = tmp_path_factory.mktemp("subwords") / "subwords.json"
    learnt.save(path)
    return learnt.ids, learnt, of_library(path)


@pytest.fixture(scope="module")
def in_graph(learnt):
    return tf.function(learnt.ids, input_signature=[tf.TensorSpec([None], tf.string)])


def check_as_library(both, texts):
    """Ids and text again are the library's."""
    cut, subwords, library = both
    ids = cut(tf.constant(texts, tf.string))
    found = library.encode_batch([begun(text) for text in texts])
    assert ids.to_list() == [one.ids for one in found]
    tokens = tf.gather(subwords.vocabulary.tokens, ids.to_tensor())
    tokens = tf.where(ids.to_tensor() == 0, "", tokens)
    assert decoded(subwords.join(tokens)) == texts


def test_what_was_learnt_is_worth_the_name(learnt):
    assert shown(learnt, "the cat") == ["▁the", "▁cat"]
    assert shown(learnt, "좋다") == ["▁좋다"]
    assert shown(learnt, "thecat") == ["▁the", "c", "at"]


def test_odd_texts_are_cut_as_the_library_cuts_them_and_come_back(both):
    check_as_library(both, [*TEXTS, *ODD])
    check_as_library(both, ODD)  # none of them in the batch before


@settings(deadline=None, max_examples=15)
@given(st.lists(st.text(st.sampled_from("thecasmon' .,!\n▁좋다☃é") | st.characters(codec="utf-8"))))
@example([])
def test_any_texts_are_cut_as_the_library_cuts_them_and_come_back(both, in_graph, texts):
    check_as_library((in_graph, *both[1:]), texts)


@settings(deadline=None, max_examples=8)
@given(st.data())
def test_pairs_learnt_in_any_order_are_joined_as_the_library_joins_them(data):
    pieces, merges = ["a", "b", "c", " "], []
    for _ in range(data.draw(st.integers(0, 12))):
        one, other = (data.draw(st.sampled_from(pieces)) for _ in range(2))
        if (one, other) not in merges:
            merges.append((one, other))
        pieces = list(dict.fromkeys([*pieces, one + other]))
    order = data.draw(st.permutations([*pieces, *BYTES]))
    tokens = [PADDING, UNKNOWN, *order]
    subwords = Subwords(tokens, merges)
    words = data.draw(st.lists(st.text(st.sampled_from("abcd"), min_size=1), min_size=1))
    ids = subwords.ids(tf.constant(words)).to_list()
    numbers = {token: number for number, token in enumerate(tokens)}
    library = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=numbers, merges=merges, byte_fallback=True)
    )
    for word, found in zip(words, ids, strict=True):
        parts = [f" {word}"[n : n + 48] for n in range(0, len(word) + 1, 48)]
        assert found == [number for part in parts for number in library.encode(part).ids]
        spelled = [s if s in numbers else "<0x64>" for p in parts for s in slowly(p, merges)]
        assert [tokens[number] for number in found] == spelled


def lines_of(path):
    """Texts of a file of any form, fifteen hundred from all over it."""
    lines = path.read_text("utf-8").split("\n")
    texts = [column for line in lines for column in line.split("\t") if column]
    return texts[:: len(texts) // 1_500 + 1]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data sets")
@pytest.mark.parametrize(
    "name", ["nsmc", "tatoeba_en_fr", "tatoeba_en_ko", "uci_sls", "klue_ner", "ud_en_ewt"]
)
def test_subwords_of_real_texts_are_the_librarys_and_come_back(name, tmp_path):
    files = sorted(f for f in (SHARED / name).glob("*") if "train" in f.name or "dev" in f.name)
    texts = [text for file in files if file.suffix != ".md" for text in lines_of(file)]
    texts = decoded(normalise(tf.constant(texts)))
    subwords = Subwords.learn([tf.constant(texts[: len(texts) // 2])])
    subwords.save(tmp_path / "subwords.json")
    library = of_library(tmp_path / "subwords.json")
    check_as_library((subwords.ids, subwords, library), texts)


# --- To the letter -------------------------------------------------------------------------------


@settings(deadline=None, max_examples=10)
@given(st.lists(st.text(), min_size=1))
@example(ODD)
def test_text_to_be_kept_comes_back_to_the_letter(verbatim, texts):
    ids = verbatim.ids(tf.constant(texts, tf.string)).to_tensor()
    assert decoded(verbatim.strings(ids)) == texts
    assert not (ids == UNKNOWN_ID).numpy().any()


def test_lines_one_by_one_are_the_lines_of_the_whole(verbatim):
    text = "\n\n the cat\n sat\nthat\n"
    lines = [f"{line}\n" for line in text.split("\n")][:-1]
    ids = verbatim.ids(tf.constant(lines)).flat_values
    assert ids.numpy().tolist() == verbatim.ids(tf.constant([text]))[0].numpy().tolist()
    assert verbatim.strings(ids).numpy().decode() == text


def test_other_text_comes_back_as_it_is_normalised(learnt):
    written = WrittenText("subword", learnt.vocabulary, subwords=learnt)
    back = written.strings(written.ids(tf.constant(ODD)).to_tensor())
    assert decoded(back) == decoded(normalise(tf.constant(ODD)))


def test_bytes_that_make_no_character_are_replaced_and_others_stay(learnt):
    tokens = tf.constant([["▁the", "<0xEC>", "▁cat", "<0xE2>", "<0x98>", "<0x83>", ""]])
    assert decoded(learnt.join(tokens)) == ["the� cat☃"]
    assert decoded(learnt.join(tf.constant([["cat", "▁", "▁the"]]))) == ["cat  the"]


def test_bytes_that_are_no_text_are_read_all_the_same(learnt):
    text = tf.constant([b"the \xff\xfe cat", b"\xed\xa0\x80"])
    assert decoded(learnt.join(learnt.split(text).to_tensor())) == ["the �� cat", "���"]


# --- Learning ------------------------------------------------------------------------------------


def test_the_same_texts_teach_the_same_subwords_in_any_order(learnt):
    again = Subwords.learn([normalise(tf.constant(TEXTS[::-1]))], written=True)
    assert (again.tokens, again.merges) == (learnt.tokens, learnt.merges)


def test_tokens_stand_by_frequency_behind_the_special_ones(learnt):
    assert learnt.tokens[:4] == [PADDING, UNKNOWN, START, END]
    ids = learnt.ids(normalise(tf.constant(TEXTS))).flat_values.numpy()
    counts = np.bincount(ids, minlength=len(learnt))[4:]
    assert (np.diff(counts) <= 0).all()
    assert set(BYTES) < set(learnt.tokens)
    assert len(learnt.tokens) == len(set(learnt.tokens)) == len(learnt.vocabulary)


def test_the_size_is_kept_and_a_rare_pair_is_not_joined():
    texts = [normalise(tf.constant(TEXTS))]
    few = Subwords.learn(texts, max_size=310)
    assert len(few) == 310
    assert len(Subwords.learn(texts, max_size=9_000)) < 9_000
    every = Subwords.learn(texts)
    assert few.merges == every.merges[: len(few.merges)]
    assert not Subwords.learn(texts, min_count=10_000).merges


def test_a_character_that_comes_once_is_spelled_in_bytes_and_its_neighbours_are_no_pair():
    rare = [f"x{chr(0x4E00 + n)}y" for n in range(40)]
    learnt = Subwords.learn([tf.constant([*TEXTS, *rare])])
    assert shown(learnt, rare[0]) == ["▁x", "<0xE4>", "<0xB8>", "<0x80>", "y"]
    assert ("x", "y") not in learnt.merges


def test_a_size_below_the_alphabets_is_refused():
    texts = tf.constant(["".join(chr(0xAC00 + n) for n in range(500))] * 2)
    with pytest.raises(ConfigError) as error:
        Subwords.learn([texts], max_size=600)
    assert str(error.value) == (
        "text.max_subwords is 600, but the training texts have 501 characters, and 258 are for "
        "bytes and special tokens; give 759 or more, or leave it out"
    )
    assert len(Subwords.learn([texts], max_size=759)) == 759


def test_words_that_training_remembers_are_cut_as_others_are(learnt, tmp_path, monkeypatch):
    learnt.save(tmp_path / "subwords.json")
    plain = Subwords.load(tmp_path / "subwords.json")
    monkeypatch.setattr(module, "_REMEMBERED", 5)
    few = Subwords.learn([normalise(tf.constant(TEXTS))], written=True)
    for texts in (ODD, TEXTS[:4], [*TEXTS, *ODD], []):
        texts = tf.constant(texts, tf.string)
        expected = plain.ids(texts).to_list()
        assert learnt.ids(texts).to_list() == expected
        assert few.ids(texts).to_list() == expected


def test_nothing_to_learn_from_is_all_bytes():
    nothing = Subwords.learn([tf.constant(["", ""])])
    assert nothing.merges == []
    assert shown(nothing, "a") == ["<0x20>", "<0x61>"]
    assert decoded(nothing.join(nothing.split(tf.constant(["a 좋"])).to_tensor())) == ["a 좋"]


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setattr("seqtasks.text.subword_library.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'seqtasks\[subwords\]'"):
        Subwords.learn([tf.constant(TEXTS)])


# --- Files ---------------------------------------------------------------------------------------


def test_what_was_saved_is_read_without_the_library(learnt, tmp_path, monkeypatch):
    learnt.save(tmp_path / "new" / "target.json")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    loaded = Subwords.load(tmp_path / "new" / "target.json")
    assert (loaded.tokens, loaded.merges) == (learnt.tokens, learnt.merges)
    assert shown(loaded, "the cats") == shown(learnt, "the cats")


def test_a_missing_or_damaged_file_is_named(learnt, tmp_path):
    path = tmp_path / "subwords.json"
    with pytest.raises(RunError, match="can't read the subwords"):
        Subwords.load(path)
    learnt.save(path)
    good = path.read_text("utf-8")
    told = json.loads(good)
    no_byte = {k: v for k, v in told["model"]["vocab"].items() if k != "<0x00>"}
    pair = {**told["model"], "merges": [["x", "never"]]}
    for damaged in (
        good[: len(good) // 2],
        "[]",
        json.dumps({"model": {**told["model"], "vocab": no_byte}}),
        json.dumps({"model": pair}),
        json.dumps({"model": {**told["model"], "merges": [["a", "b", "c"]]}}),
    ):
        path.write_text(damaged, "utf-8")
        with pytest.raises(RunError, match=r"subwords\.json: damaged"):
            Subwords.load(path)


def test_subwords_that_are_read_cannot_be_written_with(tmp_path):
    Subwords.learn([tf.constant(TEXTS)]).save(tmp_path / "target.json")
    with pytest.raises(RunError, match="a vocabulary to write with"):
        WrittenText.load(tmp_path / "target.txt", "subword", 10)


def test_a_saved_model_cuts_and_joins_as_before_with_stock_operations(learnt, tmp_path):
    class ThereAndBack(tf.Module):
        def __init__(self):
            super().__init__()
            self.subwords = learnt  # an export finds tables only where a module holds them

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, text):
            return learnt.join(learnt.split(text).to_tensor())

    graph = ThereAndBack()
    tf.saved_model.save(graph, str(tmp_path), signatures=graph.__call__)
    operations = {op.type for op in graph.__call__.get_concrete_function().graph.get_operations()}
    assert not {name for name in operations if "Py" in name}
    loaded = tf.saved_model.load(str(tmp_path))
    (found,) = loaded.signatures["serving_default"](text=tf.constant([*ODD, *TEXTS])).values()
    assert decoded(found) == [*ODD, *TEXTS]


# --- What reads and what tags --------------------------------------------------------------------


def test_texts_to_read_are_cut_at_their_end_and_padded(learnt):
    encoder = TextEncoder("subword", subwords=learnt, max_length=3)
    texts = tf.constant(["The CAT sat there", "", "the"])
    ids = encoder(texts)["ids"].numpy()
    assert ids.shape == (3, 3)
    assert [learnt.tokens[n] for n in ids[0]] == [" the", " cat", " sat"]
    assert ids[1].tolist() == [0, 0, 0]
    assert [n.numpy().tolist() for n in encoder.measure(texts)] == [[4, 0, 1], [1, 0, 0]]
    assert encoder.sizes == (len(learnt), 0)
    assert encoder.statistics(["the cat", "☃"])[1] == 0.0


def test_padding_changes_no_ids(learnt):
    encoder = TextEncoder("subword", subwords=learnt)
    alone = [encoder(tf.constant([text]))["ids"].numpy()[0] for text in [*ODD, *TEXTS[:4]]]
    together = encoder(tf.constant([*ODD, *TEXTS[:4]]))["ids"].numpy()
    for one, row in zip(alone, together, strict=True):
        assert (row[: len(one)] == one).all()
        assert not row[len(one) :].any()


def test_each_subword_knows_its_word_as_it_is_written(learnt):
    text = tf.constant(["The CATerpillar sat!", "İ'a the", ""])
    words = learnt.whole_words(text)
    assert (
        words.row_lengths().numpy().tolist()
        == learnt.ids(normalise(text)).row_lengths().numpy().tolist()
    )
    row = decoded(words[0])
    assert row[0] == "The"
    assert set(row[1:-2]) == {"CATerpillar"}
    assert row[-2:] == ["sat", "!"]


class Options:
    unit, max_subwords, min_count, max_length, max_word_length = "subword", None, 1, 5, 3


def test_a_tagger_reads_a_word_by_its_first_subword_and_by_all(tmp_path):
    sentences = [["The", "cats", "isn't", "sitting"], ["the", "mat"]] * 12
    encoder = TokenEncoder.from_sentences(sentences, Options())
    tokens = tf.ragged.constant([["The", "xcats", "\u200b"], ["mat"]])
    found = {name: ids.numpy() for name, ids in encoder(tokens).items()}
    known = encoder.subwords.tokens
    assert found["ids"].shape == (2, 3)
    assert found["characters"].shape == (2, 3, 3)
    assert known[found["ids"][0, 0]] == " The"
    assert [known[n] for n in found["characters"][0, 1]] == [" ", "<0x78>", "c"]
    assert (found["characters"][..., 0] == found["ids"]).all()
    assert found["ids"][0, 2] == UNKNOWN_ID  # nothing that can be seen is no padding
    encoder.save(tmp_path)
    again = TokenEncoder.load(tmp_path, Options())
    for name, ids in again(tokens).items():
        assert (ids.numpy() == found[name]).all()
    assert again.sizes == (len(known), len(known))


def test_words_longer_than_the_longest_are_cut(learnt):
    words = cut_words(tf.constant(["ab" * 50 + " c"]))
    assert [len(word) for word in words[0].numpy()] == [48, 48, 5, 2]
    assert module.LONGEST == 48
