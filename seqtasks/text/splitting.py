"""Text to words or characters inside the graph, with stock TensorFlow ops only.

Every function takes strings (N,) as UTF-8 and works in `tf.data`, under `tf.function` and in a
SavedModel alike. Bytes that aren't UTF-8 and control characters count as spaces; invisible
formatting characters (zero-width ones, marks of direction) are dropped.
"""

import tensorflow as tf

SPACE = "▁"  # how the `char` unit spells a space, so that a vocabulary file can be read

# An apostrophe between letters stays in its word (don't, l'ami); the mark stands in for it while
# punctuation is split off. Control characters are gone by then, so no text can contain it.
_APOSTROPHE = "\x02"


def normalise(text: tf.Tensor) -> tf.Tensor:
    """Lower-case (all of Unicode), drop invisible characters, fold white space to single spaces.

    >>> normalised = normalise(tf.constant(["  Ein ÄRGER\\t", "좋\\u200b다!\\x00"]))
    >>> [text.decode() for text in normalised.numpy()]
    ['ein ärger', '좋다!']
    """
    text = tf.strings.unicode_transcode(
        text,
        "UTF-8",
        "UTF-8",
        errors="replace",
        replacement_char=ord(" "),
        replace_control_characters=True,
    )
    # ICU lower-cases these two by the process' locale: in Turkish I would become a dotless ı.
    text = tf.strings.regex_replace(text, "I", "i")
    text = tf.strings.regex_replace(text, "\u0130", "i\u0307")
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, r"[\p{Cf}\x{FE00}-\x{FE0F}]+", "")
    return tf.strings.strip(tf.strings.regex_replace(text, r"[\s\p{Z}\p{Cc}]+", " "))


def split_words(text: tf.Tensor) -> tf.RaggedTensor:
    """Words (N, T ragged): white space separates, each punctuation mark and symbol is a word.

    >>> [w.decode() for w in split_words(tf.constant(["Don't go - 정말 좋다!"]))[0].numpy()]
    ["don't", 'go', '-', '정말', '좋다', '!']
    """
    text = normalise(text)
    for _ in range(2):  # matches don't overlap: rock'n'roll needs a second look
        text = tf.strings.regex_replace(text, r"(\p{L})['’](\p{L})", rf"\1{_APOSTROPHE}\2")
    text = tf.strings.regex_replace(text, r"[\p{P}\p{S}]", r" \0 ")
    text = tf.strings.regex_replace(text, _APOSTROPHE, "'")
    return tf.strings.split(text)


def split_characters(text: tf.Tensor) -> tf.RaggedTensor:
    """Characters (N, T ragged), spaces as `SPACE`; a Hangul syllable is one character.

    >>> [c.decode() for c in split_characters(tf.constant(["참 좋다"]))[0].numpy()]
    ['참', '▁', '좋', '다']
    """
    text = tf.strings.regex_replace(normalise(text), " ", SPACE)
    return tf.strings.unicode_split(text, "UTF-8")


def split_word_characters(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """The characters of each word: (N, T ragged) to (N, T ragged, L ragged).

    >>> split_word_characters(split_words(tf.constant(["ab c"]))).to_list()
    [[[b'a', b'b'], [b'c']]]
    """
    return tf.strings.unicode_split(words, "UTF-8")
