"""Entities in tags: every scheme, well formed or not, against rules that are written otherwise."""

import random

import pytest

from seqtasks.entities import OUTSIDE, Scheme, Span, entity_f1, entity_report, recognise

TYPES = ["PER", "LOC", "B", "A-B", "사람", "I_S"]
LETTERS = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
FORMS = ["{place}-{type}", "{place}_{type}", "{type}-{place}", "{type}_{place}"]
CASES = 3000


def entity(scheme, type_, length, touches):
    """The places of an entity in a well-formed sentence."""
    if scheme in ("IOB1", "IOB2"):
        return ("B" if scheme == "IOB2" or touches else "I") + "I" * (length - 1)
    middle, end, single = {"BIOES": "IES", "BILOU": "ILU", "BMES": "MES"}[scheme]
    return single if length == 1 else "B" + middle * (length - 2) + end


def sentence(draw, scheme, size):
    """Pairs of a place and a type, and the entities they are made of."""
    tags, spans = [], []
    while len(tags) < size:
        if draw.random() < 0.4:
            tags.append(("O", ""))
            continue
        type_, length = draw.choice(TYPES), draw.randint(1, 4)
        touches = bool(tags) and tags[-1][1] == type_
        spans.append((len(tags), len(tags) + length, type_))
        tags += [(place, type_) for place in entity(scheme, type_, length, touches)]
    return tags, spans


def written(tags, form, outside="O", lower=False):
    """Tags as a file has them."""
    return [
        outside
        if place == "O"
        else form.format(place=place.lower() if lower else place, type=type_)
        for place, type_ in tags
    ]


def begins(before, here):
    """Whether an entity begins: by what stands before it and here, as the CoNLL script asks."""
    if here[0] == "O":
        return False
    if before[0] == "O" or before[1] != here[1]:
        return True
    return here[0] in "BSUW" or before[0] in "ELSUW"


def spans_by_edges(tags):
    """The entities, found by where each begins and where the next token no longer belongs to it."""
    padded = [("O", ""), *tags, ("O", "")]
    starts = [at for at in range(len(tags)) if begins(padded[at], padded[at + 1])]
    found = []
    for start in starts:
        end = start + 1
        while end < len(tags) and tags[end][0] != "O" and end not in starts:
            end += 1
        found.append((start, end, tags[start][1]))
    return found


each_scheme = pytest.mark.parametrize("name", LETTERS)


@each_scheme
@pytest.mark.parametrize("form", FORMS)
def test_well_formed_sentences_have_the_entities_that_they_were_made_of(name, form):
    draw = random.Random(f"{name} {form}")
    for _ in range(300):
        tags, spans = sentence(draw, name, draw.randint(0, 12))
        outside, lower = draw.choice(sorted(OUTSIDE)), draw.random() < 0.3
        scheme = Scheme(name, "prefix" if form.startswith("{place}") else "suffix")
        assert scheme.spans(written(tags, form, outside, lower)) == spans


@each_scheme
def test_any_tags_have_the_scores_of_the_conll_evaluations(name):
    draw, scheme = random.Random(name), Scheme(name, "prefix")
    for _ in range(CASES):
        right = [sentence(draw, name, draw.randint(1, 9))[0] for _ in range(draw.randint(1, 4))]
        noise = [("O", ""), *((p, t) for p in LETTERS[name] for t in TYPES)]
        tagged = [[draw.choice(noise) if draw.random() < 0.3 else t for t in s] for s in right]
        there, seen = (
            {(n, *span) for n, tags in enumerate(part) for span in spans_by_edges(tags)}
            for part in (right, tagged)
        )
        found = entity_report(
            scheme, *([written(s, FORMS[0]) for s in part] for part in (right, tagged))
        )
        rows = {type_: found["types"].get(type_) for type_ in TYPES}
        for type_, row in [(None, found), *rows.items()]:
            one, other = (
                {span for span in part if type_ in (None, span[3])} for part in (there, seen)
            )
            if row is None:
                assert not one | other
                continue
            both = len(one & other)
            assert row["support"] == len(one)
            assert row["precision"] == (both / len(other) if other else 0)
            assert row["recall"] == (both / len(one) if one else 0)
            assert row["F1"] == pytest.approx(
                2 * both / (len(one) + len(other)) if one or other else 0
            )
        means = [row["F1"] for row in rows.values() if row]
        assert found["macro avg"]["F1"] == pytest.approx(sum(means) / max(len(means), 1))
        assert found["macro avg"]["support"] == len(there)


@each_scheme
@pytest.mark.parametrize("form", FORMS)
def test_a_scheme_is_recognised_in_what_it_wrote(name, form):
    draw = random.Random(f"{name} {form} recognised")
    tags = [sentence(draw, name, 20)[0] for _ in range(40)]
    for outside in OUTSIDE:
        for lower in (False, True):
            found = recognise([written(one, form, outside, lower) for one in tags])
            form_name = "prefix" if form.startswith("{place}") else "suffix"
            assert found == Scheme(name, form_name)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-ORDER O", ("IOB2", "prefix")),
        ("I-PER O", ("IOB1", "prefix")),
        ("I-PER B-PER O", ("IOB1", "prefix")),
        ("B-PER I-PER B-LOC O", ("IOB2", "prefix")),
        ("O B-PER E-PER S-LOC", ("BIOES", "prefix")),
        ("b-per i-per o", ("IOB2", "prefix")),
        ("PER_B PER_I - LOC_B", ("IOB2", "suffix")),
        ("B I O", ("IOB2", "bare")),
        ("B-NP I-NP B-VP", ("IOB2", "prefix")),
        ("NOUN VERB PUNCT", None),
        ("NN-S NN-B X", None),
        ("N-S V-I", None),  # parts of speech with a letter behind: nothing is outside, no B
        ("S O", None),
        ("O O", None),
        ("B- O", None),
        ("BX O", None),
    ],
)
def test_tags_are_taken_for_entities_only_where_all_are(tags, expected):
    found = recognise([tags.split()])
    assert found == (Scheme(*expected) if expected else None)


def test_tags_without_types_are_entities_of_one_type():
    assert Scheme("IOB2", "bare").spans(["B", "I", "O", "b"]) == [
        Span(0, 2, "entity"),
        Span(3, 4, "entity"),
    ]


def test_a_list_of_single_tags_is_read_as_the_sentences_are():
    sentences = [["I-A", "B-A", "O"], ["I-A"]]
    alone = recognise([[tag] for sentence in sentences for tag in sentence])
    assert alone is not None
    assert [alone.spans(s) for s in sentences] == [recognise(sentences).spans(s) for s in sentences]


def test_where_there_are_no_entities_and_none_are_found_all_is_right():
    scheme = Scheme("IOB2", "prefix")
    assert entity_f1(scheme, [["O"]], [["O"]]) == 1.0
    assert entity_f1(scheme, [["O"]], [["B-A"]]) == 0.0
    assert entity_f1(scheme, [["B-A", "O"]], [["B-A", "B-A"]]) == pytest.approx(2 / 3)
