"""Tags that leave their scheme, or can't follow it: what is said, and what follows."""

import pytest

from seqtasks.data.splits import Splits
from seqtasks.data.tagged import TaggedSentences
from seqtasks.entities import Scheme
from seqtasks.errors import ConfigError
from seqtasks.tasks.schemes import check_constraint, constrained, follow, scheme_notice

IOB2 = Scheme("IOB2", "prefix")
GOOD = ["O", "B-PER", "I-PER", "O", "B-LOC"]


def part(*tags):
    rows = [list(row) for row in tags]
    return TaggedSentences([["x"] * len(row) for row in rows], rows, "a.bio", [*range(1, 99)])


def test_a_few_sentences_that_leave_a_scheme_do_not_end_it():
    bad = ["O", "I-PER"]
    assert follow(IOB2, part(*[GOOD] * 19, bad))
    assert not follow(IOB2, part(*[GOOD] * 17, bad))
    # Sentences without entities are no witnesses.
    assert not follow(IOB2, part(*[GOOD] * 17, bad, *[["O", "O"]] * 50))


def test_what_is_next_to_a_token_without_a_tag_is_not_judged():
    assert IOB2.first_break(["", "I-PER", "O"]) is None
    assert IOB2.first_break(["", "I-PER", "I-LOC"]) == 2
    bioes = Scheme("BIOES", "prefix")
    assert bioes.first_break(["B-PER", ""]) is None
    assert bioes.first_break(["O", "B-PER"]) == 2


@pytest.mark.parametrize(
    ("asked", "bad", "said"),
    [
        (None, 1, "answers follow it (decoding.constrain=false changes that)"),
        (None, 9, "answers may leave it, too (decoding.constrain=true changes that)"),
        (True, 9, "answers follow it (decoding.constrain=false changes that)"),
        (False, 1, "answers may leave it, too (decoding.constrain=true changes that)"),
    ],
)
def test_data_that_leave_their_scheme_are_told_in_a_line(asked, bad, said):
    train = part(*[GOOD] * 30, *[["B-PER", "I-LOC", "O"]] * bad, ["O"])
    assert scheme_notice(asked, train) == (
        f"a.bio: {bad} of {30 + bad} sentences with entities leave IOB2, such as that of line 31 "
        f"(I-LOC after B-PER); {said}"
    )
    assert scheme_notice(asked, part(*[GOOD] * 9)) is None
    assert scheme_notice(asked, part(["NOUN", "VERB"])) is None


def test_the_place_of_a_break_may_be_at_either_end():
    assert "(I-PER first)" in (scheme_notice(None, part(GOOD, ["I-PER"])) or "")
    train = part(["S-A", "B-A", "E-A", "O"], ["O", "B-A"])
    assert "leave BIOES, such as that of line 2 (B-A last)" in (scheme_notice(None, train) or "")


def test_by_default_tags_follow_what_the_training_data_follow():
    tags = ["O", "B-A", "I-A"]
    assert constrained(None, IOB2, True, tags, "it")
    assert not constrained(None, IOB2, False, tags, "it")
    assert not constrained(False, IOB2, True, tags, "it")
    assert constrained(True, IOB2, False, tags, "it")
    assert not constrained(None, None, True, tags, "it")
    # A sentence of one token would have no tag.
    assert not constrained(None, Scheme("BIOES", "prefix"), True, ["B-A", "E-A"], "it")


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ([["NOUN", "VERB"]], "needs tags that mark entities, such as B-PER, I-PER and O"),
        ([["B-A", "E-A"]], "needs a tag that may stand alone in BIOES, such as O"),
    ],
)
def test_a_scheme_that_can_not_be_followed_is_a_mistake_only_where_it_is_asked_for(tags, reason):
    splits = Splits(part(*tags), part(*tags), None)
    check_constraint(None, splits)
    check_constraint(False, splits)
    with pytest.raises(ConfigError) as error:
        check_constraint(True, splits)
    expected = f"decoding.constrain: true {reason}; a.bio has none, leave it out or use false"
    assert str(error.value) == expected
