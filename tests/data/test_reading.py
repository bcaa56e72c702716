"""Texts as the model reads them: the same as TensorFlow's, character by character."""

import random
import unicodedata

import tensorflow as tf

from seqtasks.data.reading import as_read
from seqtasks.text.splitting import normalise


def some_texts(count):
    """Texts of all of Unicode that has been there for long, of odd spaces and of case."""
    rng = random.Random(7)
    odd = "\t\n\x00\x7f\u200b\ufeff\u00ad\ufe0f\u3000\u2028\x85İIıΣßẞǅ👍🏽가각"
    known = unicodedata.ucd_3_2_0  # the characters that every release of ICU knows
    pool = [chr(code) for code in range(0x3FFFF) if known.category(chr(code)) not in "CnCsCo"]
    for _ in range(count):
        some = rng.choices(pool, k=rng.randint(0, 8)) + rng.choices(odd, k=rng.randint(0, 6))
        rng.shuffle(some)
        yield "".join(some)


def test_they_are_those_of_the_graph():
    texts = [*some_texts(3_000), "  Two  WORDS ", ""]
    for lowercase in (True, False):
        found = normalise(tf.constant(texts), lowercase).numpy()
        different = [
            (text, as_read(text, lowercase), right.decode())
            for text, right in zip(texts, found, strict=True)
            if as_read(text, lowercase) != right.decode()
        ]
        assert different == []
