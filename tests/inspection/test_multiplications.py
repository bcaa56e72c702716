"""Multiplications of each network beside what its equations need, counted by hand."""

import keras
import pytest

from seqtasks.config import ClassifierConfig, TaggerConfig, TranslatorConfig, WriterConfig
from seqtasks.config.arch import ARCHS, Arch
from seqtasks.inspection.multiplications import multiplications, per_token
from seqtasks.topologies.hierarchical import Hierarchical
from seqtasks.topologies.many_to_many import many_to_many
from seqtasks.topologies.many_to_one import many_to_one
from seqtasks.topologies.next_step import NextStep
from seqtasks.topologies.one_to_many import OneToMany
from seqtasks.topologies.seq2seq import Seq2Seq

D, H, C = 5, 3, 2  # widths of vectors and states, classes


def by_hand(cell, inputs, units):
    """The scalar products of a step, one line of the cell's equations after the other."""
    gate = inputs * units + units * units  # x_t W_x and h_{t-1} W_h of one gate
    if cell == "rnn":
        return gate  # h_t = tanh(x_t W_x + h_{t-1} W_h + b)
    if cell == "lstm":
        f = i = o = g = gate
        c_t = units + units  # f ⊙ c_{t-1} + i ⊙ g
        h_t = units  # o ⊙ tanh(c_t)
        return f + i + o + g + c_t + h_t
    if cell == "peeplstm":
        peepholes = 3 * units  # p ⊙ c of f, i and o
        return by_hand("lstm", inputs, units) + peepholes
    if cell == "lnlstm":
        numbers = 4 * units + 4 * units + units  # of x_t W_x, of h_{t-1} W_h, of c_t
        return by_hand("lstm", inputs, units) + 3 * numbers  # squares, 1 / σ, gains
    if cell == "lngru":
        numbers = 3 * units + 3 * units
        return by_hand("gru", inputs, units) + 3 * numbers
    z = r = gate
    h_tilde = inputs * units + units + units * units  # x_t W_x + (r ⊙ h_{t-1}) W_h
    h_t = units + units  # (1 - z) ⊙ h_{t-1} + z ⊙ h~
    return z + r + h_tilde + h_t


def stack_by_hand(arch, inputs, layers):
    parsed, total = Arch.parse(arch), 0
    for _ in range(layers):
        directions = 2 if parsed.bidirectional else 1
        total += directions * by_hand(parsed.cell, inputs, H)
        inputs = directions * H
    return total, inputs


@pytest.mark.parametrize("arch", ARCHS)
def test_every_arch_costs_what_its_equations_do(arch):
    layers = 3 if Arch.parse(arch).stacked else 1
    options = {"arch": arch, "units": H, "embedding_units": D, "layers": layers}
    model = many_to_one(9, 0, C, ClassifierConfig(**options))
    expected, width = stack_by_hand(arch, D, layers)
    assert multiplications(model) == {"token": expected, "example": width * C}
    beside = many_to_one(9, 0, C, ClassifierConfig(**options, beside="ngrams", beside_buckets=9))
    assert multiplications(beside) == multiplications(model)  # what tables say is only added
    tagger = many_to_many(9, 0, C, TaggerConfig(**options))
    assert multiplications(tagger) == {"token": expected + width * C}
    tagger = many_to_many(9, 0, C, TaggerConfig(**options), head="crf")
    forwards = backwards = C * C + C  # what is known so far by transitions, ⊙ the emissions
    assert multiplications(tagger) == {"token": expected + width * C + forwards + backwards}


def test_the_three_cells_by_figures():
    """With D = 5 and H = 3: 15 + 9, and four and three times as many and 9 products more."""
    counts = {}
    for arch in ("rnn", "lstm", "gru"):
        config = ClassifierConfig(arch=arch, units=H, embedding_units=D)
        counts[arch] = per_token(multiplications(many_to_one(9, 0, C, config)))
    assert counts == {"rnn": 24, "lstm": 4 * 24 + 9, "gru": 3 * 24 + 9}


def test_characters_and_attention_over_time_are_counted_for_what_they_read():
    config = ClassifierConfig(
        arch="gru", units=H, embedding_units=D, character_units=4, pooling="attention"
    )
    assert multiplications(many_to_one(9, 7, C, config)) == {
        "character": 2 * by_hand("lstm", 4, 2),  # both directions, two units each
        "token": by_hand("gru", D + 4, H) + H * H + H + H,
        "example": H * C,
    }


def test_sentences_are_counted_apart_from_their_words():
    config = ClassifierConfig(arch="bilstm", units=H, embedding_units=D, pooling="max")
    assert multiplications(Hierarchical(9, 0, C, config)) == {
        "token": 2 * by_hand("lstm", D, H),
        "sentence": 2 * by_hand("lstm", 2 * H, H),
        "example": 2 * H * C,
    }


V = 11  # tokens to write


@pytest.mark.parametrize("tied", [True, False])
def test_a_language_model_reads_and_writes_each_token(tied):
    config = WriterConfig(arch="stacked-gru", layers=2, units=H, embedding_units=D, tied=tied)
    expected = by_hand("gru", D, H) + by_hand("gru", H, H) + (H + D) * D + D * V
    assert multiplications(NextStep(V, config)) == {"token": expected}


def test_a_translator_reads_writes_and_looks():
    options = {"arch": "bilstm", "units": H, "embedding_units": D}
    M = 2 * H  # the encoder's outputs
    written = by_hand("lstm", D, H) + D * V
    read, once = 2 * by_hand("lstm", D, H), 2 * M * H  # bridges to h and c
    for kind, expected in (
        ("none", {"token": read, "written": written + (H + D) * D}),
        (
            "additive",
            {
                "token": read + M * H,
                "written": written + (H + M + D) * D + H * H,
                "pair": H + M,
            },
        ),
        (
            "multiplicative",
            {"token": read + M * H, "written": written + (H + M + D) * D, "pair": H + M},
        ),
    ):
        found = multiplications(Seq2Seq(9, 0, V, TranslatorConfig(**options, attention=kind)))
        assert found == {**expected, "example": once}, kind


def test_convolutions_are_counted_at_every_place():
    config = WriterConfig(arch="rnn", units=H, embedding_units=D)
    found = multiplications(OneToMany((10, 8, 2), V, config))
    first, second, third = 10 * 8 * 9 * 2 * 32, 5 * 4 * 9 * 32 * 64, 5 * 4 * 9 * 64 * 64
    flat = 3 * 2 * 64 * H  # after the last halving
    assert found["example"] == first + second + third + flat + H * H
    assert found["written"] == by_hand("rnn", D, H) + (H + D) * D + D * V


def test_what_is_unknown_is_not_guessed():
    inputs = keras.Input((4,))
    other = keras.Model(inputs, keras.layers.EinsumDense("ab,bc->ac", 3)(inputs))
    assert multiplications(other) is None
