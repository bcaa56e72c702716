"""Searching with a decoder and judging what is written, against enumeration and sacrebleu."""

import itertools

import numpy as np
import pytest
import reference
import sacrebleu
import tensorflow as tf

from seqtasks.config import DecodingConfig
from seqtasks.tasks.writing import Validation, search
from seqtasks.text.vocabulary import END_ID, PADDING_ID, START_ID
from seqtasks.topologies.decoder import Decoder, Readout

TOKENS = 7  # four special ones and three words
LONGEST = 3
S, MEMORY = 4, 5


def decoder_of(attention="additive", cell="lstm"):
    made = Decoder(TOKENS, cell, 2, 3, 4, attention)
    made.build((None, None, MEMORY))
    reference.randomise(made, 5)
    return made


def looked_at(decoder, N=2):
    """First states, and a memory of rows of unequal length, prepared."""
    draw = np.random.default_rng(8)
    states = [tf.constant(draw.normal(size=(N, n)), tf.float32) for n in decoder.state_sizes]
    memory = tf.constant(draw.normal(size=(N, S, MEMORY)), tf.float32)
    mask = tf.sequence_mask([S, 2, 3][:N], S)
    return states, decoder.prepare(memory, mask)


def all_hypotheses(decoder, states, prepared, row, penalty):
    """Each sequence that may be written, with its score and attention, the best first.

    All steps at once, as while teaching; the log-probabilities as the module says.
    """
    words = [token for token in range(TOKENS) if token not in (PADDING_ID, START_ID, END_ID)]
    sequences = [
        (*start, END_ID)
        for length in range(LONGEST)
        for start in itertools.product(words, repeat=length)
    ]
    sequences += list(itertools.product(words, repeat=LONGEST))  # cut off, without an end
    read = np.zeros((len(sequences), LONGEST), np.int32)
    read[:, 0] = START_ID
    for n, tokens in enumerate(sequences):
        read[n, 1 : len(tokens)] = tokens[:-1]
    of_row = [tf.repeat(state[row : row + 1], len(sequences), axis=0) for state in states]
    if prepared:
        prepared = [tf.repeat(part[row : row + 1], len(sequences), axis=0) for part in prepared]
    readout, _, attention = decoder(tf.constant(read), of_row, prepared)
    scores = readout.scores().numpy().astype(float)
    scores[:, :, [PADDING_ID, START_ID]] = -np.inf
    log_p = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    found = []
    for n, tokens in enumerate(sequences):
        total = sum(log_p[n, t, token] for t, token in enumerate(tokens))
        written = [token for token in tokens if token != END_ID]
        score = total / ((5 + len(tokens)) / 6) ** penalty
        found.append((score, written, attention[n, : len(written)].numpy()))
    return sorted(found, key=lambda one: -one[0])


@pytest.mark.parametrize("attention", ["additive", "multiplicative", "none"])
@pytest.mark.parametrize("penalty", [0.0, 1.3])
def test_a_search_wide_enough_finds_the_best_of_all_texts_with_score_and_attention(
    attention, penalty
):
    decoder = decoder_of(attention)
    states, prepared = looked_at(decoder)
    config = DecodingConfig(beam=90, n_best=6, length_penalty=penalty, max_length=LONGEST)
    found = search(decoder, prepared, states, config, 90, 6)
    for row in range(2):
        expected = all_hypotheses(decoder, states, prepared, row, penalty)[:6]
        assert len({score for score, *_ in expected}) == 6
        for place, (score, written, looked) in enumerate(expected):
            length = found.lengths[row, place]
            assert found.ids[row, place, :length].numpy().tolist() == written
            assert found.scores[row, place].numpy() == pytest.approx(score, abs=1e-5)
            ours = found.attention[row, place, :length].numpy()
            assert ours.shape == looked.shape
            np.testing.assert_allclose(ours, looked, rtol=0, atol=1e-5)


def test_a_beam_of_one_takes_the_likeliest_token_at_each_step():
    decoder = decoder_of(cell="gru")
    states, prepared = looked_at(decoder, N=3)
    config = DecodingConfig(beam=4, max_length=6)
    found = search(decoder, prepared, states, config, 1, 1)
    for row in range(3):
        written = [START_ID]
        own = [state[row : row + 1] for state in states]
        memory = [part[row : row + 1] for part in prepared]
        while len(written) <= 6 and written[-1] != END_ID:
            readout, *_ = decoder(tf.constant([written]), own, memory)
            scores = readout.scores()[0, -1].numpy()
            scores[[PADDING_ID, START_ID]] = -np.inf
            written.append(int(scores.argmax()))
        expected = [token for token in written[1:] if token != END_ID]
        assert found.ids[row, 0, : found.lengths[row, 0]].numpy().tolist() == expected
    assert len({tuple(ids) for ids in found.ids[:, 0].numpy().tolist()}) > 1


def test_nothing_longer_than_the_limit_is_written():
    decoder = decoder_of("none")
    decoder.b_E.assign(tf.one_hot(END_ID, TOKENS, -50.0, 0.0))  # it would never end
    states, prepared = looked_at(decoder)
    found = search(decoder, prepared, states, DecodingConfig(max_length=5), 3, 2)
    assert found.lengths.numpy().tolist() == [[5, 5]] * 2
    assert not found.finished.numpy().any()


# --- Validation ---------------------------------------------------------------------------------

IDS = [np.array([[4, 5, 3], [6, 3, 0]]), np.array([[5, 4, 6, 4, 3], [3, 0, 0, 0, 0]])]


class Fixed:
    """A model whose readout is the ids that it is given, mapped by a table."""

    def __init__(self):
        draw = np.random.default_rng(3)
        self.table = tf.Variable(draw.normal(size=(TOKENS, 4)), dtype=tf.float32)
        self.E, self.b = draw.normal(size=(TOKENS, 4)), draw.normal(size=TOKENS)
        self.trained = []

    def __call__(self, inputs, training):
        self.trained.append(training)
        E, b = tf.constant(self.E, tf.float32), tf.constant(self.b, tf.float32)
        return Readout(tf.gather(self.table, inputs["ids"]), E, b)

    def losses(self):
        """Of each real token, batch by batch."""
        for ids in IDS:
            scores = self.table.numpy()[ids[:, ::-1]].astype(float) @ self.E.T + self.b
            log_p = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
            rows, steps = np.nonzero(ids)
            yield -log_p[rows, steps, ids[rows, steps]]


def validation_of(model, metric="BLEU"):
    def batches():
        for ids in IDS:
            yield {"ids": ids[:, ::-1]}, ids

    signature = tf.TensorSpec([None, None], tf.int32)
    data = tf.data.Dataset.from_generator(batches, output_signature=({"ids": signature}, signature))
    written = ["a cat sat on the mat there", "nothing like it"]
    targets = ["A cat sat on the mat", "something else, though alike"]
    return Validation(model, data, lambda: written, targets, metric), written, targets


@pytest.mark.parametrize("metric", ["BLEU", "chrF"])
def test_validation_is_the_mean_loss_of_all_tokens_and_a_hundredth_of_the_score(metric):
    model = Fixed()
    validate, written, targets = validation_of(model, metric)
    loss, score = validate()
    expected = list(model.losses())
    assert loss == pytest.approx(np.concatenate(expected).mean(), abs=1e-5)
    # Batches have unlike numbers of tokens: their means' mean is another figure.
    assert loss != pytest.approx(np.mean([part.mean() for part in expected]), abs=1e-3)
    streams = written, [[target.lower() for target in targets]]
    count = {"BLEU": sacrebleu.corpus_bleu, "chrF": sacrebleu.corpus_chrf}[metric]
    assert score == pytest.approx(count(*streams).score / 100)
    assert 0.05 < score < 0.95
    assert set(model.trained) == {False}


def test_validation_follows_the_weights_as_they_change():
    model = Fixed()
    validate, *_ = validation_of(model)
    before, _ = validate()
    model.table.assign(2 * model.table)
    assert validate()[0] == pytest.approx(np.concatenate(list(model.losses())).mean(), abs=1e-5)
    assert validate()[0] != pytest.approx(before, abs=1e-3)
