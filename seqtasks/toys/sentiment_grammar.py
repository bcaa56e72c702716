"""Sentences in English and Korean whose verdict is computed: word order decides, not the words.

The two grammars (`sentiment_grammar_en`, `sentiment_grammar_ko`) derive phrases whose sign is the
product of the signs of their parts (`sentiment_phrase`). Here they become distinct, labelled
sentences. Nothing is read from a file: the sentences are ours, written by these rules.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from seqtasks.errors import DataError
from seqtasks.toys import sentiment_grammar_en, sentiment_grammar_ko
from seqtasks.toys.sentiment_phrase import Token, chance, pick

LABELS = ("negative", "positive")
LANGUAGES = ("en", "ko")

_DERIVE = {"en": sentiment_grammar_en.derive, "ko": sentiment_grammar_ko.derive}
_CELLS = tuple((language, label) for label in LABELS for language in LANGUAGES)
_MAX_REPEATS = 10_000


@dataclass(frozen=True)
class Sentence:
    """One sentence, tagged word by word, and what it says about the thing it judges.

    `tokens` are (word, part of speech) with the tags of Universal Dependencies; a Korean word is
    what stands between two spaces. `label` is one of `LABELS`, `language` one of `LANGUAGES`.
    """

    tokens: tuple[Token, ...]
    label: str
    language: str

    @property
    def text(self) -> str:
        """The words with one space between, punctuation marks attached to the word on their left.

        >>> tagged = (("No", "INTJ"), (",", "PUNCT"), ("thanks", "NOUN"), (".", "PUNCT"))
        >>> Sentence(tagged, "negative", "en").text
        'No, thanks.'
        """
        spaced = (word if tag == "PUNCT" else f" {word}" for word, tag in self.tokens)
        return "".join(spaced).removeprefix(" ")


def generate(count: int, seed: int) -> list[Sentence]:
    """Return `count` distinct sentences, always the same ones for the same seed.

    Every four neighbours hold one sentence of each language and label, so any slice is balanced.
    Sentences that differ in nothing but capitals and punctuation count as the same.

    Raises:
        DataError: `count` is negative, or more than the grammar can tell apart.

    >>> [(sentence.language, sentence.label) for sentence in generate(4, seed=1)]
    [('en', 'negative'), ('ko', 'negative'), ('en', 'positive'), ('ko', 'positive')]
    """
    if count < 0:
        raise DataError(f"generate: count must be 0 or more, received {count}")
    rng = random.Random(seed)
    sentences: list[Sentence] = []
    seen: set[tuple[str, ...]] = set()
    repeats = 0
    while len(sentences) < count:
        language, label = _CELLS[len(sentences) % len(_CELLS)]
        sentence = _sentence(rng, language, label)
        bare = tuple(word.lower() for word, tag in sentence.tokens if tag != "PUNCT")
        if bare not in seen:
            seen.add(bare)
            sentences.append(sentence)
            repeats = 0
        elif (repeats := repeats + 1) == _MAX_REPEATS:
            raise DataError(
                f"generate: expected {count} distinct sentences, found no new one in "
                f"{_MAX_REPEATS} tries after {len(sentences)}; ask for fewer"
            )
    return sentences


def _sentence(rng: random.Random, language: str, label: str) -> Sentence:
    phrase = _DERIVE[language](rng, +1 if label == "positive" else -1)
    tokens: Sequence[Token] = phrase.tokens
    if chance(rng, 0.75):
        tokens = _capitalised((*tokens, (pick(rng, "...!"), "PUNCT")))
    return Sentence(tuple(tokens), LABELS[phrase.sign > 0], language)


def _capitalised(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with a capital at the start of each sentence; Hangul has none."""
    capitalised = []
    starts = True
    for word, tag in tokens:
        capitalised.append((word[0].upper() + word[1:] if starts else word, tag))
        starts = word in (".", "?", "!")
    return capitalised
