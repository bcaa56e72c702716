"""What labels look like: categories, sets or numbers, in files that nobody wrote for us."""

import random

import pytest

from seqtasks.data.labels import is_number, look_at, members, separator_of, sorted_names


def mixed(labels, count=200, seed=3):
    draw = random.Random(seed)
    return [draw.choice(labels) for _ in range(count)]


def decimals(low, high, digits, count=200):
    draw = random.Random(digits)
    return [f"{draw.uniform(low, high):.{digits}f}" for _ in range(count)]


CATEGORIES = {
    "words": ["good", "bad", "so so"],
    "truths": ["0", "1"],
    "stars": ["1", "2", "3", "4", "5"],
    "whole numbers as decimals": ["1.0", "2.0", "3.0"],
    "two decimals": ["0.5", "1.0"],
    "many numbers of classes": [str(n) for n in range(77)],
    "signs": ["-1", "0", "+1"],
    "countries": ["Korea, South", "Korea, North", "Congo, Dem. Rep.", "France", "Chad"],
    "departments": ["Toys, Games", "Arts, Crafts & Sewing", "Books", "Music"],
    "one number among words": ["1.5", "2.5", "n/a"],
    "versions": ["1.2.3", "1.2.4", "2.0.0"],
    "dates": ["2019-01-02", "2020-03-04", "2021-05-06"],
    "not finite": ["nan", "inf", "1.5"],
    "brackets": ["[a]", "[b]"],
    "percents": ["10%", "20%", "30%"],
}
SETS = {
    "commas": ["plot", "cast", "music", "plot,cast", "cast,music", "plot,cast,music"],
    "bars": ["a|b", "b|c", "a|c"],
    "semicolons": ["Action;Drama", "Drama", "Comedy;Drama", "Action;Comedy"],
    "spaces around": ["긍정, 배우", "배우, 음악", "음악, 긍정"],
    "JSON": ['["a"]', '["a", "b"]', "[]"],
    "one JSON list": ["a", '["a", "b"]'],
    "numbers": ["1,2", "2,3", "1,3", "2"],
}
NUMBERS = {
    "ratings": decimals(1, 5, 2),
    "halves": mixed(["1.0", "1.5", "2.0", "4.5", "5.0"]),
    "negative": decimals(-3, 3, 1),
    "exponents": ["1e-3", "2.5e2", "3.1", "-4E0"],
    "nearly all different": [str(random.Random(n).randrange(10_000)) for n in range(200)],
    "like .5": [".5", "1.25", "2."],
}


@pytest.mark.parametrize("labels", CATEGORIES.values(), ids=CATEGORIES)
def test_categories_are_seen(labels):
    assert look_at(mixed(labels, 500)).kind == "category"


@pytest.mark.parametrize("labels", SETS.values(), ids=SETS)
def test_sets_are_seen_with_a_notice_that_names_the_way_back(labels):
    seen = look_at(mixed(labels))
    assert seen.kind == "set"
    assert seen.notice.endswith("if not, data.labels=category")


@pytest.mark.parametrize("labels", NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_seen_with_a_notice_that_names_the_way_back(labels):
    seen = look_at(labels)
    assert seen.kind == "number"
    assert seen.notice.endswith("if not, data.labels=category")


def test_whole_numbers_of_a_few_kinds_stay_classes_and_the_other_way_is_named():
    assert "data.labels=number" in look_at(mixed(["1", "2", "3", "4", "5"])).notice
    assert look_at(mixed(["0", "1"])).notice is None
    assert look_at(mixed(["good", "bad"])).notice is None
    assert look_at([]).kind == "category"


def test_the_order_of_the_file_changes_nothing():
    for labels in (*CATEGORIES.values(), *SETS.values()):
        one = mixed(labels)
        other = sorted(one, key=lambda label: label[::-1])
        assert look_at(one) == look_at(other)


def test_members_are_each_once_in_their_order_and_lists_may_hold_separators():
    assert members(" b | a|b ", "|") == ["b", "a"]
    assert members('["Korea, South", "a|b", 3, true]', ",") == ["Korea, South", "a|b", "3", "true"]
    assert members("[]", ",") == members("", ",") == members(" , ", ",") == []
    assert members("a,b", "") == ["a,b"]
    assert members("[a, b]", ",") == ["[a", "b]"]  # no JSON
    assert members("[" * 100_000 + "]", "|") == ["[" * 100_000 + "]"]


def test_a_separator_is_the_first_of_ours_that_comes_and_lists_have_none():
    assert separator_of(["a,b", "a|b"]) == "|"
    assert separator_of(["a;b", "a,b"]) == ";"
    assert separator_of(['["a|b"]', "c"]) == ""


def test_numbers_are_decimal_and_finite():
    for good in ("1", "-1.50", "+.5", "2.", "1e5", "0"):
        assert is_number(good)
    for bad in ("", ".", "1,5", "1_0", "0x1", "nan", "inf", "1e999", "١", "1 "):
        assert not is_number(bad)


def test_names_are_sorted_by_value_where_all_are_whole():
    assert sorted_names(["10", "9", "10", "-1"]) == ["-1", "9", "10"]
    assert sorted_names(["10", "9", "x"]) == ["10", "9", "x"]
