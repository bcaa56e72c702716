"""Paths of tags against all that there are: which follow a scheme, the best one, its entities."""

import math
import re
from itertools import pairwise, product

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.data.tagged import TaggedSentences
from seqtasks.entities import Scheme
from seqtasks.layers.crf import CRF
from seqtasks.tasks import tagger, tagging
from seqtasks.tasks.schemes import allowed, inside_and_goes_on
from seqtasks.tasks.tagging import Tagging
from seqtasks.topologies.tag_paths import Marks, TagPaths

LENGTHS = [3, 0, 1, 5, 4, 2]
T = max(LENGTHS)

# Of each scheme its tags, and whole sentences as a pattern over one letter a tag, written from the
# schemes' definitions: an entity is spelled out, and a sentence is entities and O.
SCHEMES = {
    "IOB2": (["O", "B-A", "I-A", "B-B", "I-B"], "(o|AI*|XY*)*"),
    "IOB1": (["O", "I-A", "B-A", "I-B"], "(o|I[IA]*|Y+)*"),
    "BIOES": (["B-A", "E-A", "I-A", "O", "S-A", "S-B"], "(o|AI*E|S|Z)*"),
    "BILOU": (["L-A", "B-A", "I-A", "O", "U-B"], "(o|AI*E|Z)*"),
    "BMES": (["A_B", "A_M", "A_E", "A_S", "O"], "(o|AI*E|S)*"),
}
LETTERS = {  # of types A and B: what begins, goes on, ends, and stands alone
    **{"O": "o", "B-A": "A", "I-A": "I", "E-A": "E", "L-A": "E", "S-A": "S", "U-A": "S"},
    **{"B-B": "X", "I-B": "Y", "S-B": "Z", "U-B": "Z"},
    **{"A_B": "A", "A_M": "I", "A_E": "E", "A_S": "S"},
}
each_scheme = pytest.mark.parametrize("name", SCHEMES)


def scheme_of(name):
    return Scheme(name, "suffix" if name == "BMES" else "prefix")


def is_of(name, tags):
    return re.fullmatch(SCHEMES[name][1], "".join(LETTERS[tag] for tag in tags)) is not None


def made(name, with_crf, temperature=1.0, constrained=True, seed=1):
    """What chooses paths of a scheme's tags, and weights of the chain, 0 without a CRF."""
    tags, draw = SCHEMES[name][0], np.random.default_rng(seed)
    K, crf = len(tags), None
    weights = [np.zeros((K, K)), np.zeros(K), np.zeros(K)]
    if with_crf:
        crf = CRF()
        crf.build((None, None, K))
        weights = [draw.normal(0, 1, (K, K)), draw.normal(0, 1, K), draw.normal(0, 1, K)]
        crf.set_weights(weights)
    logits = draw.normal(0, 2, (len(LENGTHS), T, K)).astype(np.float32)
    marks = Marks(*inside_and_goes_on(scheme_of(name), tags))
    rules = allowed(scheme_of(name), tags) if constrained else None
    return TagPaths(crf, marks, rules, temperature), weights, logits


def all_paths(logits, weights):
    """All paths over (T, K), and the probability of each."""
    transitions, start, end = weights
    K = logits.shape[1]
    paths = list(product(range(K), repeat=len(logits)))
    scores = []
    for path in paths:
        total = sum(float(logits[t, k]) for t, k in enumerate(path))
        total += sum(transitions[a, b] for a, b in pairwise(path))
        scores.append(total + (start[path[0]] + end[path[-1]] if path else 0))
    chances = np.exp(np.array(scores) - max(scores))
    return paths, chances / chances.sum()


def entities_of(scheme_tags, path, scheme):
    """Where the entities of a path begin and end, by the rule that evaluations have."""
    return [(s.start, s.end) for s in scheme.spans([scheme_tags[k] for k in path])]


def go_on(tags, scheme, path, at):
    """Whether the entity of the tag before goes on at a place: one span has both."""
    pair = [tags[path[at - 1]], tags[path[at]]]
    return any(s.start == 0 and s.end == 2 for s in scheme.spans(pair))


@pytest.mark.parametrize("with_crf", [False, True])
@each_scheme
def test_the_path_is_the_best_of_those_of_the_scheme_and_none_leaves_it(name, with_crf):
    tags, scheme = SCHEMES[name][0], scheme_of(name)
    choose, weights, logits = made(name, with_crf)
    found = choose(logits, tf.constant(LENGTHS))
    best, rows, chances = (part.numpy() for part in (found.tags, found.probabilities, found[2]))
    illegal = 0
    for n, length in enumerate(LENGTHS):
        row = logits[n, :length]
        paths, p = all_paths(row, weights)
        legal = [is_of(name, [tags[k] for k in path]) for path in paths]
        p_legal = np.where(legal, p, 0)
        path = tuple(best[n, :length])
        assert path == paths[p_legal.argmax()]
        illegal += path != paths[p.argmax()]
        if with_crf:  # paths that leave the scheme have no probability at all
            p = p_legal / p_legal.sum()
        for t, k in product(range(length), range(len(tags))):
            marginal = sum(p[i] for i, each in enumerate(paths) if each[t] == k)
            assert rows[n, t, k] == pytest.approx(marginal, abs=2e-6)
        begins = dict(entities_of(tags, path, scheme))
        for t in range(length):
            if t not in begins:
                assert chances[n, t] == 0
                continue
            end = begins[t]
            whole = sum(
                chance
                for each, chance in zip(paths, p, strict=True)
                if each[t:end] == path[t:end]
                and not (t and go_on(tags, scheme, each, t))
                and not (end < length and go_on(tags, scheme, each, end))
            )
            assert chances[n, t] == pytest.approx(whole, abs=2e-6)
    assert illegal  # or the scheme had nothing to do


@each_scheme
def test_unconstrained_each_token_has_its_likeliest_tag(name):
    choose, _, logits = made(name, with_crf=False, constrained=False)
    found = choose(logits, tf.constant(LENGTHS))
    assert np.array_equal(found.tags, logits.argmax(axis=2))
    rows = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(found.probabilities, rows, atol=1e-6)


def test_of_tags_that_mark_nothing_there_are_paths_and_no_entities():
    crf = CRF()
    crf.build((None, None, 3))
    crf.set_weights([np.array([[0, 9, 0], [0, 0, 9], [9, 0, 0]]), np.zeros(3), np.zeros(3)])
    found = TagPaths(crf)(tf.zeros((1, 4, 3)), tf.constant([4]))
    assert found.entities is None
    assert set(np.diff(found.tags[0]) % 3) == {1}
    assert TagPaths().alone


def test_hundreds_of_random_sentences_stay_in_their_scheme():
    for name in SCHEMES:
        tags, draw = SCHEMES[name][0], np.random.default_rng(5)
        for with_crf, size in product((False, True), (0.1, 30.0)):
            choose, _, _ = made(name, with_crf, seed=6)
            logits = draw.normal(0, size, (40, 9, len(tags))).astype(np.float32)
            lengths = draw.integers(0, 10, 40)
            best = choose(logits, tf.constant(lengths, tf.int32)).tags.numpy()
            for path, length in zip(best, lengths, strict=True):
                assert is_of(name, [tags[k] for k in path[:length]])


@pytest.mark.parametrize("with_crf", [False, True])
def test_a_temperature_makes_less_sure_and_changes_no_tag(with_crf):
    choose, _, logits = made("IOB2", with_crf)
    warm, _, _ = made("IOB2", with_crf, temperature=2.5)
    lengths = tf.constant(LENGTHS)
    before, after = choose(logits, lengths), warm(logits, lengths)
    real = reference.mask_of(np.array(LENGTHS), T)
    assert np.array_equal(before.tags.numpy()[real], after.tags.numpy()[real])
    expected = before.probabilities.numpy()[real] ** (1 / 2.5)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after.probabilities.numpy()[real], expected, atol=1e-5)
    if with_crf:  # an entity is there or not: two classes
        there = before.entities.numpy()[real] > 0
        p = before.entities.numpy()[real][there]
        expected = p ** (1 / 2.5) / (p ** (1 / 2.5) + (1 - p) ** (1 / 2.5))
        np.testing.assert_allclose(after.entities.numpy()[real][there], expected, atol=1e-5)
        assert (after.entities.numpy()[real][~there] == 0).all()


def test_a_row_does_not_depend_on_its_neighbours():
    choose, _, logits = made("BIOES", with_crf=True)
    together = choose(logits, tf.constant(LENGTHS))
    for n, length in enumerate(LENGTHS):
        alone = choose(logits[n : n + 1, :length], tf.constant([length]))
        assert np.array_equal(together.tags[n, :length], alone.tags[0])
        for one, other in zip(together[::2], alone[::2], strict=True):
            np.testing.assert_allclose(one[n, :length], other[0], atol=1e-6)


# --- A whole tagger -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crf(make):
    """A network of random weights with a CRF, which reads 8 tokens at once."""
    made = make("tagging", {"model.head": "crf", "text.max_length": 8})
    reference.randomise(made.model, 7)
    return made


TEXTS = ["Marie Curie saw Paris", "철수가 갔다", " ".join(["New", "York", "saw"] * 9), "갔다"]


def legal(tags):
    return all(
        tag[0] != "I" or (before != "O" and before[2:] == tag[2:])
        for before, tag in zip(["O", *tags], tags, strict=False)
    )


def test_the_loss_is_that_of_whole_sentences_divided_among_their_annotated_tokens(crf):
    layer = crf.model.get_layer("crf")
    K = len(crf.codec.tags)
    weights = layer.get_weights()
    emissions = np.random.default_rng(3).normal(0, 2, (3, 4, K)).astype(np.float32)
    numbers = np.array([[1, 2, 0, 4], [3, -2, 1, -1], [-2, -2, -1, -1]])
    losses = tagger.crf_loss(layer)(tf.constant(numbers, tf.int32), tf.constant(emissions)).numpy()
    expected = []
    for n, length in enumerate((4, 3)):
        paths, p = all_paths(emissions[n, :length], weights)
        known = [(t, k) for t, k in enumerate(numbers[n, :length]) if k >= 0]
        whole = sum(p[i] for i, path in enumerate(paths) if all(path[t] == k for t, k in known))
        expected += [-math.log(whole) / len(known)] * len(known)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_tags_follow_the_scheme_however_long_and_batched_and_as_the_export_says(crf):
    predictor = crf.predictor()
    together, apart = list(predictor.predict(TEXTS)), list(predictor.predict(TEXTS, 1))
    for one, other, text in zip(together, apart, TEXTS, strict=True):
        assert len(one.tags) == len(one.tokens) == len(text.split())
        assert legal(one.tags)
        assert one.tags == other.tags
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-4)
        for entity in one.entities or []:
            assert 0 < entity["probability"] <= 1
    assert {tag[0] for one in together for tag in one.tags} == {"B", "I", "O"}
    endpoint, of_tokens = Tagging().endpoints(predictor)
    served = endpoint.function(tf.constant(TEXTS))
    for n, one in enumerate(together):
        length = int(served["lengths"][n])
        assert [tag.decode() for tag in served["tags"][n].numpy()[:length]] == one.tags
        scores = served["entity_scores"][n].numpy()
        told = [entity["probability"] for entity in one.entities or []]
        np.testing.assert_allclose(scores[scores > 0], told, atol=1e-4)
        np.testing.assert_allclose(served["scores"][n][:length], one.probabilities, atol=1e-4)
    graph = tf.function(endpoint.function, input_signature=[tf.TensorSpec([None], tf.string)])
    for nothing in ([""], ["", " "]):
        assert graph(tf.constant(nothing))["lengths"].numpy().tolist() == [0] * len(nothing)
    assert set(of_tokens.outputs) == {"tags", "scores", "entity_scores", "lengths"}


def test_validation_and_evaluation_judge_the_paths(crf):
    predictor = crf.predictor()
    part = crf.splits.test
    given = TaggedSentences(
        [*part.tokens, ["a", "b"]], [*part.tags, ["O", "X"]], "names.bio", [*part.lines, 99]
    )
    tagged = [one.tags for one in predictor.predict_tokens(given.tokens)]
    right = [tag for tags in given.tags for tag in tags]
    flat = [tag for tags in tagged for tag in tags]
    expected = np.mean([a == b for a, b in zip(right, flat, strict=True)])
    _, score = tagging._validate(predictor, crf.config, tagger.examples(crf.codec, given))
    found = Tagging().evaluate(crf.config, predictor, given, None)
    assert score == found.accuracy == pytest.approx(expected)
    assert found.confusions == [
        [sum(pair == (a, b) for pair in zip(right, flat, strict=True)) for b in found.labels]
        for a in found.labels
    ]
    wrong = [m.probability for m in found.mistakes]
    told = {
        round(p, 3)
        for one, tags in zip(predictor.predict_tokens(given.tokens), given.tags, strict=True)
        for p, tag, said in zip(one.probabilities, tags, one.tags, strict=True)
        if tag != said
    }
    assert {round(p, 3) for p in wrong} <= {r for p in told for r in (p, p - 0.001, p + 0.001)}


def test_all_that_a_crf_learns_is_trained_and_saved(crf):
    fit = crf.task.prepare_fit(crf.config, crf.codec, crf.model, crf.splits)
    data, _ = fit.batches(0, 0)
    inputs, targets = next(iter(data))
    weights = [weight.value for weight in crf.model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(fit.loss(targets, crf.model(inputs, training=True)))
    gradients = tape.gradient(loss, weights)
    assert all(float(tf.norm(tf.convert_to_tensor(g))) > 0 for g in gradients)
    names = {weight.path for weight in crf.model.variables}
    assert {"crf/transitions", "crf/start", "crf/end"} <= names
