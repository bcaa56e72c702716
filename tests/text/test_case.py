"""Capitals: learnt from texts whose rule is known here, and given back to the letter."""

import random

import pytest
import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.case import Case
from seqtasks.text.target_text import WrittenText, learn_case

NAMES = ["Orlindo", "Zafira", "Quembe", "McTavor", "iPlum", "NASQ", "Élomar", "Ñusk", "Жанар"]
SMALL = [
    "voit",
    "la",
    "pomme",
    "écrit",
    "à",
    "l'ami",
    "dort-il",
    "ça",
    "ñame",
    "жук",
    "straße",
    "3e",
]


def sentence(rng, names=NAMES, small=SMALL):
    """Words, a name among them at any place but the first, and a capital at the start."""
    words = [rng.choice(small) for _ in range(rng.randint(2, 5))]
    words.insert(rng.randint(1, len(words)), rng.choice(names))
    text = " ".join(words)
    return (text[0].upper() + text[1:]) + rng.choice([".", " !", " ?"])


def texts(count=150, seed=3):
    rng = random.Random(seed)
    made = [sentence(rng) for _ in range(count)]
    made += [f"{sentence(rng)} {sentence(rng)}" for _ in range(count)]
    return made + [f"«{sentence(rng)}»" for _ in range(count // 5)]


@pytest.fixture(scope="module")
def learnt():
    return Case.learn(texts(), kept=False)


def strings(tensor):
    return [text.decode() for text in tf.reshape(tensor, [-1]).numpy()]


def write(case, given):
    return strings(case.written(tf.constant(given)))


def read(case, given):
    return strings(case.read(tf.constant(given)))


def test_names_and_where_sentences_begin_are_learnt_from_texts(learnt):
    assert learnt.forms == {name.lower(): name for name in NAMES}
    begins = {before for before, is_one in learnt.begins.items() if is_one}
    assert begins == {"\n", "\n«", ". ", " ! ", " ? "}


def test_small_letters_get_the_capitals_of_training_back(learnt):
    unseen = texts(seed=8)
    small = [text.lower() for text in unseen]
    assert write(learnt, small) == unseen
    assert set(unseen) - set(texts())


def test_what_is_kept_is_read_with_its_names_and_written_as_it_was(learnt):
    kept = Case(True, learnt.forms, learnt.begins)
    given = texts(seed=5)
    found = read(kept, given)
    for text, small in zip(given, found, strict=True):
        assert [word for word in NAMES if word in small] == [w for w in NAMES if w in text]
        first = small.removeprefix("«")[0]
        assert first == first.lower()
    assert write(kept, found) == given
    assert read(kept, found) == found


def test_a_word_that_has_a_capital_already_is_left_as_it_is(learnt):
    given = ["voit Xanthippa.", "iPod dort. eBay mange.", "NATO DORT"]
    assert write(learnt, given) == ["Voit Xanthippa.", *given[1:]]
    kept = Case(True, learnt.forms, learnt.begins)
    assert read(kept, ["Ulmo", "UNESQ dort", "Voit"]) == ["ulmo", "UNESQ dort", "voit"]


def test_the_shape_stays_and_no_text_depends_on_its_neighbours(learnt):
    given = [["voit zafira.", ""], ["« ça dort. le nasq ?", "!"]]
    found = learnt.written(tf.constant(given)).numpy()
    assert found.shape == (2, 2)
    flat = [text for row in given for text in row]
    assert strings(found) == [write(learnt, [text])[0] for text in flat]
    assert write(learnt, tf.zeros([0], tf.string)) == []


def test_the_most_frequent_form_within_sentences_wins():
    given = ["Der Weg ist weit.", "Ein Weg.", "Er geht weg.", "Weg da!", "Weg da!", "Geh weg, du!"]
    assert Case.learn([*given, "Mein Weg hier."], False).forms["weg"] == "Weg"
    assert "weg" not in Case.learn([*given, "Sie will weg."], False).forms


def test_german_keeps_what_the_spelling_alone_says():
    given = [
        "Essen Sie das Essen?",
        "Wir essen, und sie essen.",
        "Hier gehen Sie.",
        "Da gehen sie.",
    ]
    kept = WrittenText.from_texts(given, "word", 99, 1, 99, case="keep")
    assert strings(kept.strings(kept.ids(tf.constant(given)).to_tensor())) == given
    assert {"Sie", "sie", "essen", "Essen"} <= set(kept.vocabulary.tokens)
    restored = WrittenText.from_texts(given, "word", 99, 1, 99, case="restore")
    assert len(restored) < len(kept)


def test_turkish_dotted_capitals_come_back_and_sharp_s_stays():
    given = ["Ev güzel. İyi ki geldin.", "Ben İzmir ve Irak dedim.", "O da İzmir ve Irak dedi."]
    given += ["Straße und Fuß."]
    for mode in ("keep", "restore"):
        made = WrittenText.from_texts(given, "word", 99, 1, 99, case=mode)
        assert strings(made.strings(made.ids(tf.constant(given)).to_tensor())) == given


def test_headlines_are_read_as_they_are_and_teach_no_capital(learnt):
    shouted = [text.upper() for text in texts(10) if "ß" not in text]  # whose capital is SS
    forms = Case.learn([*texts(), *shouted], False).forms
    assert forms == learnt.forms
    kept = Case(True, learnt.forms, learnt.begins)
    assert read(kept, ["MANGE LA POMME"]) == ["MANGE LA POMME"]


@pytest.mark.parametrize("mode", ["lower", "keep", "restore"])
@pytest.mark.parametrize("unit", ["word", "char"])
def test_a_script_without_capitals_is_not_changed_by_any_of_them(mode, unit):
    given = ["고양이가 잔다. 개는 뛴다!", "비가 온다. 나는 3시에 간다."]
    made = WrittenText.from_texts(given, unit, 99, 1, 99, case=mode)
    plain = WrittenText.from_texts(given, unit, 99, 1, 99)
    assert made.vocabulary.tokens == plain.vocabulary.tokens
    assert strings(made.strings(made.ids(tf.constant(given)).to_tensor())) == given


def test_text_without_capitals_stays_without_them():
    given = ["un chat dort. il rêve.", "le chien voit le chat."] * 3
    assert learn_case(given, "word", "restore") is None
    kept = learn_case(given, "word", "keep")
    assert write(kept, given) == given


@pytest.mark.parametrize("mode", ["keep", "restore"])
@pytest.mark.parametrize("unit", ["word", "char"])
def test_what_was_learnt_is_saved_and_works_in_an_export(tmp_path, unit, mode):
    made = WrittenText.from_texts(texts(), unit, 99, 1, 99, case=mode)
    made.save(tmp_path / "target.txt")
    again = WrittenText.load(tmp_path / "target.txt", unit, 99)
    assert isinstance(made.case, Case)
    assert isinstance(again.case, Case)
    assert (again.case.kept, again.case.forms) == (made.case.kept, made.case.forms)
    assert again.case.begins == made.case.begins

    def repeat(text):
        return {"text": again.strings(again.ids(text).to_tensor())}

    module = tf.Module()
    module.codec = again
    repeat = tf.function(repeat, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path / "export"), signatures=repeat)
    loaded = tf.saved_model.load(str(tmp_path / "export")).signatures["serving_default"]
    unseen = texts(20, seed=11)
    expected = strings(made.strings(made.ids(tf.constant(unseen)).to_tensor()))
    assert strings(loaded(tf.constant(unseen))["text"]) == expected
    if unit == "word":
        assert expected == unseen


def test_a_run_of_before_has_no_capitals_and_a_damaged_file_is_told(tmp_path):
    assert Case.load(tmp_path / "case.json") is None
    for content in ("{", "[]", '{"kept": true}', '{"kept": 1, "forms": 3, "begins": {}}'):
        (tmp_path / "case.json").write_text(content)
        with pytest.raises(RunError, match=r"case\.json: damaged: expected"):
            Case.load(tmp_path / "case.json")
