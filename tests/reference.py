"""The pages' equations in NumPy and float64: the judge of every cell and layer.

Written from the pages and not from the package: row vectors, one matrix per gate, one row and
one step at a time. "002, Output Gate" is page 002, section "Output Gate".

The equations also hold for complex numbers, so an exact derivative is one evaluation away: that of
f at x + ih, h tiny, has the imaginary part h f'(x), and no difference of near-equal numbers is
taken (`derivative`).
"""

import numpy as np

# The fused arrays' column blocks, in order.
BLOCKS = {
    **{"rnn": "h", "lstm": "fgio", "gru": "zrh"},
    **{"lnlstm": "fgio", "lngru": "zrh", "peeplstm": "fgio"},  # of papers, not of the pages
}
STATES = {kind: 2 if kind.endswith("lstm") else 1 for kind in BLOCKS}  # h, and for the LSTM c
# Weights besides W_x, W_h and b, and how many times H numbers each has.
VECTORS = {
    "lnlstm": {"gain_x": 4, "gain_h": 4, "gain_c": 1, "shift_c": 1},
    "lngru": {"gain_x": 3, "gain_zr": 2, "gain_h": 1, "shift_h": 1},
    "peeplstm": {"p_f": 1, "p_i": 1, "p_o": 1},
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gates(kind, fused):
    """Cut a fused array (..., blocks * H) into {gate: (..., H)} (002, "4개의 수식을 모아")."""
    names = BLOCKS[kind]
    H = fused.shape[-1] // len(names)
    return {name: fused[..., k * H : (k + 1) * H] for k, name in enumerate(names)}


def rnn_step(x_t, states, W_x, W_h, b):
    """One step of the simple RNN.

    002, "RNN 계층에서 시간 방향으로의 기울기 전파": MatMul, then +, then tanh. 000, "LSTM의 Output
    게이트": the gate's equation is that of the RNN but for σ in the place of tanh.
    """
    (h_prev,) = states
    h_t = np.tanh(x_t @ W_x + h_prev @ W_h + b)
    return (h_t,)


def lstm_step(x_t, states, W_x, W_h, b):
    """One step of the LSTM."""
    h_prev, c_prev = states
    W_x, W_h, b = gates("lstm", W_x), gates("lstm", W_h), gates("lstm", b)
    # 002, "Forget Gate"; 003, "Forget Gate, 망각 게이트"; 004, "Forget Gate"
    f = sigmoid(x_t @ W_x["f"] + h_prev @ W_h["f"] + b["f"])
    # 002, "새로운 Memory Cell"; 003 names it c~: "Cell State Candidate"; 004, "Input Gate"
    g = np.tanh(x_t @ W_x["g"] + h_prev @ W_h["g"] + b["g"])
    # 002, "Input Gate"; 003, "Input Gate, 입력 게이트"; 004, "Input Gate"
    i = sigmoid(x_t @ W_x["i"] + h_prev @ W_h["i"] + b["i"])
    # 002, "Output Gate"; 003, "Output Gate, 출력 게이트"; 004, "Output state and Hidden state"
    o = sigmoid(x_t @ W_x["o"] + h_prev @ W_h["o"] + b["o"])
    # 004, "Cell State"; 003, "Input Gate" STEP (3) and "LSTM의 셀 상태 갱신"
    c_t = f * c_prev + i * g
    # 002, "Output Gate"; 003, "Output Gate" STEP (4)
    h_t = o * np.tanh(c_t)
    return h_t, c_t


def gru_step(x_t, states, W_x, W_h, b):
    """One step of the GRU: 000, "GRU", four equations as a picture, fixed by the words below it."""
    (h_prev,) = states
    W_x, W_h, b = gates("gru", W_x), gates("gru", W_h), gates("gru", b)
    # "r은 reset, z는 update 게이트"
    z = sigmoid(x_t @ W_x["z"] + h_prev @ W_h["z"] + b["z"])
    r = sigmoid(x_t @ W_x["r"] + h_prev @ W_h["r"] + b["r"])
    # "만약 r이 0이면 새로운 Hidden State는 입력 x_t만으로 결정된다"
    h_tilde = np.tanh(x_t @ W_x["h"] + (r * h_prev) @ W_h["h"] + b["h"])
    # "forget 게이트로써의 기능": (1 - z) h_prev; "input 게이트로서의 기능": z h~
    h_t = (1 - z) * h_prev + z * h_tilde
    return (h_t,)


def layer_norm(a, gain, shift=0):
    """Ba, Kiros & Hinton 2016, section 3; also for complex numbers, and so without abs."""
    deviation = a - np.mean(a, axis=-1, keepdims=True)
    sigma = np.sqrt(np.mean(deviation * deviation, axis=-1, keepdims=True) + 1e-5)
    return gain * (deviation / sigma) + shift


def layer_norm_lstm_step(x_t, states, W_x, W_h, b, gain_x, gain_h, gain_c, shift_c):
    """One step of the LSTM of Ba, Kiros & Hinton 2016, supplementary material."""
    h_prev, c_prev = states
    a = gates("lnlstm", layer_norm(h_prev @ W_h, gain_h) + layer_norm(x_t @ W_x, gain_x) + b)
    c_t = sigmoid(a["f"]) * c_prev + sigmoid(a["i"]) * np.tanh(a["g"])
    return sigmoid(a["o"]) * np.tanh(layer_norm(c_t, gain_c, shift_c)), c_t


def layer_norm_gru_step(x_t, states, W_x, W_h, b, gain_x, gain_zr, gain_h, shift_h):
    """One step of the GRU of Ba, Kiros & Hinton 2016, supplementary material."""
    (h_prev,) = states
    W_x, W_h, b = gates("lngru", W_x), gates("lngru", W_h), gates("lngru", b)
    gain_x = gates("lngru", gain_x)
    of_x, of_h = (np.concatenate([W["z"], W["r"]], axis=1) for W in (W_x, W_h))
    a = layer_norm(h_prev @ of_h, gain_zr)
    a = a + layer_norm(x_t @ of_x, np.concatenate([gain_x["z"], gain_x["r"]]))
    z, r = np.split(sigmoid(a + np.concatenate([b["z"], b["r"]])), 2, axis=-1)
    recurrent = layer_norm(h_prev @ W_h["h"], gain_h, shift_h)
    h_tilde = np.tanh(layer_norm(x_t @ W_x["h"], gain_x["h"], b["h"]) + r * recurrent)
    return ((1 - z) * h_prev + z * h_tilde,)


def peephole_lstm_step(x_t, states, W_x, W_h, b, p_f, p_i, p_o):
    """One step of the LSTM of Gers & Schmidhuber 2000; o sees the memory after the step."""
    h_prev, c_prev = states
    a = gates("peeplstm", x_t @ W_x + h_prev @ W_h + b)
    f, i = sigmoid(a["f"] + p_f * c_prev), sigmoid(a["i"] + p_i * c_prev)
    c_t = f * c_prev + i * np.tanh(a["g"])
    return sigmoid(a["o"] + p_o * c_t) * np.tanh(c_t), c_t


STEP = {
    **{"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step},
    **{"lnlstm": layer_norm_lstm_step, "lngru": layer_norm_gru_step},
    "peeplstm": peephole_lstm_step,
}


def run(kind, x, weights, states, lengths=None, go_backwards=False):
    """A layer over time, one row after the other (001, section 1: inputs in the order of time).

    x (N, T, D) and states (N, H) each, to outputs (N, T, H) in the order they were computed, 0
    where a row has no more steps, and the states after each row's last step.
    """
    N, T, _ = x.shape
    H = states[0].shape[1]
    outputs = np.zeros((N, T, H), np.result_type(x, *weights, *states, np.float64))
    last = [np.array(state, outputs.dtype) for state in states]
    for n in range(N):
        length = T if lengths is None else int(lengths[n])
        row = x[n, :length][::-1] if go_backwards else x[n, :length]
        h_and_c = tuple(state[n] for state in states)
        for t, x_t in enumerate(row):
            h_and_c = STEP[kind](x_t, h_and_c, *weights)
            outputs[n, t] = h_and_c[0]
        for state, final in zip(last, h_and_c, strict=True):
            state[n] = final
    return outputs, last


def run_both(kind, x, weights, states, lengths=None):
    """Both directions (001, section 4, "bidirection"): two layers, trained in opposite directions.

    `weights` and `states` are those of the forward layer, then those of the backward layer. To
    both directions' outputs at each step of x, and the last states of both.
    """
    half = len(weights) // 2
    forward, last = run(kind, x, weights[:half], states[: STATES[kind]], lengths)
    backward, last_b = run(kind, x, weights[half:], states[STATES[kind] :], lengths, True)
    for n in range(len(x)):
        length = x.shape[1] if lengths is None else int(lengths[n])
        backward[n, :length] = backward[n, :length][::-1].copy()
    return forward, backward, last + last_b


def run_stack(kind, x, weights, lengths=None, both=False, residual=False):
    """Layers on top of each other (001, section 4, "Multilayer"), each from a zero state.

    `weights` are those of all layers, from the lowest; with `residual`, from the third layer on, a
    layer's inputs are added to its outputs. To the outputs of the highest layer.
    """
    each = (3 + len(VECTORS.get(kind, ()))) * (2 if both else 1)
    for index in range(len(weights) // each):
        own = weights[index * each : (index + 1) * each]
        H = own[1].shape[0]
        zeros = [np.zeros((len(x), H))] * STATES[kind]
        if both:
            forward, backward, _ = run_both(kind, x, own, zeros * 2, lengths)
            outputs = np.concatenate([forward, backward], axis=2)
        else:
            outputs, _ = run(kind, x, own, zeros, lengths)
        x = x + outputs if residual and index >= 2 else outputs
    return x


def clip(gradients, threshold):
    """002, "기울기 클리핑(Gradients Clipping)": all gradients as one vector ĝ, shortened.

    if ‖ĝ‖ ≥ threshold: ĝ = threshold / ‖ĝ‖ ĝ

    >>> [g.tolist() for g in clip([np.array([3.0]), np.array([4.0])], 2.5)]
    [[1.5], [2.0]]
    """
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
    if norm >= threshold:
        return [threshold / norm * g for g in gradients]
    return list(gradients)


# --- Random cases: every size of its own, no zero state, no zero bias ------------------------


def weights(kind, D, H, seed):
    """Random W_x (D, blocks * H), W_h (H, blocks * H), b (blocks * H), and the vectors besides."""
    draw = np.random.default_rng([seed, D, H])
    G = len(BLOCKS[kind]) * H
    shapes = [(D, G), (H, G), (G,), *((n * H,) for n in VECTORS.get(kind, {}).values())]
    return tuple(draw.normal(0, 0.6, shape) for shape in shapes)


def states(kind, N, H, seed):
    """Random states, (N, H) each."""
    draw = np.random.default_rng([seed, N, H, 1])
    return tuple(draw.normal(0, 0.8, (N, H)) for _ in range(STATES[kind]))


def inputs(N, T, D, seed):
    """Random inputs (N, T, D)."""
    return np.random.default_rng([seed, N, T, D]).normal(0, 1, (N, T, D))


def randomise(layer, seed):
    """Set all weights of a built Keras layer or cell to random ones, biases too; return them."""
    draw = np.random.default_rng(seed)
    drawn = [draw.normal(0, 0.5, w.shape) for w in layer.get_weights()]
    for weight, values in zip(layer.weights, drawn, strict=True):
        weight.assign(values)
    return layer.get_weights()


def mask_of(lengths, T):
    """A right-padded mask (N, T) of rows with `lengths` real steps."""
    return np.arange(T) < np.asarray(lengths)[:, np.newaxis]


# --- The judges: what a cell's step must pass, and a mutant must not --------------------------


def derivative(function, arguments):
    """Gradients of a real function of arrays with respect to each, by an imaginary step."""
    h = 1e-30
    gradients = []
    for k, argument in enumerate(arguments):
        gradient = np.zeros(argument.shape)
        for at in np.ndindex(argument.shape):
            moved = argument.astype(complex)
            moved[at] += 1j * h
            gradient[at] = function(*arguments[:k], moved, *arguments[k + 1 :]).imag / h
        gradients.append(gradient)
    return gradients


def step_error(kind, cell, D=4, N=3, seed=7):
    """How far a step of `cell` (not yet built) is from the equations, from random non-zero states.

    Runs what a layer runs: `project`, `recurrent_weights`, `step`.
    """
    H, dtype = cell.units, cell.compute_dtype
    W_x, W_h, b = drawn = weights(kind, D, H, seed)
    cell.build((N, D))
    cell.set_weights([W_x, W_h, b])
    x_t, before = inputs(N, 1, D, seed)[:, 0], states(kind, N, H, seed)
    a_x = cell.project(x_t.astype(dtype))
    after, _ = cell.step(
        a_x, tuple(s.astype(dtype) for s in before), cell.recurrent_weights(W_h.astype(dtype))
    )
    return largest_difference(after, STEP[kind](x_t, before, *drawn))


def step_back_error(kind, cell, N=3, seed=8):
    """How far a step back of `cell` is from the derivative of the equations.

    The loss is the sum of the states after the step, each times a random array. Its gradients:
    with respect to a_x, each state before the step, and W_h (from `recurrent_operands`, the way
    the loop over time makes it). With W_x the identity, a_x is the equations' own x_t.
    """
    H, G = cell.units, len(BLOCKS[kind]) * cell.units
    _, W_h, b = weights(kind, G, H, seed)
    a_x, before = inputs(N, 1, G, seed)[:, 0], states(kind, N, H, seed)
    d_after = states(kind, N, H, seed + 1)

    def loss(a_x, W_h, *before):
        after = STEP[kind](a_x, before, np.eye(G), W_h, b)
        return sum(np.sum(d * state) for d, state in zip(d_after, after, strict=True))

    factors = cell.recurrent_weights(W_h)
    after, saved = cell.step(a_x + b, before, factors)
    da, d_before = cell.step_back(d_after, before, after, saved, tuple(W.T for W in factors))
    widths = np.cumsum([W.shape[1] for W in factors])[:-1]
    operands = [np.asarray(operand) for operand in cell.recurrent_operands(before, saved)]
    parts = np.split(np.asarray(da), widths, axis=1)
    dW_h = np.concatenate([o.T @ p for o, p in zip(operands, parts, strict=True)], axis=1)
    return largest_difference((da, dW_h, *d_before), derivative(loss, [a_x, W_h, *before]))


def largest_difference(ours, theirs):
    """The largest difference between two sequences of arrays of equal shapes, not NaN."""
    pairs = [(np.asarray(a, np.float64), np.asarray(b)) for a, b in zip(ours, theirs, strict=True)]
    for a, b in pairs:
        assert a.shape == b.shape, f"{a.shape} is not {b.shape}"
        assert np.isfinite(a).all()
    return max((np.abs(a - b).max() for a, b in pairs if a.size), default=0.0)
