"""Recorded layers against the pages' equations: every step, and what comes back to it."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks.inspection.recording import looking_back, recording
from seqtasks.layers.bidirectional import Bidirectional, directions
from seqtasks.layers.recurrent import GRU, LSTM, RNN
from seqtasks.layers.stacked import Stacked
from seqtasks.layers.variants import LayerNormGRU, LayerNormLSTM, PeepholeLSTM

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
FURTHER = {"lnlstm": LayerNormLSTM, "lngru": LayerNormGRU, "peeplstm": PeepholeLSTM}
N, T, D, H = 3, 5, 2, 3
LENGTHS = [5, 2, 4]


def recorded(kind, seed=3):
    """Two bidirectional layers over padded rows, in float64: inputs, weights, outputs, runs."""
    make = (LAYERS | FURTHER)[kind]
    layers = [Bidirectional(make(H, return_sequences=True, dtype="float64")) for _ in range(2)]
    stack = Stacked(layers)
    stack.build((N, T, D))
    weights = reference.randomise(stack, seed)
    x = reference.inputs(N, T, D, seed)
    mask = tf.constant(reference.mask_of(LENGTHS, T))
    plain = stack(tf.constant(x), mask=mask).numpy()
    with tf.GradientTape() as tape, recording(stack.layers, tape) as recorder:
        outputs = stack(tf.constant(x), mask=mask)
    assert all(each.observer is None for layer in stack.layers for each in directions(layer))
    np.testing.assert_allclose(outputs.numpy(), plain, rtol=0, atol=1e-14)
    return x, weights, recorder.runs


def rows(values):
    """The real steps of (N, T, ...), one row after the other."""
    return np.concatenate([row[:length] for row, length in zip(values, LENGTHS, strict=True)])


def zeros(kind, count=1):
    return [np.zeros((N, H))] * (reference.STATES[kind] * count)


def by_layer(kind, x, weights):
    """What each of the four runs reads, its weights, its outputs, and its direction."""
    half = len(weights) // 4
    for index in range(2):
        own = weights[index * 2 * half : (index + 1) * 2 * half]
        forward, backward, _ = reference.run_both(kind, x, own, zeros(kind, 2), LENGTHS)
        yield x, own[:half], forward, False
        yield x, own[half:], backward, True
        x = np.concatenate([forward, backward], axis=2)


@pytest.mark.parametrize("kind", LAYERS | FURTHER)
def test_states_are_the_equations_in_both_directions_of_a_stack_over_padded_rows(kind):
    x, weights, runs = recorded(kind)
    judged = list(by_layer(kind, x, weights))
    assert len(runs) == len(judged) == 4
    for run, (read, own, outputs, backward) in zip(runs, judged, strict=True):
        assert run.layer.go_backwards is backward
        arrays = run.arrays()
        np.testing.assert_allclose(arrays["h"], rows(outputs), rtol=0, atol=1e-12)
        read_here = run.in_time(run.x.numpy().swapaxes(0, 1))
        np.testing.assert_allclose(read_here, rows(read), rtol=0, atol=1e-12)
        if kind in LAYERS:
            check_gates(kind, arrays, read, own, backward)
        elif "c" in arrays:  # c_t is made of the gates and the memory before it, as in the pages
            place = LENGTHS[0] - 1 if backward else 0
            np.testing.assert_allclose(
                arrays["c"][place],
                arrays["i"][place] * arrays["g"][place],
                rtol=0,
                atol=1e-12,
            )


def check_gates(kind, arrays, x, weights, backward):
    """Gates of each step from its inputs and the states before it, by the pages."""
    W_x, W_h, b = (reference.gates(kind, each) for each in weights)
    start = 0
    for n, length in enumerate(LENGTHS):
        states = tuple(np.zeros(H) for _ in range(reference.STATES[kind]))
        for t in range(length)[:: -1 if backward else 1]:
            at, x_t, h = start + t, x[n, t], states[0]
            for name in [each for each in "fiozr" if each in arrays]:
                gate = reference.sigmoid(x_t @ W_x[name] + h @ W_h[name] + b[name])
                np.testing.assert_allclose(arrays[name][at], gate, rtol=0, atol=1e-12)
            if "g" in arrays:
                g = np.tanh(x_t @ W_x["g"] + h @ W_h["g"] + b["g"])
                np.testing.assert_allclose(arrays["g"][at], g, rtol=0, atol=1e-12)
            if "h_tilde" in arrays:
                reset = arrays["r"][at] * h
                h_tilde = np.tanh(x_t @ W_x["h"] + reset @ W_h["h"] + b["h"])
                np.testing.assert_allclose(arrays["h_tilde"][at], h_tilde, rtol=0, atol=1e-12)
            states = reference.STEP[kind](x_t, states, *weights)
            if "c" in arrays:
                np.testing.assert_allclose(arrays["c"][at], states[1], rtol=0, atol=1e-12)
        start += length


def states_from(kind, x, weights, states):
    """The states after all steps of x (T, D)."""
    for x_t in x:
        states = reference.STEP[kind](x_t, states, *weights)
    return states


@pytest.mark.parametrize("kind", LAYERS | FURTHER)
def test_what_is_left_of_each_step_is_the_exact_derivative_of_the_equations(kind):
    x, weights, runs = recorded(kind)
    each = len(weights) // 4
    run, own = runs[1], weights[each : 2 * each]  # the backward layer: both ways of counting differ
    assert run.layer.go_backwards
    found = looking_back(run)
    start = 0
    for n, length in enumerate(LENGTHS):
        read = x[n, :length][::-1]
        states = tuple(np.zeros(H) for _ in range(reference.STATES[kind]))
        kept = np.ones(H)
        before = [states]
        for x_t in read:
            before.append(reference.STEP[kind](x_t, before[-1], *own))
        for t in reversed(range(length)):
            at = start + length - 1 - t  # in the order of the text
            last = states_from(kind, read[: t + 1], own, states)
            rest = read[t + 1 :]

            def h_of(k, rest=rest, states=before[t]):
                def function(value):
                    return states_from(kind, np.vstack([value[np.newaxis], rest]), own, states)[0][
                        k
                    ]

                return function

            jacobian = [reference.derivative(h_of(k), [read[t]])[0] for k in range(H)]
            np.testing.assert_allclose(found["d_last"][at], np.linalg.norm(jacobian), rtol=1e-10)

            def by_state(k, which, moved, rest=rest, last=last):
                def function(value):
                    given = [value if m == moved else state for m, state in enumerate(last)]
                    return states_from(kind, rest, own, tuple(given))[which][k]

                return function

            of_h = [reference.derivative(by_state(k, 0, 0), [last[0]])[0] for k in range(H)]
            np.testing.assert_allclose(found["d_state"][at], np.linalg.norm(of_h), rtol=1e-10)
            if kind != "lstm":
                continue
            of_c = [reference.derivative(by_state(k, 1, 1), [last[1]])[0][k] for k in range(H)]
            np.testing.assert_allclose(found["d_memory"][at], of_c, rtol=1e-10)
            np.testing.assert_allclose(found["forgotten"][at], kept, rtol=1e-10)
            W_x, W_h, b = (reference.gates(kind, each)["f"] for each in own)
            kept = kept * reference.sigmoid(read[t] @ W_x + before[t][0] @ W_h + b)
        start += length
