"""What the data choose is valid, is told, and never goes before what somebody has set."""

import pytest
import yaml

from seqtasks.config import load_config, parse_config
from seqtasks.config.shipped import shipped_configs
from seqtasks.data.pairs import TextPairs
from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.tasks.chosen import choose

SIZES = (40, 999, 3_999, 12_000, 25_000)
TEXT = "the film was good , and so was the music of it"


def texts(count, text=TEXT, kind="category"):
    part = LabelledTexts([text] * count, ["1.5"] * count, "mine.tsv", [*range(count)], kind)
    return Splits(part, part, None)


def tags(count):
    part = TaggedSentences([["a", "b"]] * count, [["X", "Y"]] * count, "mine.bio", [*range(count)])
    return Splits(part, part, None)


def dotted(config):
    return {
        f"{section}.{key}": value
        for section, keys in config.to_dict().items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    }


CASES = {
    **{f"{n} texts": ("sentiment", texts(n)) for n in SIZES},
    **{f"{n} long texts": ("sentiment", texts(n, " ".join([TEXT] * 9))) for n in SIZES},
    **{f"{n} numbers": ("sentiment", texts(n, kind="number")) for n in SIZES},
    **{f"{n} sets": ("sentiment", texts(n, kind="set")) for n in SIZES},
    **{f"{n} sentences": ("tagging", tags(n)) for n in SIZES},
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
    for key, value in found.values.items():
        assert f"--set {key}={value}" in told
    again = choose(found.config, splits)
    assert (again.config, again.values, again.told()) == (found.config, {}, None)
    written = parse_config(yaml.safe_load(found.config.to_yaml()))  # as a run that is resumed
    assert choose(written, texts(7)).values == {}


@pytest.mark.parametrize(("task", "splits"), CASES.values(), ids=CASES)
def test_what_is_given_stays_though_it_is_the_plain_default(task, splits):
    plain = dotted(load_config(options={"task": task}))
    for key, value in choose(load_config(options={"task": task}), splits).values.items():
        config = load_config(options={"task": task, key: plain[key]})
        found = choose(config, splits)
        assert key not in found.values
        assert dotted(found.config)[key] == plain[key] != value


def test_long_texts_are_read_by_words_and_unspaced_ones_by_characters():
    plain = load_config()
    assert choose(plain, texts(2_000)).config.text.unit == "word+char"
    assert choose(plain, texts(2_000, " ".join([TEXT] * 9))).config.text.unit == "word"
    assert choose(plain, texts(2_000, "这部电影非常好看我很喜欢")).config.text.unit == "char"


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
    part = TextPairs(["a"], ["b"], "mine.tsv", [1])
    plain = load_config(options={"task": "translation"})
    found = choose(plain, Splits(part, part, None))
    assert (found.config, found.values, found.told()) == (plain, {}, None)
    documents = load_config(options={"task": "documents"})
    assert choose(documents, texts(2_000)).config == documents


def test_configurations_of_ours_for_files_say_all_that_would_be_chosen():
    shown = 0
    for path in shipped_configs().values():
        config = load_config((path,))
        if "/" not in config.data.source or config.task not in ("sentiment", "tagging"):
            continue
        shown += 1
        for size in SIZES:
            splits = texts(size) if config.task == "sentiment" else tags(size)
            assert choose(config, splits).values == {}, path
    assert shown == 3
