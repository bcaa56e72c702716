"""From PyTorch's recurrent layers to ours and back, by their state dicts. Needs no PyTorch."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqtasks.layers.bidirectional import Bidirectional, directions
from seqtasks.layers.recurrent import LSTM, RNN, Recurrent
from seqtasks.layers.stacked import Stacked

# PyTorch's LSTM has its blocks in the order i f g o, the pages f g i o.
_LSTM_FROM_TORCH = (1, 2, 0, 3)
_LSTM_TO_TORCH = (2, 0, 1, 3)
_KEY = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)_l(\d+)(_reverse)?")


def from_torch(state: Mapping[str, Any], prefix: str = "", **options: Any) -> Any:
    """Make our layer of the state dict of a `torch.nn.RNN` or `torch.nn.LSTM`.

    Args:
        state: names to arrays or tensors, as `module.state_dict()` gives them; whether it is an RNN
            or an LSTM, how many layers and whether both directions is seen in it.
        prefix: what the names begin with, such as "encoder.lstm."; others are left alone.
        options: what our layers take, such as `return_state`. PyTorch's layers return sequences;
            so does the one made here unless told otherwise.

    Returns:
        `RNN` or `LSTM`, with `bidirectional=True` a `Bidirectional` of one, with several layers a
        `Stacked` of those, built. It reads (N, T, D), which is `batch_first=True`.

    Raises:
        ValueError: for a GRU, whose equation is another: PyTorch resets after the recurrent
            product, the pages before it; for `proj_size`; and where names are missing.
    """
    found: dict[tuple[int, bool], dict[str, np.ndarray]] = {}
    for name, values in state.items():
        match = _KEY.fullmatch(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if match:
            what, level, reverse = match.groups()
            found.setdefault((int(level), bool(reverse)), {})[what] = np.asarray(values)
    if not found:
        raise ValueError(
            f"no weight_ih_l0 and the like, with the prefix {prefix!r}. "
            f"Received: {', '.join(list(state)[:5]) or 'no names'}"
        )
    levels = max(level for level, _ in found) + 1
    both = any(reverse for _, reverse in found)
    layers = []
    for level in range(levels):
        here = {"return_sequences": True, **(options if level == levels - 1 else {})}
        here["return_state"] = options.get("return_state", False)
        halves = [
            _layer(found.get((level, reverse), {}), f"l{level}", here | {"go_backwards": reverse})
            for reverse in ((False, True) if both else (False,))
        ]
        layers.append(Bidirectional(halves[0], backward_layer=halves[1]) if both else halves[0])
        layers[-1].built = True
    if levels == 1:
        return layers[0]
    stacked = Stacked(layers)
    stacked.built = True
    return stacked


def _layer(weights, level, options):
    """One direction of one level."""
    if "weight_hr" in weights:
        raise ValueError("a projection (proj_size) is no equation of the pages")
    missing = {"weight_ih", "weight_hh"} - set(weights)
    if missing:
        raise ValueError(f"the state dict lacks {', '.join(sorted(missing))} of {level}")
    W_x, W_h = weights["weight_ih"].T, weights["weight_hh"].T
    (D, columns), H = W_x.shape, W_h.shape[0]
    kinds = {1: RNN, 4: LSTM}
    if columns == 3 * H:
        raise ValueError(
            "PyTorch's GRU resets h after the recurrent product, the pages' before it: another "
            "equation, and no weights can be taken from one to the other"
        )
    if columns not in (H, 4 * H):
        raise ValueError(f"weight_ih of {level} has {columns} rows for {H} units: no RNN, no LSTM")
    kind = kinds[columns // H]
    use_bias = "bias_ih" in weights
    b = weights["bias_ih"] + weights["bias_hh"] if use_bias else np.zeros(columns, W_x.dtype)
    layer = kind(H, use_bias=use_bias, dtype=str(W_x.dtype), **options)
    layer.build((None, None, D))
    layer.built = True
    order = _LSTM_FROM_TORCH if kind is LSTM else (0,)
    layer.cell.set_weights([_in_order(w, order) for w in (W_x, W_h, b)])
    return layer


def to_torch(layer: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Our layer's weights by PyTorch's names: `from_torch`, the other way.

    Args:
        layer: `RNN`, `LSTM`, `Bidirectional` or `Stacked` of them, built.
        prefix: what each name is to begin with.

    Returns:
        Arrays that `module.load_state_dict` takes after `torch.from_numpy` of each. Our one bias is
        PyTorch's `bias_ih`; its `bias_hh` is 0.

    Raises:
        ValueError: for another layer, for `zoneout`, and for residual connections: PyTorch has none
            of them.
    """
    layers = layer.layers if isinstance(layer, Stacked) else [layer]
    if isinstance(layer, Stacked) and layer.residual:
        raise ValueError("PyTorch's layers have no residual connections")
    state: dict[str, np.ndarray] = {}
    for level, inner in enumerate(layers):
        for half, end in zip(directions(inner), ("", "_reverse"), strict=False):
            state |= {
                f"{prefix}{name}_l{level}{end}": array for name, array in _weights(half).items()
            }
    return state


def _weights(layer: Recurrent) -> dict[str, np.ndarray]:
    if type(layer) not in (RNN, LSTM):
        raise ValueError(
            f"PyTorch has no layer of this equation. Expected RNN or LSTM. "
            f"Received: {type(layer).__name__}"
        )
    if layer.zoneout:
        raise ValueError(f"PyTorch has no zoneout. Received: {layer.name} with it")
    order = _LSTM_TO_TORCH if type(layer) is LSTM else (0,)
    W_x, W_h, b = (_in_order(w, order) for w in layer.cell.get_weights())
    weights = {"weight_ih": W_x.T.copy(), "weight_hh": W_h.T.copy()}
    if layer.weight_options.use_bias:
        weights |= {"bias_ih": b, "bias_hh": np.zeros_like(b)}
    return weights


def _in_order(weights, order):
    blocks = np.split(weights, len(order), axis=-1)
    return np.concatenate([blocks[k] for k in order], axis=-1)
