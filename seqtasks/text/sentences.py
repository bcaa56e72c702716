"""Text to sentences inside the graph, with stock TensorFlow string ops only."""

import tensorflow as tf

from seqtasks.text.splitting import normalise

_LINE_ENDS = r"[\n\v\f\r\x{85}\x{2028}\x{2029}]"
_QUOTES = (
    r"\p{Ps}\p{Pe}\p{Pi}\p{Pf}\"'"  # brackets and quotation marks; „this“ closes as “that” opens
)

# `normalise` leaves no control character, so a line end can mark where a sentence ends.
_ENDS = rf"([.!?…。！？][{_QUOTES}]*) "
_GOES_ON = rf"([.…][{_QUOTES}]*)\n([{_QUOTES}]*\p{{Ll}})"
# A capital alone is an initial, but for the pronoun: "So do I. He ..." is two sentences.
_ABBREVIATED = r"(^|[^\p{L}\p{M}\p{N}])((?:[^\P{Lu}I]\p{M}*|Mr|Mrs|Ms|Dr|e\.g|i\.e)\.)\n"


def split_sentences(text: tf.Tensor) -> tf.RaggedTensor:
    """Sentences (N, S ragged) of texts (N,), each as `normalise` leaves it, but in its own case.

    A line ends a sentence, and so does a run of . ! ? … 。 ！ ？, together with the quotation marks
    and brackets that close behind it, where white space follows. A full stop ends none if the next
    letter is a small one (`approx. one`), nor behind an initial (`J. Smith`), Mr, Mrs, Ms, Dr, e.g
    and i.e. Where there is nothing to read there are no sentences. Joined with spaces, the
    sentences of a text are `normalise(text, lowercase=False)` again.

    >>> split = split_sentences(tf.constant(["Dr. No? I saw it twice. “정말!” 좋았다", " "]))
    >>> [[sentence.decode() for sentence in row] for row in split.to_list()]
    [['Dr. No?', 'I saw it twice.', '“정말!”', '좋았다'], []]
    """
    text = tf.strings.unicode_transcode(
        text, "UTF-8", "UTF-8", errors="replace", replacement_char=ord(" ")
    )
    lines = tf.strings.split(tf.strings.regex_replace(text, _LINE_ENDS, "\n"), "\n")
    sentences = lines.with_flat_values(_split_lines(lines.flat_values))  # (N, lines, sentences)
    sentences = sentences.merge_dims(1, 2)
    return tf.ragged.boolean_mask(sentences, tf.not_equal(sentences, ""))


def _split_lines(lines: tf.Tensor) -> tf.RaggedTensor:
    """The sentences of texts that are one line each: (L,) to (L, S ragged)."""
    lines = normalise(lines, lowercase=False)
    lines = tf.strings.regex_replace(lines, _ENDS, r"\1" + "\n")
    for _ in range(2):  # matches don't overlap: J. R. Smith needs a second look
        lines = tf.strings.regex_replace(lines, _ABBREVIATED, r"\1\2 ")
    lines = tf.strings.regex_replace(lines, _GOES_ON, r"\1 \2")
    return tf.strings.split(lines, "\n")
