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

# What `split_reversibly` puts where there was no space: at a token's start "none before me", at
# its end "none after me". A text's own are dropped.
JOINER = "￭"
_BOUNDARY, _HYPHEN = "\x01", "\x04"  # stand in, as _APOSTROPHE does


def normalise(text: tf.Tensor, lowercase: bool = True) -> tf.Tensor:
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
    if lowercase:
        text = lower_case(text)
    text = tf.strings.regex_replace(text, r"[\p{Cf}\x{FE00}-\x{FE0F}]+", "")
    return tf.strings.strip(tf.strings.regex_replace(text, r"[\s\p{Z}\p{Cc}]+", " "))


def lower_case(text: tf.Tensor) -> tf.Tensor:
    """Lower-case (all of Unicode), in the same way everywhere.

    >>> lower_case(tf.constant("İI")).numpy().decode()
    'i̇i'
    """
    # ICU lower-cases these two by the process' locale: in Turkish I would become a dotless ı.
    text = tf.strings.regex_replace(text, "I", "i")
    text = tf.strings.regex_replace(text, "\u0130", "i\u0307")
    return tf.strings.lower(text, encoding="utf-8")


def split_words(text: tf.Tensor, lowercase: bool = True) -> tf.RaggedTensor:
    """Words (N, T ragged): white space separates, each punctuation mark and symbol is a word.

    >>> [w.decode() for w in split_words(tf.constant(["Don't go - 정말 좋다!"]))[0].numpy()]
    ["don't", 'go', '-', '정말', '좋다', '!']
    """
    text = normalise(text, lowercase)
    for _ in range(2):  # matches don't overlap: rock'n'roll needs a second look
        text = tf.strings.regex_replace(text, r"(\p{L})['’](\p{L})", rf"\1{_APOSTROPHE}\2")
    text = tf.strings.regex_replace(text, r"[\p{P}\p{S}]", r" \0 ")
    text = tf.strings.regex_replace(text, _APOSTROPHE, "'")
    return tf.strings.split(text)


def split_reversibly(text: tf.Tensor, lowercase: bool = True) -> tf.RaggedTensor:
    """Words (N, T ragged) that `join_words` makes the normalised text of again.

    Punctuation marks and symbols are words. What is elided keeps its apostrophe, and what a hyphen
    hangs on a word keeps the hyphen. `JOINER` marks where there was no space.

    >>> words = split_reversibly(tf.constant(["J'ai dit non, est-ce clair ?"]))
    >>> [w.decode() for w in words[0].numpy()]
    ["j'￭", 'ai', 'dit', 'non', '￭,', 'est', '￭-ce', 'clair', '?']
    """
    text = tf.strings.regex_replace(normalise(text, lowercase), JOINER, "")
    for _ in range(2):
        text = tf.strings.regex_replace(text, r"(\p{L})['’](\p{L})", rf"\1{_APOSTROPHE}\2")
        text = tf.strings.regex_replace(text, r"(\p{L})-(\p{L})", rf"\1{_BOUNDARY}{_HYPHEN}\2")
    text = tf.strings.regex_replace(text, r"[\p{P}\p{S}]", rf"{_BOUNDARY}\0{_BOUNDARY}")
    text = tf.strings.regex_replace(text, f"{_BOUNDARY}* {_BOUNDARY}*", " ")
    text = tf.strings.regex_replace(text, f"^{_BOUNDARY}+|{_BOUNDARY}+$", "")
    text = tf.strings.regex_replace(text, f"{_BOUNDARY}+", f" {JOINER}")
    text = tf.strings.regex_replace(text, _APOSTROPHE, f"'{JOINER} ")
    return tf.strings.split(tf.strings.regex_replace(text, _HYPHEN, "-"))


def join_words(words: tf.Tensor) -> tf.Tensor:
    """The text of words (..., T) that `split_reversibly` made; empty ones at the end are dropped.

    >>> join_words(tf.constant([["j'￭", "ai", "￭!", ""]])).numpy()[0].decode()
    "j'ai!"
    """
    text = tf.strings.strip(tf.strings.reduce_join(words, axis=-1, separator=" "))
    return tf.strings.regex_replace(text, f" ?{JOINER} ?", "")


def split_characters(text: tf.Tensor, lowercase: bool = True) -> tf.RaggedTensor:
    """Characters (N, T ragged), spaces as `SPACE`; a Hangul syllable is one character.

    >>> [c.decode() for c in split_characters(tf.constant(["참 좋다"]))[0].numpy()]
    ['참', '▁', '좋', '다']
    """
    text = tf.strings.regex_replace(normalise(text, lowercase), " ", SPACE)
    return tf.strings.unicode_split(text, "UTF-8")


def split_word_characters(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """The characters of each word: (N, T ragged) to (N, T ragged, L ragged).

    >>> split_word_characters(split_words(tf.constant(["ab c"]))).to_list()
    [[[b'a', b'b'], [b'c']]]
    """
    return tf.strings.unicode_split(words, "UTF-8")
