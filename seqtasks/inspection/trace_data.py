"""What is known of one text's way through a run: of each layer, and of the whole."""

from dataclasses import dataclass, field

import numpy as np

from seqtasks.inspection.recording import Recorded


@dataclass(frozen=True)
class LayerTrace:
    """What one layer did, in one direction.

    Attributes:
        name: of the layer, with what it belongs to where the model has more than one stack.
        kind: "rnn", "lstm" or "gru"; "" for a cell of another's making.
        backward: whether it reads from the last token to the first.
        tokens: what it read, in the order of the text.
        arrays: over the tokens, in their order: gates and states (tokens, H), "x" (tokens, D),
            and what `recording.looking_back` says; "d_answer" (tokens,) is |∂y/∂x_t|
            with the layer's own inputs x_t.
        run: the recorded run, for `seqtasks.inspection.steps`.
    """

    name: str
    kind: str
    backward: bool
    tokens: list[str]
    arrays: dict[str, np.ndarray]
    run: Recorded = field(repr=False)

    @property
    def left(self) -> np.ndarray:
        """Share of each token in what moves h_T, (tokens,): page 003's shrinking red area."""
        return _shares(self.arrays["d_last"])

    @property
    def units(self) -> int:
        """H."""
        return self.arrays["h"].shape[1]


@dataclass(frozen=True)
class Trace:
    """What a run makes of one text.

    Attributes:
        text, task, tokens: the tokens are those read.
        answer: what is answered to the whole.
        running: what is answered where the text ends after each token, with how sure, (tokens,).
        certainty: the probability of each of `running`; a number's own value; NaN for translations.
        gradient: |∂y/∂x_t| of each token's vector, (tokens,). y is the answer's output before
            softmax, and of what is written the log-probability of all of it.
        layers: from the lowest to the highest, forward before backward.
        written: the tokens that were written, of translation and captioning.
        attention: weights that sum to 1, with what they are of: "written" (written, tokens) of
            translation; "words" (tokens,) and "sentences" (sentences,) of documents.
        sentences: how many tokens each sentence has, of documents.
        notes: what isn't shown, and why.
    """

    text: str
    task: str
    tokens: list[str]
    answer: str
    running: list[str]
    certainty: np.ndarray
    gradient: np.ndarray
    layers: list[LayerTrace]
    written: list[str] = field(default_factory=list)
    attention: dict[str, np.ndarray] = field(default_factory=dict)
    sentences: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers by name, such as "lstm_1/f"; `axes` says what each axis is."""
        found = {
            "tokens": np.array(self.tokens),
            "running": np.array(self.running),
            "certainty": self.certainty,
            "gradient": self.gradient,
        }
        if self.written:
            found["written"] = np.array(self.written)
        found |= {f"attention/{name}": values for name, values in self.attention.items()}
        for layer in self.layers:
            found[f"{layer.name}/tokens"] = np.array(layer.tokens)
            found |= {f"{layer.name}/{name}": values for name, values in layer.arrays.items()}
        return found

    def axes(self) -> dict[str, list[str]]:
        """The axes of each of `arrays`."""
        named = {name: ["token"] for name in ("tokens", "running", "certainty", "gradient")}
        named |= {"written": ["written"]} if self.written else {}
        of_attention = {"written": ["written", "token"], "words": ["token"]}
        named |= {
            f"attention/{name}": of_attention.get(name, ["sentence"]) for name in self.attention
        }
        for layer in self.layers:
            step = "token" if layer.tokens == self.tokens else "step"
            named[f"{layer.name}/tokens"] = [step]
            for name, values in layer.arrays.items():
                across = ["feature" if name == "x" else "unit"] if values.ndim > 1 else []
                named[f"{layer.name}/{name}"] = [step, *across]
        return named


def _shares(values: np.ndarray) -> np.ndarray:
    return values / (values.sum() or 1)
