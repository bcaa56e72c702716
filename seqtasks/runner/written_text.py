"""Text that a model writes: the double of `seqtasks.text.target_text` and `.line_text`."""

from collections.abc import Sequence
from pathlib import Path

from seqtasks.runner.case import Case
from seqtasks.runner.characters import pattern
from seqtasks.runner.encoder import TextEncoder
from seqtasks.runner.splitting import (
    SPACE,
    decoded,
    join_words,
    normalise,
    split_reversibly,
)
from seqtasks.runner.subwords import Subwords
from seqtasks.runner.vocabulary import END_ID, PADDING_ID, START_ID, Vocabulary

LINE_END = "⏎"
_NO_LIMIT = 2**31 - 1  # tokens of a line, of which none is cut


class WrittenText:
    """Ids of tokens to texts.

    Args:
        unit: "word", "char" or "subword".
        file: of the vocabulary; of subwords it ends in .json.
    """

    def __init__(self, unit: str, file: Path):
        self.unit = unit
        self._subwords = None
        if unit == "subword":
            self._subwords = Subwords.load(file.with_suffix(".json"))
            self._known = Vocabulary(self._subwords.shown)
        else:
            self._known = Vocabulary.load(file)
        silent = {PADDING_ID, START_ID, END_ID}
        self._names = ["" if n in silent else token for n, token in enumerate(self._known.tokens)]

    def __len__(self) -> int:
        return len(self._names)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The token of each id; empty for padding, start and end."""
        return [self._names[number] for number in ids]


class TargetText(WrittenText):
    """What a translation is written in; spaces and case are as `normalise` leaves them.

    Args:
        unit: of the tokens.
        folder: of the vocabulary.
    """

    def __init__(self, unit: str, folder: Path):
        super().__init__(unit, folder / "target.txt")
        self._case = Case.load(folder / "case.json")

    def join(self, tokens: Sequence[str]) -> str:
        """The text of tokens, empty ones at the end."""
        if self._subwords:
            text = normalise(self._subwords.join(tokens), lowercase=False)
        elif self.unit == "word":
            text = join_words([*tokens])
        else:
            text = "".join(tokens).replace(SPACE, " ")
        return self._case.written(text) if self._case else text


class VerbatimText(WrittenText):
    """What a language model reads and writes, with its case and its line ends.

    Args:
        unit: of the tokens.
        folder: of the vocabulary.
    """

    def __init__(self, unit: str, folder: Path):
        super().__init__(unit, folder / "tokens.txt")

    def split(self, text: bytes) -> list[str]:
        """A text's tokens."""
        if self._subwords:
            return self._subwords.split(text.decode("utf-8", "replace"))
        if self.unit == "word":
            return split_reversibly(decoded(text).replace("\n", f" {LINE_END} "), lowercase=False)
        shown = text.decode("utf-8", "replace").replace("\n", LINE_END)
        return [*shown.replace(" ", SPACE)]

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """The ids of tokens that `split` gave."""
        return self._known.ids(tokens)

    def join(self, tokens: Sequence[str]) -> str:
        """The text of tokens, empty ones at the end."""
        if self._subwords:
            return self._subwords.join(tokens)
        if self.unit == "word":
            return pattern(f" ?{LINE_END} ?").sub("\n", join_words([*tokens]))
        return "".join(tokens).replace(SPACE, " ").replace(LINE_END, "\n")


class LineText(WrittenText):
    """What a language model of lines reads and writes: the tokens of the tasks that read texts.

    Args:
        unit: of the tokens.
        folder: of the vocabulary.
    """

    def __init__(self, unit: str, folder: Path):
        names = {"word": "words.txt", "char": "characters.txt", "subword": "subwords.txt"}
        super().__init__(unit, folder / names[unit])
        limits = {"max_length": _NO_LIMIT, "max_word_length": _NO_LIMIT}
        self._encoder = TextEncoder(folder, {"unit": unit, "features": [], **limits})

    def split(self, text: bytes) -> list[str]:
        """A text's tokens."""
        return self._encoder.split(decoded(text))

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """The ids of tokens that `split` gave."""
        return self._known.ids(tokens)

    def join(self, tokens: Sequence[str]) -> str:
        """The text of tokens, empty ones at the end."""
        if self._subwords:
            return normalise(self._subwords.join(tokens), lowercase=False)
        if self.unit == "word":
            return " ".join(tokens).strip()
        return "".join(tokens).replace(SPACE, " ")
