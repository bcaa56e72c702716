"""Which words of a file get which vectors, what is saved of it, and what encoders make of them."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from seqtasks.config import ReadTextConfig
from seqtasks.errors import DataError, RunError
from seqtasks.text.documents import DocumentEncoder
from seqtasks.text.encoder import TextEncoder, make_encoder
from seqtasks.text.outside_vectors import OutsideVectors, with_vectors
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.unknown import unknown_chances
from seqtasks.text.vocabulary import UNKNOWN_ID, Vocabulary

TEXTS = ["The film was good, truly good", "A bad film. 영화가 좋다", "the ending"]
# Of training: the, film, good, 좋다, "." and Ending (another case); paris and new-york are more.
FILE = [
    ("the", [3, 4]),
    ("Paris", [5, 12]),
    ("film", [0, 2]),
    ("GOOD", [1, 0]),
    ("good", [0, -7]),
    ("Good", [9, 9]),
    ("new-york", [1, 1]),
    ("좋다", [8, 6]),
    ("London", [-3, 0]),
    (".", [0, 0]),
    ("the", [1, 1]),
    ("Ending", [2, 0]),
    ("ENDING", [0, 2]),
    ("paris", [-1, 0]),
    ("u.s.", [1, 2]),
    ("bad", ["nan", 1]),
    ("rome", [0, 5]),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.vec"
    lines = [f"{word} {a} {b}\n" for word, (a, b) in FILE]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def configured(file, **options):
    return ReadTextConfig(vectors=str(file), **options)


def by_word(encoder):
    """The vector of each word that has one from outside."""
    with_one = encoder.words.tokens[encoder.vectors.own :]
    return dict(zip(with_one, encoder.vectors.rows.tolist(), strict=True))


@pytest.mark.parametrize(("tuned", "length"), [("always", 1), ("never", 4), (2, 4)])
def test_words_get_the_row_written_like_them_else_the_first_of_another_case_all_of_one_length(
    file, tuned, length
):
    encoder = make_encoder(configured(file, tune_vectors=tuned), TEXTS)
    found = by_word(encoder)
    expected = {
        "the": [0.6, 0.8],
        "film": [0, 1],
        "good": [0, -1],
        "좋다": [0.8, 0.6],
        ".": [0, 0],
        "ending": [1, 0],
        "paris": [-1, 0],
        "london": [-1, 0],
        "rome": [0, 1],
    }
    assert set(found) == set(expected)
    for word, vector in expected.items():
        assert np.allclose(found[word], length * np.array(vector), rtol=0, atol=1e-6), word
    assert (encoder.vectors.twice, encoder.vectors.not_finite) == (1, 1)


def test_words_without_a_vector_come_first_then_those_of_training_then_the_files_own(file):
    encoder = make_encoder(configured(file), TEXTS)
    tokens, known = encoder.words.tokens, encoder.vectors
    assert tokens[:2] == ["[PAD]", "[UNK]"]
    assert set(tokens[2 : known.own]) == {"was", ",", "truly", "a", "bad", "영화가"}
    seen = tokens[known.own : known.own + known.seen]
    assert seen == ["film", "good", "the", ".", "ending", "좋다"]  # by frequency
    assert tokens[known.own + known.seen :] == ["paris", "london", "rome"]  # in the file's order
    assert len(tokens) == known.own + known.seen + known.more
    ids = encoder(tf.constant(["Rome, PARIS unseen u.s."]))["ids"].numpy()[0]
    assert ids[0] == tokens.index("rome")
    assert (ids == UNKNOWN_ID).sum() == 3  # unseen, u and s


@pytest.mark.parametrize("limit", [0, 1, 2, 9])
def test_the_file_adds_so_many_words_at_most_its_first_ones(file, limit):
    encoder = make_encoder(configured(file, max_vectors=limit), TEXTS)
    more = encoder.words.tokens[encoder.vectors.own + encoder.vectors.seen :]
    assert more == ["paris", "london", "rome"][:limit]
    assert encoder.vectors.seen == 6
    if limit:
        assert by_word(encoder)["paris"] == [-1, 0]  # the exact one, though it comes later


def test_words_too_rare_for_the_vocabulary_are_known_where_the_file_has_them(file):
    encoder = make_encoder(configured(file, min_count=2), TEXTS)
    assert encoder.words.tokens[: encoder.vectors.own] == ["[PAD]", "[UNK]"]
    assert {"ending", "좋다"} < set(by_word(encoder))


def test_tokens_that_are_split_already_may_be_any_row_of_the_file(file, tmp_path):
    sentences = [["The", "U.S.", "new-york"], ["do", "n't"]]
    (tmp_path / "b.vec").write_text(
        "n't 1 0\nNew York 0 1\n . . 1 1\na 1 2\nb 1 2\n", encoding="utf-8"
    )
    encoder = TokenEncoder.from_sentences(sentences, configured(file))
    assert {"u.s.", "new-york"} < set(by_word(encoder))
    encoder = TokenEncoder.from_sentences(sentences, configured(tmp_path / "b.vec"))
    assert set(by_word(encoder)) == {"n't", "new york", ". .", "a", "b"}
    ids = encoder(tf.ragged.constant([["New York", "N'T"]]))["ids"].numpy()[0]
    assert [encoder.words.tokens[n] for n in ids] == ["new york", "n't"]


def test_coverage_is_the_share_of_words_and_of_their_tokens(file):
    encoder = make_encoder(configured(file), TEXTS)
    counts = Counter({"good": 3, "rome": 1, "bad": 5, "nowhere": 1})
    known = encoder.vectors.measured("validation", counts, encoder.words)
    assert vars(known.coverage["validation"]) == {"words": 0.5, "tokens": 0.4}
    told = "some.vec, 2 wide: 50.0% of the words and 40.0% of the tokens of validation; 3 words"
    assert str(known).startswith(told)
    assert "1 twice, 1 not finite numbers" in str(known)


@pytest.mark.parametrize(("tuned", "late", "fixed"), [("never", 0, 9), ("always", 0, 3), (2, 6, 3)])
def test_which_vectors_are_trained_is_saved_with_the_run(file, tmp_path, tuned, late, fixed):
    text = configured(file, tune_vectors=tuned, features=("shape", "suffix"))
    made = [make_encoder(text, TEXTS), TokenEncoder.from_sentences([["The"], ["film"]], text)]
    load = [
        lambda folder: TextEncoder.load(folder, "word", 9, 9, text.features),
        lambda folder: TokenEncoder.load(folder, text),
    ]
    for number, encoder in enumerate(made):
        folder = tmp_path / str(number)
        encoder.save(folder)
        again = load[number](folder)
        assert again.words.tokens == encoder.words.tokens
        assert again.vectors.rows is None
        assert str(again.vectors) == str(encoder.vectors)
        assert again.extras == encoder.extras
        assert set(again.vocabularies) == {"ids", "shape", "suffix"}
        chances = [
            unknown_chances(one.words, np.ones(len(one.words)), 1.0) for one in (encoder, again)
        ]
        assert np.array_equal(*chances)
    assert (made[0].extras.late, made[0].extras.fixed) == (late, fixed)
    document = DocumentEncoder(made[0], 3)
    assert document.extras == made[0].extras
    assert document.vectors is made[0].vectors


def test_words_with_a_vector_are_never_read_as_unknown(file):
    encoder = make_encoder(configured(file), TEXTS)
    words = encoder.words
    chances = unknown_chances(words, np.ones(len(words)), 1.0)
    own = encoder.vectors.own
    assert (chances[2:own] == 0.5).all()
    assert not chances[:2].any()
    assert not chances[own:].any()
    plain = Vocabulary(words.tokens)
    assert unknown_chances(plain, np.ones(len(words)), 1.0)[2:].all()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"file": 3}', '{"coverage": {}}', "{"])
def test_a_damaged_file_of_a_run_is_named(tmp_path, text):
    (tmp_path / "vectors.json").write_text(text)
    with pytest.raises(RunError, match=r"vectors.json: damaged"):
        OutsideVectors.load(tmp_path)


def test_a_vocabulary_of_another_size_is_refused(file, tmp_path):
    encoder = make_encoder(configured(file), TEXTS)
    encoder.save(tmp_path)
    Vocabulary(encoder.words.tokens[:-1]).save(tmp_path / "words.txt")
    with pytest.raises(RunError, match="another number of words"):
        TextEncoder.load(tmp_path, "word", 9, 9)


def test_a_row_that_is_kept_must_be_numbers_and_one_that_is_not_need_not(tmp_path):
    path = tmp_path / "v"
    words, readable = Vocabulary(["[PAD]", "[UNK]", "a"]), lambda words: list(words)
    path.write_text("a 1 2\nb x 2\n")
    text = configured(path, max_vectors=0)
    assert with_vectors(text, words, Counter(a=1), readable)[1].seen == 1
    with pytest.raises(DataError, match=r"v, line 2: expected a word and 2 numbers"):
        with_vectors(configured(path), words, Counter(a=1), readable)
