"""What the data choose is valid, is told, and never goes before what somebody has set."""

from pathlib import Path

import pytest
import yaml

from seqtasks.config import load_config, parse_config
from seqtasks.config.shipped import shipped_configs
from seqtasks.data.pairs import TextPairs
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.tasks import chosen
from seqtasks.tasks.chosen import choose

SIZES = (40, 999, 3_999, 12_000, 25_000)
TEXT = "the film was good , and so was the music of it"
HANGUL = " ".join(
    "".join(map(chr, range(ord("가") + n, ord("가") + n + 5))) for n in range(0, 250, 5)
)


def texts(count, text=TEXT, kind="category"):
    part = LabelledTexts([text] * count, ["1.5"] * count, "mine.tsv", [*range(count)], kind)
    return Splits(part, part, None)


def tags(count, tokens=("ab", "cd")):
    part = TaggedSentences([[*tokens]] * count, [["X", "Y"]] * count, "mine.bio", [*range(count)])
    return Splits(part, part, None)


def pairs(count):
    part = TextPairs(["a good film"] * count, ["un bon film"] * count, "mine.tsv", [*range(count)])
    return Splits(part, part, None)


def dotted(config):
    return {
        f"{section}.{key}": tuple(value) if isinstance(value, list) else value
        for section, keys in config.to_dict().items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    }


MAKE = {"sentiment": texts, "tagging": tags, "translation": pairs}
CASES = {
    **{f"{n} texts": ("sentiment", texts(n)) for n in SIZES},
    **{f"{n} long texts": ("sentiment", texts(n, " ".join([TEXT] * 9))) for n in SIZES},
    **{f"{n} texts of syllables": ("sentiment", texts(n, HANGUL)) for n in SIZES},
    **{f"{n} numbers": ("sentiment", texts(n, kind="number")) for n in SIZES},
    **{f"{n} sets": ("sentiment", texts(n, kind="set")) for n in SIZES},
    **{f"{n} sentences": ("tagging", tags(n)) for n in SIZES},
    **{f"{n} sentences of characters": ("tagging", tags(n, "서울")) for n in SIZES},
    **{f"{n} pairs": ("translation", pairs(n)) for n in SIZES},
}


@pytest.mark.parametrize(("task", "splits"), CASES.values(), ids=CASES)
def test_what_is_chosen_is_valid_told_and_chosen_once(task, splits):
    plain = load_config(options={"task": task})
    found = choose(plain, splits)
    before, after = dotted(plain), dotted(found.config)
    assert found.values
    assert found.values == {key: after[key] for key in after if after[key] != before[key]}
    assert parse_config(found.config.to_dict()) == found.config
    told = found.told()
    assert told is not None
    assert f"{len(splits.train):,} " in told
    given = told[told.index("--set ") :].split()[1::2]
    assert load_config((), given, {"task": task}) == found.config
    again = choose(found.config, splits)
    assert (again.config, again.values, again.told()) == (found.config, {}, None)
    written = parse_config(yaml.safe_load(found.config.to_yaml()))  # as a run that is resumed
    assert choose(written, texts(7)).values == {}


@pytest.mark.parametrize(("task", "splits"), CASES.values(), ids=CASES)
def test_what_is_given_stays_though_it_is_the_plain_default(task, splits):
    plain = dotted(load_config(options={"task": task}))
    for key, value in choose(load_config(options={"task": task}), splits).values.items():
        given = {None: "null", (): "[]"}.get(plain[key], plain[key])
        config = load_config((), (f"{key}={given}",), {"task": task})
        found = choose(config, splits)
        assert key not in found.values
        assert dotted(found.config)[key] == plain[key] != value


def test_long_texts_are_read_by_words_and_unspaced_ones_by_characters():
    plain = load_config()
    assert choose(plain, texts(2_000)).config.text.unit == "word+char"
    assert choose(plain, texts(2_000, " ".join([TEXT] * 9))).config.text.unit == "word"
    assert choose(plain, texts(2_000, "这部电影非常好看我很喜欢")).config.text.unit == "char"


def test_words_of_letters_are_read_by_windows_and_words_of_syllables_by_their_pieces():
    found = {text: choose(load_config(), texts(2_000, text)).config for text in (TEXT, HANGUL)}
    assert {config.text.unit for config in found.values()} == {"word+char"}
    encoders = [config.model.character_encoder for config in found.values()]
    assert encoders == ["cnn", "ngrams"]


@pytest.mark.parametrize("text", [TEXT, HANGUL], ids=["letters", "syllables"])
@pytest.mark.parametrize("unit", ["word", "char", "subword"])
def test_nothing_is_said_of_characters_where_somebody_reads_none_of_a_word(text, unit):
    config = load_config((), ("data.source=mine.tsv", f"text.unit={unit}"))
    found = choose(config, texts(999, text))
    assert found.values
    assert not [key for key in found.values if "character" in key]
    assert found.config.text.unit == unit


def test_few_words_of_syllables_have_a_linear_model_of_their_pieces_beside_the_network():
    def beside(count, text, options=None, labels=("1.5",)):
        splits = texts(count, text)
        splits.train.labels[:] = [labels[n % len(labels)] for n in range(count)]
        found = choose(load_config(options=options or {}), splits).config
        return found.model.beside, found.training.select_by

    both = ("ngrams", "loss")
    assert [beside(n, HANGUL) for n in SIZES] == [both] * 4 + [("none", None)]
    assert beside(2_000, TEXT) == ("none", None)
    assert beside(2_000, HANGUL, {"model.beside": "none"}) == ("none", None)
    assert beside(2_000, HANGUL, {"text.unit": "word"}) == ("none", None)
    assert beside(2_000, HANGUL, {"training.target": 0.9}) == ("none", None)
    assert beside(2_000, HANGUL, {"training.select_by": "macro_f1"}) == ("ngrams", "macro_f1")
    twenty = [f"class {n}" for n in range(20)]
    assert beside(2_000, HANGUL, labels=twenty) == both
    assert beside(2_000, HANGUL, labels=[*twenty, "one more"]) == ("none", None)


def test_the_file_for_1600_english_reviews_says_what_is_chosen_for_them():
    written = load_config((Path("uci_sls-bilstm"),))
    found = choose(load_config(options={"task": "sentiment"}), texts(1_600)).config
    assert (written.text, written.model, written.training) == (
        found.text,
        found.model,
        found.training,
    )
    assert choose(written, texts(1_600)).values == {}


def test_few_texts_leave_vectors_from_outside_as_they_are():
    given = load_config(options={"text.vectors": "some.vec"})
    chosen = {count: choose(given, texts(count)).config.text.tune_vectors for count in SIZES}
    assert chosen == {40: "never", 999: "never", 3_999: "never", 12_000: "always", 25_000: "always"}
    unspaced = choose(given, texts(2_000, "这部电影非常好看我很喜欢")).config
    assert parse_config(unspaced.to_dict()) == unspaced  # vectors are of words


def test_a_hierarchy_keeps_how_it_reads():
    plain = load_config(options={"model.topology": "hierarchical"})
    found = choose(plain, texts(2_000))
    assert found.config.model == plain.model
    assert found.config.text.unit == "word"
    assert found.config.training.average_decay > 0
    assert parse_config(found.config.to_dict()) == found.config


def test_numbers_have_no_smoothed_labels():
    for size in SIZES:
        found = choose(load_config(), texts(size, kind="number")).config
        assert found.training.label_smoothing == 0
    assert choose(load_config(), texts(25_000)).config.training.label_smoothing > 0


def test_weights_that_are_averaged_over_epochs_are_not_averaged_over_steps():
    plain = load_config(options={"training.average_last": 3})
    found = choose(plain, texts(2_000)).config
    assert (found.training.average_last, found.training.average_decay) == (3, 0)
    assert found.text.min_count > 1
    assert parse_config(found.to_dict()) == found


def test_nothing_is_chosen_for_other_tasks():
    plain = load_config(options={"task": "captioning"})
    found = choose(plain, pairs(9))
    assert (found.config, found.values, found.told()) == (plain, {}, None)
    documents = load_config(options={"task": "documents"})
    assert choose(documents, texts(2_000)).config == documents


def test_characters_are_tagged_with_their_neighbours_and_together():
    def found(splits, **options):
        config = choose(load_config(options={"task": "tagging", **options}), splits).config
        assert parse_config(config.to_dict()) == config
        return config.text.unit, config.text.features, config.model.head

    bigrams = ("left_bigram", "right_bigram")
    assert found(tags(2_000, "서울")) == ("word", bigrams, "crf")
    forms = ("shape", "prefix", "suffix")
    assert found(tags(2_000)) == ("word+char", forms, "softmax")
    assert found(tags(2_000), **{"text.unit": "subword"}) == ("subword", (), "softmax")
    assert found(tags(2_000, "서울"), **{"text.unit": "subword"}) == ("subword", (), "crf")
    weighed = {"training.class_weight": "balanced"}
    assert found(tags(2_000, "서울"), **weighed) == ("word", bigrams, "softmax")


def test_few_pairs_are_read_and_written_by_subwords_where_they_can_be_learnt(monkeypatch):
    def units(**options):
        config = load_config(options={"task": "translation", **options})
        found = choose(config, pairs(3_000)).config
        assert parse_config(found.to_dict()) == found
        return found.text.unit, found.text.target_unit

    assert units() == ("subword", "subword")
    assert units(**{"text.features": ["shape"]}) == ("word", "subword")
    assert units(**{"text.unit": "word+char"}) == ("word+char", "subword")
    monkeypatch.setattr(chosen, "can_learn_subwords", lambda: False)
    assert units() == ("char", "char")


def test_configurations_of_ours_for_files_say_all_that_would_be_chosen():
    shown = 0
    for path in shipped_configs().values():
        config = load_config((path,))
        if "/" not in config.data.source or config.task not in MAKE:
            continue
        shown += 1
        for size in SIZES:
            characters = ["서울"] if "left_bigram" in config.text.features else []
            assert choose(config, MAKE[config.task](size, *characters)).values == {}, path
    assert shown == 5
