"""Cells that are wrong on purpose: each must fail the judge that the real cells pass.

Every mutant is one change to a step written out below; without the change that step passes too.
"""

from functools import partial

import numpy as np
import pytest
import reference
import tensorflow as tf

from seqtasks import GRUCell, LSTMCell, RNNCell

CELLS = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
PASSES, FAILS = 1e-10, 1e-3
H = 5


def project(self, x, bias=1.0, W_x=1.0):
    return W_x * (x @ self.W_x.numpy()) + bias * self.b.numpy()


def rnn_step(a_x, states, weights, activation=tf.tanh, recurrent=1.0):
    (h_prev,), (W_h,) = states, weights
    return (activation(a_x + recurrent * (h_prev @ W_h)),), ()


def lstm_step(
    a_x,
    states,
    weights,
    order="fgio",
    recurrent=1.0,
    forget=True,
    take_in=True,
    put_out=True,
    tanh_g=tf.tanh,
    tanh_c=tf.tanh,
    gate_of_old_c=False,
):
    (h_prev, c_prev), (W_h,) = states, weights
    blocks = np.split(a_x + recurrent * (h_prev @ W_h), 4, axis=1)
    a = dict(zip(order, blocks, strict=True))
    f, g, i, o = tf.sigmoid(a["f"]), tanh_g(a["g"]), tf.sigmoid(a["i"]), tf.sigmoid(a["o"])
    c_t = (f if forget else 1) * c_prev + (i if take_in else 1) * g
    h_t = (o if put_out else 1) * tanh_c(c_prev if gate_of_old_c else c_t)
    return (h_t, c_t), (f, g, i, o)


def gru_step(
    a_x,
    states,
    weights,
    order="zr",
    recurrent=1.0,
    reset="before",
    swapped=False,
    update=True,
    activation=tf.tanh,
):
    (h_prev,), (W_zr, W_h) = states, weights
    gates = tf.sigmoid(a_x[:, : 2 * H] + recurrent * (h_prev @ W_zr))
    of = dict(zip(order, np.split(gates, 2, axis=1), strict=True))
    z, r = of["z"], of["r"]
    product = {
        "before": (r * h_prev) @ W_h,
        "after": r * (h_prev @ W_h),
        "never": h_prev @ W_h,
    }[reset]
    h_tilde = activation(a_x[:, 2 * H :] + recurrent * product)
    old, new = (z, 1 - z) if swapped else (1 - z, z)
    return (old * h_prev + new * h_tilde if update else h_tilde,), (z, r, h_tilde)


def rnn_step_back(d_states, states_prev, states, saved, weights_T, of=1.0, transposed=True):
    (dh,), (h_t,), (W_h_T,) = d_states, states, weights_T
    da = dh * (of - h_t**2)
    return da, (da @ (W_h_T if transposed else tf.transpose(W_h_T)),)


def lstm_step_back(
    d_states,
    states_prev,
    states,
    saved,
    weights_T,
    dc_times_f=True,
    dh_times_o=True,
    dc_comes_in=True,
    through_W_h=True,
    order="fgio",
):
    (dh, dc), (_, c_prev), (_, c_t) = d_states, states_prev, states
    (f, g, i, o), (W_h_T,) = saved, weights_T
    into_c = dh * (o if dh_times_o else 0) * (1 - tf.tanh(c_t) ** 2)
    dc = dc + into_c if dc_comes_in else into_c
    d = {
        "f": dc * c_prev * f * (1 - f),
        "g": dc * i * (1 - g**2),
        "i": dc * g * i * (1 - i),
        "o": dh * tf.tanh(c_t) * o * (1 - o),
    }
    da = tf.concat([d[gate] for gate in order], axis=1)
    dh_prev = tf.matmul(da, W_h_T) if through_W_h else tf.zeros_like(dh)
    return da, (dh_prev, dc * f if dc_times_f else dc)


def gru_step_back(
    d_states,
    states_prev,
    states,
    saved,
    weights_T,
    reset_path=True,
    reset_gate=True,
    kept_path=True,
    gates_path=True,
    sign=1.0,
):
    (dh,), (h_prev,), (z, r, h_tilde) = d_states, states_prev, saved
    W_zr_T, W_h_T = weights_T
    dz = sign * dh * (h_tilde - h_prev) * z * (1 - z)
    dh_tilde = dh * z * (1 - h_tilde**2)
    d_reset = tf.matmul(dh_tilde, W_h_T)
    dr = d_reset * h_prev * r * (1 - r) if reset_gate else tf.zeros_like(dh)
    dzr = tf.concat([dz, dr], axis=1)
    dh_prev = tf.zeros_like(dh)
    if kept_path:
        dh_prev += dh * (1 - z)
    if reset_path:
        dh_prev += d_reset * r
    if gates_path:
        dh_prev += tf.matmul(dzr, W_zr_T)
    return tf.concat([dzr, dh_tilde], axis=1), (dh_prev,)


def identity(x):
    return x


# name: (cell, method, what it does in the place of the real one)
FORWARD = {
    "rnn: bias dropped": ("rnn", "project", partial(project, bias=0.0)),
    "rnn: input weights dropped": ("rnn", "project", partial(project, W_x=0.0)),
    "rnn: recurrent weights dropped": ("rnn", "step", partial(rnn_step, recurrent=0.0)),
    "rnn: tanh missing": ("rnn", "step", partial(rnn_step, activation=identity)),
    "rnn: sigmoid for tanh": ("rnn", "step", partial(rnn_step, activation=tf.sigmoid)),
    "lstm: bias dropped": ("lstm", "project", partial(project, bias=0.0)),
    "lstm: recurrent weights dropped": ("lstm", "step", partial(lstm_step, recurrent=0.0)),
    "lstm: Keras' gate order": ("lstm", "step", partial(lstm_step, order="ifgo")),
    "lstm: f and i swapped": ("lstm", "step", partial(lstm_step, order="igfo")),
    "lstm: i and o swapped": ("lstm", "step", partial(lstm_step, order="fgoi")),
    "lstm: f and o swapped": ("lstm", "step", partial(lstm_step, order="ogif")),
    "lstm: g and i swapped": ("lstm", "step", partial(lstm_step, order="figo")),
    "lstm: no forget gate": ("lstm", "step", partial(lstm_step, forget=False)),
    "lstm: no input gate": ("lstm", "step", partial(lstm_step, take_in=False)),
    "lstm: no output gate": ("lstm", "step", partial(lstm_step, put_out=False)),
    "lstm: tanh missing on c": ("lstm", "step", partial(lstm_step, tanh_c=identity)),
    "lstm: tanh missing on g": ("lstm", "step", partial(lstm_step, tanh_g=identity)),
    "lstm: sigmoid on g": ("lstm", "step", partial(lstm_step, tanh_g=tf.sigmoid)),
    "lstm: h from the old c": ("lstm", "step", partial(lstm_step, gate_of_old_c=True)),
    "gru: bias dropped": ("gru", "project", partial(project, bias=0.0)),
    "gru: recurrent weights dropped": ("gru", "step", partial(gru_step, recurrent=0.0)),
    "gru: z and r swapped": ("gru", "step", partial(gru_step, order="rz")),
    "gru: z and 1 - z swapped": ("gru", "step", partial(gru_step, swapped=True)),
    "gru: reset after the product": ("gru", "step", partial(gru_step, reset="after")),
    "gru: no reset gate": ("gru", "step", partial(gru_step, reset="never")),
    "gru: no update gate": ("gru", "step", partial(gru_step, update=False)),
    "gru: tanh missing": ("gru", "step", partial(gru_step, activation=identity)),
}

BACKWARD = {
    "rnn: tanh's derivative without the 1": ("rnn", partial(rnn_step_back, of=0.0)),
    "rnn: W_h not transposed": ("rnn", partial(rnn_step_back, transposed=False)),
    "lstm: dc not passed on by f": ("lstm", partial(lstm_step_back, dc_times_f=False)),
    "lstm: dh o missing in dc": ("lstm", partial(lstm_step_back, dh_times_o=False)),
    "lstm: dc of the next step missing": ("lstm", partial(lstm_step_back, dc_comes_in=False)),
    "lstm: dh_prev missing": ("lstm", partial(lstm_step_back, through_W_h=False)),
    "lstm: df and di swapped": ("lstm", partial(lstm_step_back, order="igfo")),
    "lstm: di and do swapped": ("lstm", partial(lstm_step_back, order="fgoi")),
    "gru: reset path to h_prev missing": ("gru", partial(gru_step_back, reset_path=False)),
    "gru: dr missing": ("gru", partial(gru_step_back, reset_gate=False)),
    "gru: (1 - z) path missing": ("gru", partial(gru_step_back, kept_path=False)),
    "gru: gates' path missing": ("gru", partial(gru_step_back, gates_path=False)),
    "gru: dz of the wrong sign": ("gru", partial(gru_step_back, sign=-1.0)),
}

UNCHANGED = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}
UNCHANGED_BACK = {"rnn": rnn_step_back, "lstm": lstm_step_back, "gru": gru_step_back}


def mutant(kind, **methods):
    """A cell of `kind`, float64, in which `methods` stand in the place of its own."""
    bound = {
        name: (lambda self, x, f=method: f(self, x)) if name == "project" else staticmethod(method)
        for name, method in methods.items()
    }
    return type("Mutant", (CELLS[kind],), bound)(H, dtype="float64")


@pytest.mark.parametrize("kind", CELLS)
def test_the_steps_that_mutants_are_made_of_pass_while_unchanged(kind):
    cell = mutant(kind, project=project, step=UNCHANGED[kind], step_back=UNCHANGED_BACK[kind])
    assert reference.step_error(kind, cell) < PASSES
    assert reference.step_back_error(kind, cell) < PASSES


@pytest.mark.parametrize("name", FORWARD)
def test_a_wrong_step_forward_fails(name):
    kind, method, change = FORWARD[name]
    assert reference.step_error(kind, mutant(kind, **{method: change})) > FAILS


@pytest.mark.parametrize("name", BACKWARD)
def test_a_wrong_step_back_fails(name):
    kind, change = BACKWARD[name]
    assert reference.step_back_error(kind, mutant(kind, step_back=change)) > FAILS


def test_a_weight_gradient_that_forgets_the_reset_fails():
    cell = mutant("gru", recurrent_operands=lambda before, saved: (before[0], before[0]))
    assert reference.step_back_error("gru", cell) > FAILS


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_real_step_back_fails_behind_a_wrong_step_forward(kind):
    change = {
        "lstm": partial(lstm_step, order="igfo"),
        "gru": partial(gru_step, order="rz"),
    }[kind]
    assert reference.step_back_error(kind, mutant(kind, step=change)) > FAILS


def test_from_a_zero_state_a_missing_forget_gate_goes_unseen():
    """Why the judge draws its states: from zeros f meets nothing it could forget."""
    W_h = reference.weights("lstm", 4, H, 1)[1]
    a_x, zero = reference.inputs(3, 1, 4 * H, 2)[:, 0], np.zeros((3, H))
    right, _ = lstm_step(a_x, (zero, zero), (W_h,))
    wrong, _ = lstm_step(a_x, (zero, zero), (W_h,), forget=False)
    assert reference.largest_difference(wrong, right) < PASSES
