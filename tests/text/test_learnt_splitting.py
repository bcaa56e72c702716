"""Cuts between words, learnt from made-up treebanks and one real one."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.learnt_splitting import FILE, LearntSplitter, Written
from seqtasks.text.splitting import split_words

EWT = Path(__file__).parents[3] / "shared" / "data" / "ud_en_ewt"


def bare(*sentences):
    """Sentences whose words stand alone, of which nothing says how they were written."""
    return [[Written(word, (word,), True) for word in one.split()] for one in sentences]


def spaced(*sentences):
    """Sentences with `|` at cuts, and `surface=word+word` for what is written otherwise."""
    made = []
    for sentence in sentences:
        one = []
        for chunk in sentence.split():
            parts = chunk.split("|")
            for at, part in enumerate(parts, 1):
                form, _, words = part.partition("=")
                one.append(Written(form, tuple((words or form).split("+")), at == len(parts)))
        made.append(one)
    return made


def cut(splitter, text):
    return [word.decode() for word in splitter(tf.constant([text]))[0].numpy()]


def test_without_anything_learnt_texts_are_cut_as_by_split_words():
    splitter = LearntSplitter.learn([])
    for text in ("Don't go - 정말 좋다!", "l'ami (a.b) #12", "", "  ", "a_b \u200b'x' 3,5"):
        expected = [word.decode() for word in split_words(tf.constant([text]), False)[0].numpy()]
        assert cut(splitter, text) == [word.replace("’", "'") for word in expected]


def test_elided_words_are_cut_as_in_a_treebank_without_spaces():
    nouns = ["ami", "eau", "homme", "oncle", "arbre", "os"]
    splitter = LearntSplitter.learn(
        bare(*(f"l' {noun} n' est pas là ." for noun in nouns), "il dort aujourd'hui .")
    )
    expected = ["l'", "école", "n'", "est", "pas", "là", "."]
    assert cut(splitter, "l'école n'est pas là.") == expected
    assert cut(splitter, "aujourd'hui.") == ["aujourd'hui", "."]


def test_a_token_that_was_never_cut_stays_one():
    splitter = LearntSplitter.learn(bare(*(f"order #{n}77 , please" for n in range(1, 30))))
    assert cut(splitter, "order #12345, please") == ["order", "#12345", ",", "please"]


def test_where_a_capital_follows_a_small_letter_a_cut_can_be_learnt(tmp_path):
    names = ["Anna", "Berta", "Cem", "Dora", "Emil", "Frida", "Gustav", "Hanna"]
    sentences = spaced(*(f"ask dr|{name} now|." for name in names), "he mixed it|.", "DNA NATO|.")
    splitter = LearntSplitter.learn(sentences)
    assert cut(splitter, "ask mrZoe now.") == ["ask", "mr", "Zoe", "now", "."]
    assert cut(splitter, "ask mrzoe NOW.") == ["ask", "mrzoe", "NOW", "."]
    splitter.save(tmp_path)
    assert cut(LearntSplitter.load(tmp_path), "ask mrZoe now.")[1:3] == ["mr", "Zoe"]


def test_a_splitter_of_an_earlier_version_takes_all_letters_for_one_class(tmp_path):
    told = {"spaces": False, "expansions": {}, "weights": {"15   ㄱㄱ  ": 200}}
    (tmp_path / FILE).write_text(json.dumps(told), "utf-8")
    assert cut(LearntSplitter.load(tmp_path), "aB 가나 1b") == ["a", "B", "가", "나", "1b"]
    (tmp_path / FILE).write_text(json.dumps({**told, "cased": True}), "utf-8")
    assert cut(LearntSplitter.load(tmp_path), "aB 가나 1b") == ["aB", "가", "나", "1b"]


def test_negations_are_cut_where_spaces_say_so():
    verbs = ["do", "did", "was", "is", "could", "would"]
    names = ["Tom", "Eve", "Rob", "Kim", "Max", "Jean"]
    splitter = LearntSplitter.learn(
        spaced(
            *(f"they {verb}|n't run|." for verb in verbs),
            "not n't|s",
            *(f"{name}|'s cat runs|." for name in names),
        )
    )
    assert cut(splitter, "We should" + "n't run.") == ["We", "should", "n't", "run", "."]
    assert cut(splitter, "Bob's cat") == ["Bob", "'s", "cat"]


def test_what_is_written_otherwise_becomes_its_words_in_any_case():
    splitter = LearntSplitter.learn(
        spaced(*["il vient du=de+le nord|."] * 3, "Aux=À+les amis", "du nord|.")
    )
    assert cut(splitter, "DU nord. Aux amis, aux") == [
        *("de", "le", "nord", ".", "À", "les", "amis", ",", "à", "les"),
    ]
    words, widths = splitter.words_and_widths(tf.constant(["du nord.", ""]))
    assert words.to_list() == [[b"de", b"le", b"nord", b"."], []]
    assert widths.to_list() == [[2, 0, 4, 1], []]


def test_an_abbreviation_keeps_its_point_and_a_sentence_does_not():
    splitter = LearntSplitter.learn(
        spaced(*(f"Mr. {name} met Dr. {name}|." for name in ("Li", "Kim", "Ray", "Day", "Fox")))
    )
    assert cut(splitter, "Mr. Roe met Dr. Low.") == ["Mr.", "Roe", "met", "Dr.", "Low", "."]


def test_a_script_without_spaces_is_cut():
    sentences = ["我|爱|北京|。", "他|爱|我|。", "我|去|北京|。", "他|去|北京|了|。", "我|爱|他|。"]
    splitter = LearntSplitter.learn(spaced(*sentences * 3))
    assert cut(splitter, "他爱北京。我去北京。") == [
        "他",
        "爱",
        "北京",
        "。",
        "我",
        "去",
        "北京",
        "。",
    ]


def test_where_a_space_is_a_token_it_is_one_in_raw_text():
    tokens = [*"민수가", " ", *"제주에", " ", *"갔다", "."]
    splitter = LearntSplitter.learn([[Written(t, (t,), True) for t in tokens]] * 3)
    assert cut(splitter, "수민이  제주에") == [*"수민이", " ", *"제주에"]


def test_how_texts_are_batched_changes_no_cut():
    splitter = LearntSplitter.learn(bare("l' ami .", "n' est"))
    texts = ["l'ami.", "", "x" * 3000, "n'est-ce " * 50, "\u200b", "가.나"]
    together = splitter(tf.constant(texts)).to_list()
    assert together == [splitter(tf.constant([text]))[0].numpy().tolist() for text in texts]
    assert splitter(tf.constant([], tf.string)).to_list() == []


def test_learning_twice_gives_the_same_and_it_can_be_read_back(tmp_path):
    sentences = spaced("a|. b|'s c", "du=de+le n|, x")
    one, other = LearntSplitter.learn(sentences), LearntSplitter.learn(sentences)
    one.save(tmp_path)
    loaded = LearntSplitter.load(tmp_path)
    assert loaded is not None
    for made in (other, loaded):
        assert (made.weights, made.expansions, made.spaces) == (
            one.weights,
            one.expansions,
            one.spaces,
        )
    for broken in ("{", "[]", json.dumps({"weights": 3})):
        (tmp_path / FILE).write_text(broken)
        with pytest.raises(RunError, match=r"splitter\.json: damaged"):
            LearntSplitter.load(tmp_path)
    (tmp_path / FILE).unlink()
    assert LearntSplitter.load(tmp_path) is None


def test_a_splitter_works_in_a_saved_model(tmp_path):
    class Wrapped(tf.Module):
        def __init__(self, splitter):
            super().__init__()
            self.splitter = splitter

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def cut(self, text):
            words, widths = self.splitter.words_and_widths(text)
            return words.to_tensor(), widths.to_tensor()

    splitter = LearntSplitter.learn(spaced("l'|ami du=de+le nord|."))
    tf.saved_model.save(Wrapped(splitter), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for texts in (["l'ami du nord.", "", "x"], [""]):
        words, widths = loaded.cut(tf.constant(texts))
        expected = splitter.words_and_widths(tf.constant(texts))
        assert words.numpy().tolist() == expected[0].to_tensor().numpy().tolist()
        assert widths.numpy().tolist() == expected[1].to_tensor().numpy().tolist()


@pytest.mark.slow
@pytest.mark.skipif(not EWT.exists(), reason="the treebank is not beside the repository")
def test_words_of_a_treebank_are_found_in_its_raw_text():
    from seqtasks.data.spacing import text_of
    from seqtasks.data.tagged import read_tagged_sentences
    from seqtasks.entities import token_offsets
    from seqtasks.metrics import raw_text_scores
    from seqtasks.tasks.tagging import _gold_widths, _written

    train = read_tagged_sentences(EWT / "en_ewt-ud-train.conllu")
    splitter = LearntSplitter.learn(list(_written(train)))
    test = read_tagged_sentences(EWT / "en_ewt-ud-test.conllu")
    texts = [text_of(pieces) for pieces in test.pieces]
    words, widths = (x.to_list() for x in splitter.words_and_widths(tf.constant(texts)))
    right = [
        (tokens, token_offsets(text, tokens, _gold_widths(pieces, tokens)), tokens)
        for text, tokens, pieces in zip(texts, test.tokens, test.pieces, strict=True)
    ]
    found = []
    for text, row, sizes in zip(texts, words, widths, strict=True):
        tokens = [word.decode() for word in row]
        found.append((tokens, token_offsets(text, tokens, sizes), tokens))
    assert raw_text_scores(right, found)["words"]["F1"] >= 0.985
