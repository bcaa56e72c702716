"""What a network reads or knows of words beside their ids and characters."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from seqtasks.text.features import WordFeatures
from seqtasks.text.outside_vectors import OutsideVectors


@dataclass(frozen=True)
class Extras:
    """Sizes of tables: those of features, and the parts of the words' one that are outside vectors.

    Attributes:
        late: how many words, before the fixed ones, have vectors that are trained after some
            epochs.
        fixed: how many words, the last ones, have vectors that are never trained.
        features: how many values each feature has, by its name.
        ngram: tokens of the longest n-grams that a linear model beside the network reads.
    """

    late: int = 0
    fixed: int = 0
    features: Mapping[str, int] = field(default_factory=dict)
    ngram: int = 2


NOTHING = Extras()


_NGRAMS = {"char": 5, "subword": 3}  # by the unit, of what tokens are; of words pairs


def extras_of(
    features: WordFeatures | None, vectors: OutsideVectors | None, unit: str = "word"
) -> Extras:
    """The sizes of what an encoder has."""
    late, fixed = (vectors.late, vectors.fixed) if vectors else (0, 0)
    return Extras(late, fixed, features.sizes if features else {}, _NGRAMS.get(unit, 2))
