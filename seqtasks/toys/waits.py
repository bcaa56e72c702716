"""What the sets share that ask late for what was said early: balance, lengths and splits."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seqtasks.data.readers import LabelledTexts
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError

_MAX_REPEATS = 10_000


@dataclass(frozen=True)
class Wait:
    """A kind of text in which something is said, a while passes, and then it is asked for.

    Attributes:
        name: what messages call it.
        labels: the answers. Any `len(labels)` neighbours hold each of them once.
        write: makes a text of random numbers, the label and the length of what is in between.
        between: what is in between, such as "words of distraction", for messages.
        longer: more of it, such as "a longer distraction", for messages.
        distinct: whether no text may come twice in a split either.
    """

    name: str
    labels: tuple[str, ...]
    write: Callable[[random.Random, str, int], str]
    between: str
    longer: str
    distinct: bool

    def draw(
        self,
        rng: random.Random,
        length: int,
        examples: int,
        exact: bool,
        taken: set[str],
        split: str = "",
    ) -> LabelledTexts:
        """Draw examples whose texts aren't in `taken`.

        Args:
            rng: what the texts follow from.
            length: of what is in between.
            examples: how many.
            exact: whether each has this length. If not, the length of each is drawn uniformly from
                1 to `length`.
            taken: texts that others have.
            split: which one it is, for messages.

        Raises:
            DataError: a length or number below 1; no text is left.
        """
        source = f"{self.name} of {length}" + (f", {split}" if split else "")
        if length < 1 or examples < 1:
            raise DataError(
                f"{source}: expected 1 or more {self.between} and 1 or more examples, "
                f"received {length} and {examples}"
            )
        labels = [self.labels[number % len(self.labels)] for number in range(examples)]
        texts: list[str] = []
        own: set[str] = set()
        for label in labels:
            for _ in range(_MAX_REPEATS):
                steps = length if exact else 1 + int(rng.random() * length)
                text = self.write(rng, label, steps)
                if text not in taken and not (self.distinct and text in own):
                    break
            else:
                raise DataError(
                    f"{source}: found no text that another split hasn't, in {_MAX_REPEATS} tries "
                    f"after {len(texts)}; ask for fewer examples or {self.longer}"
                )
            texts.append(text)
            own.add(text)
        return LabelledTexts(texts, labels, source, list(range(1, examples + 1)))

    def splits(self, length: int, seed: int, sizes: Mapping[str, int]) -> Splits[LabelledTexts]:
        """Draw splits that have no text in common.

        Validation and test have exactly the length, train has all lengths up to it. The number of
        training examples does not change the other splits.

        Args:
            length: of what is in between.
            seed: the same one gives the same splits.
            sizes: how many examples train, validation and test have.

        Raises:
            DataError: a length or number below 1; no text is left.
        """
        rng, seen = random.Random(seed), set()
        parts = {}
        for split in ("test", "validation", "train"):
            exact = split != "train"
            parts[split] = self.draw(rng, length, sizes[split], exact, seen, split)
            seen.update(parts[split].texts)
        return Splits(**parts)
