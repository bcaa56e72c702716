"""Arithmetic on Hangul syllables: the particle that a word's last sound asks for.

A syllable is encoded as 0xAC00 + 588 * initial + 28 * vowel + final, and final 0 is none
(The Unicode Standard, section 3.12).
"""

from __future__ import annotations

_RIEUL = 8  # final ㄹ, after which 으로 loses its vowel as it does after none


def final_consonant(word: str) -> int:
    """Return the number of the final consonant of the last syllable of `word`, 0 if it has none.

    >>> final_consonant("책"), final_consonant("영화")
    (1, 0)
    """
    return (ord(word[-1]) - 0xAC00) % 28


def with_particle(noun: str, particles: str) -> str:
    """Return the noun with the particle that its final sound asks for.

    Args:
        noun: ends in a Hangul syllable.
        particles: the form after a consonant, then the one after a vowel: 은/는, 이/가, 을/를,
            과/와, 으로/로.

    >>> with_particle("책", "은/는"), with_particle("영화", "은/는")
    ('책은', '영화는')
    >>> with_particle("트럭", "으로/로"), with_particle("지하철", "으로/로")
    ('트럭으로', '지하철로')
    """
    after_consonant, after_vowel = particles.split("/")
    final = final_consonant(noun)
    open_ended = final == 0 or (final == _RIEUL and after_consonant == "으로")
    return noun + (after_vowel if open_ended else after_consonant)


class Noun(str):
    """A noun that a template can ask for with a particle.

    >>> "{0:은/는} {1:을/를}".format(Noun("개"), Noun("책"))
    '개는 책을'
    """

    def __format__(self, particles: str) -> str:
        return with_particle(self, particles) if particles else str(self)
