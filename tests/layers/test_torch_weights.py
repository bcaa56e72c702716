"""PyTorch's state dicts: against its equations in NumPy, and itself where it is installed."""

import numpy as np
import pytest
import reference

from seqtasks import GRU, LSTM, RNN, Bidirectional, Stacked
from seqtasks.layers.torch_weights import from_torch, to_torch

N, T, D, H = 3, 5, 4, 2


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def run(state, level, end, x, lstm):
    """One direction of PyTorch's RNN or LSTM, from the equations of its documentation."""
    W, U = state[f"weight_ih_l{level}{end}"], state[f"weight_hh_l{level}{end}"]
    bias = state[f"bias_ih_l{level}{end}"] + state[f"bias_hh_l{level}{end}"]
    h = c = np.zeros((len(x), U.shape[1]))
    steps = range(x.shape[1])
    outputs = np.zeros((*x.shape[:2], U.shape[1]))
    for t in reversed(steps) if end else steps:
        a = x[:, t] @ W.T + h @ U.T + bias
        if lstm:
            i, f, g, o = np.split(a, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            h = np.tanh(a)
        outputs[:, t] = h
    return outputs


def some_state(blocks, levels, ends, seed=1):
    rng, state, width = np.random.default_rng(seed), {}, D
    for level in range(levels):
        for end in ends:
            shapes = {"weight_ih": (blocks * H, width), "weight_hh": (blocks * H, H)}
            shapes |= {"bias_ih": (blocks * H,), "bias_hh": (blocks * H,)}
            state |= {f"{k}_l{level}{end}": rng.normal(size=s) for k, s in shapes.items()}
        width = len(ends) * H
    return state


@pytest.mark.parametrize("ends", [("",), ("", "_reverse")], ids=["forward", "both"])
@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("blocks", [1, 4], ids=["RNN", "LSTM"])
def test_a_state_dict_computes_the_same_here(blocks, levels, ends):
    state = some_state(blocks, levels, ends)
    h = x = reference.inputs(N, T, D, 2)
    for level in range(levels):
        h = np.concatenate([run(state, level, end, h, blocks == 4) for end in ends], axis=2)
    ours = from_torch({f"a.{name}": array for name, array in state.items()} | {"b": x}, "a.")
    assert reference.largest_difference([ours(x)], [h]) < 1e-12
    again = to_torch(ours)
    assert set(again) == set(state)
    assert reference.largest_difference([from_torch(again)(x)], [h]) < 1e-12


def test_options_and_a_missing_bias_reach_the_layers():
    state = {name: w for name, w in some_state(4, 2, ("",)).items() if "bias" not in name}
    ours = from_torch(state, return_sequences=False, return_state=True)
    outputs, *states = ours(reference.inputs(N, T, D, 2))
    assert outputs.shape == (N, H)
    assert len(states) == 4
    assert not any("bias" in name for name in to_torch(ours))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (some_state(3, 1, ("",)), "GRU resets h after the recurrent product"),
        (some_state(4, 1, ("",)) | {"weight_hr_l0": np.zeros((1, H))}, "proj_size"),
        (some_state(2, 1, ("",)), "no RNN, no LSTM"),
        ({"fc.weight": np.zeros((2, 2))}, "no weight_ih_l0.*Received: fc.weight"),
        (
            {k: w for k, w in some_state(1, 2, ("",)).items() if k != "weight_hh_l1"},
            "lacks weight_hh",
        ),
        ({k: w for k, w in some_state(1, 3, ("",)).items() if "l1" not in k}, "of l1"),
    ],
    ids=["GRU", "projection", "other", "none", "one lacks", "a level lacks"],
)
def test_what_is_no_layer_of_ours_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        from_torch(state)


@pytest.mark.parametrize(
    "layer",
    [GRU(H), Bidirectional(GRU(H)), Stacked([RNN(H, return_sequences=True)] * 1, residual=True)],
    ids=["GRU", "both", "residual"],
)
def test_what_pytorch_does_not_compute_is_not_given_to_it(layer):
    layer.build((None, None, D))
    with pytest.raises(ValueError, match="PyTorch"):
        to_torch(layer)


def test_pytorch_itself_agrees():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.LSTM(D, H, num_layers=2, bidirectional=True, batch_first=True)
    x = reference.inputs(N, T, D, 3).astype("float32")
    expected = theirs(torch.from_numpy(x))[0].detach().numpy()
    ours = from_torch(theirs.state_dict())
    assert reference.largest_difference([ours(x)], [expected]) < 1e-6
    theirs.load_state_dict({k: torch.from_numpy(w) for k, w in to_torch(ours).items()})
    again = theirs(torch.from_numpy(x))[0].detach().numpy()
    assert reference.largest_difference([again], [expected]) < 1e-6


def test_an_lstm_alone_is_itself():
    layer = LSTM(H, return_sequences=True, dtype="float64")
    x = reference.inputs(N, T, D, 4)
    expected = layer(x)
    assert reference.largest_difference([from_torch(to_torch(layer))(x)], [expected]) < 1e-12
