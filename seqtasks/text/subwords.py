"""Text to subwords and back, inside the graph: pairs of characters joined, the frequent ones first.

Byte-pair encoding (Sennrich et al. 2016, section 3.2). The library Hugging Face tokenizers learns
which pairs are joined, and is needed at training only; here they are joined with stock TensorFlow
operations, as the library does: the pair that was learnt first comes first, from left to right.

Subwords never reach over a word, which begins with the space before it. A character that training
hardly saw is spelled in bytes, so that no text has unknown tokens, and what is joined again is the
text to the letter.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqtasks.errors import ConfigError, RunError
from seqtasks.text.splitting import normalise
from seqtasks.text.subword_library import LONGEST, WORD, learn_pairs, library_file
from seqtasks.text.vocabulary import END, PADDING, START, UNKNOWN, Vocabulary, count_tokens

_CUT = b"\xff"  # in no UTF-8 text

# How a space and a line's end are shown, so that tokens can be read. A text's own are bytes.
_SHOWN = {" ": "▁", "\n": "⏎"}
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]  # as the library calls them
_NEVER = {*_SHOWN.values(), "\0"}  # characters that are always spelled in bytes

_RARE_CHARACTER = 2  # characters that come less often are spelled in bytes, which so are learnt
_MOST_CHARACTERS = 4_000
_RARE_PAIR = 5  # pairs that come less often aren't joined
_MOST_PAIRS = 8_000
_WORDS = 8_192  # cut at once while learning
_REMEMBERED = 20_000  # words that training cuts once
_SHORT = 12  # characters of most words


class Subwords(tf.Module):
    """Cuts texts in subwords, and joins them again.

    Args:
        tokens: all, by their ids, as they are in texts; the special ones first.
        merges: the pairs that are joined, in the order in which they were learnt.

    >>> tokens = [PADDING, UNKNOWN, " ", "l", "o", "w", "lo", " lo", *_BYTES]
    >>> subwords = Subwords(tokens, [("l", "o"), (" ", "lo")])
    >>> pieces = subwords.split(tf.constant(["low slo"]))
    >>> [piece.decode() for piece in pieces[0].numpy()]
    ['▁lo', 'w', '▁', '<0x73>', 'lo']
    >>> subwords.join(pieces.to_tensor()).numpy()
    array([b'low slo'], dtype=object)
    """

    def __init__(self, tokens: Sequence[str], merges: Sequence[tuple[str, str]]):
        super().__init__()
        self.tokens, self.merges = list(tokens), [(left, right) for left, right in merges]
        self.vocabulary: Any = Vocabulary([_shown(token) for token in tokens], complete=True)
        number = {token: n for n, token in enumerate(tokens)}
        # A byte that is no character of its own stands for itself.
        characters = {bytes([n]): number[name] for n, name in enumerate(_BYTES)}
        characters |= {token.encode(): n for token, n in number.items() if len(token) == 1}
        self._symbols = _table(list(characters), list(characters.values()), tf.int32, -1)
        pairs = [number[left] * len(tokens) + number[right] for left, right in self.merges]
        joined = [number[left + right] for left, right in self.merges]
        self._joined = tf.constant([*joined, -1], tf.int32)
        # No pair is negative, and a table needs an entry.
        self._ranks = _table([*pairs, -1], range(len(pairs) + 1), tf.int32, len(pairs), tf.int64)
        self._bytes = _table(_BYTES, range(256), tf.int32, -1)
        self._remembered: Any = None  # a table of words, and what they are cut in
        # An export finds tables only where a module holds them.
        self.tables = [self.vocabulary.table, self._symbols, self._ranks, self._bytes]

    def split(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to subwords (N, T ragged) as they are shown."""
        ids = self.ids(text)
        return ids.with_flat_values(tf.gather(self.vocabulary.tokens, ids.flat_values))

    def ids(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to the ids of their subwords (N, T ragged)."""
        return self.ids_of_words(cut_words(text)).merge_dims(1, 2)

    def ids_of_words(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Words (N, W ragged) that `cut_words` made to ids (N, W ragged, S ragged)."""
        with tf.device("CPU:0"):  # strings are there, and the loop's steps are small
            different, place = tf.unique(words.flat_values)
            ids = self._ids_of_different(different)
            return words.with_flat_values(tf.gather(ids, place))

    def _ids_of_different(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Words (U,) to ids (U, S ragged)."""
        if self._remembered is None:
            return self._cut(words)
        table, known = self._remembered
        place = table.lookup(words)
        others = self._cut(tf.boolean_mask(words, place < 0))
        behind = known.nrows() + tf.cumsum(tf.cast(place < 0, tf.int64), exclusive=True)
        return tf.gather(tf.concat([known, others], axis=0), tf.where(place < 0, behind, place))

    def _remember(self, words: Sequence[str]) -> None:
        """Cut words once and for all, which makes training faster and changes nothing else."""
        ids = self._cut(tf.constant(words, tf.string))
        table = _table([*words, ""], [*range(len(words)), -1], tf.int64, -1)
        self._remembered = (table, ids)

    def _cut(self, words: tf.Tensor) -> tf.RaggedTensor:
        symbols = self._spelled(words)
        # A few long words would make all others as long.
        short = symbols.row_lengths() <= _SHORT
        some = [self._merged(tf.ragged.boolean_mask(symbols, which)) for which in (short, ~short)]
        order = tf.concat([tf.where(short)[:, 0], tf.where(~short)[:, 0]], axis=0)
        return tf.gather(tf.concat(some, axis=0), tf.argsort(order))

    def _spelled(self, words: tf.Tensor) -> tf.RaggedTensor:
        """The ids of words' characters, or of the bytes of one that has none: (U, L ragged)."""
        characters = tf.strings.unicode_split(words, "UTF-8")
        flat = characters.flat_values
        known = self._symbols.lookup(flat) >= 0
        size = tf.strings.length(flat)
        parts = tf.ragged.range(tf.where(known, 1, size))
        row = parts.value_rowids()
        width = tf.where(tf.gather(known, row), tf.gather(size, row), 1)
        symbols = tf.strings.substr(tf.gather(flat, row), parts.flat_values, width)
        parts = parts.with_flat_values(self._symbols.lookup(symbols))
        return characters.with_flat_values(parts).merge_dims(1, 2)

    def _merged(self, symbols: tf.RaggedTensor) -> tf.RaggedTensor:
        """Join pairs of symbols (U, L ragged) until none is left that was learnt."""
        none = len(self.merges)
        ids = symbols.to_tensor(default_value=-1)
        ids = tf.pad(ids, [[0, 0], [0, 2]], constant_values=-1)  # a pair even of nothing
        width = tf.shape(ids)[1]
        at = tf.range(width - 1)[tf.newaxis]

        def rank(left, right):
            key = tf.cast(left, tf.int64) * len(self.tokens) + tf.cast(right, tf.int64)
            return tf.where((left >= 0) & (right >= 0), self._ranks.lookup(key), none)

        def step(ids, ranks):
            best = tf.argmin(ranks, axis=1, output_type=tf.int32)[:, tf.newaxis]  # the first of all
            lowest = tf.gather(ranks, best, batch_dims=1)
            joined = tf.gather(self._joined, lowest)
            # Where nothing is left to join nothing moves.
            best = tf.where(lowest < none, best, width)
            left = tf.where(at == best, joined, ids[:, :-1])
            ids = tf.where(at <= best, left, ids[:, 1:])
            ids = tf.pad(ids, [[0, 0], [0, 1]], constant_values=-1)
            # Only the pairs on both sides of what was joined are new.
            behind = tf.pad(ranks[:, 1:], [[0, 0], [0, 1]], constant_values=none)
            ranks = tf.where(at <= best, ranks, behind)
            sides = tf.add(best, [[-1, 1]])
            others = tf.gather(ids, tf.clip_by_value(sides, 0, width - 1), batch_dims=1)
            before, after = others[:, :1], others[:, 1:]
            new = rank(tf.concat([before, joined], axis=1), tf.concat([joined, after], axis=1))
            ranks = tf.where(at == best - 1, new[:, :1], ranks)
            return ids, tf.where(at == best, new[:, 1:], ranks)

        ids, _ = tf.while_loop(
            lambda ids, ranks: tf.reduce_any(ranks < none),
            step,
            (ids, rank(ids[:, :-1], ids[:, 1:])),
            parallel_iterations=1,
        )
        return tf.RaggedTensor.from_tensor(ids, padding=-1)

    def whole_words(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Of each subword of normalised texts (N,) the word that it is of, in the text's own case.

        A text in which capitals are cut otherwise than small letters stays in small ones.
        """
        words, own = cut_words(normalise(text)), cut_words(normalise(text, lowercase=False))
        same = words.row_lengths() == own.row_lengths()
        starts = tf.where(same, own.row_starts(), words.row_starts() + own.row_splits[-1])
        at = tf.ragged.range(starts, starts + words.row_lengths())
        chosen = tf.gather(tf.concat([own.values, words.values], axis=0), at.flat_values)
        ids = self.ids_of_words(words)
        flat = tf.repeat(tf.strings.strip(chosen), ids.values.row_lengths())
        return ids.merge_dims(1, 2).with_flat_values(flat)

    def join(self, tokens: tf.Tensor) -> tf.Tensor:
        """Subwords (..., T) as they are shown, empty ones at the end, to texts (...)."""
        byte = self._bytes.lookup(tokens)
        text = tokens
        for sign, shown in _SHOWN.items():
            text = tf.strings.regex_replace(text, shown, sign)
        raw = tf.constant([bytes([n]) for n in range(256)])
        text = tf.where(byte >= 0, tf.gather(raw, tf.maximum(byte, 0)), text)
        text = tf.strings.reduce_join(text, axis=-1)
        # Bytes that a model wrote needn't be characters.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        return tf.strings.substr(
            tf.strings.regex_replace(tf.strings.join(["\n", text]), "\n ", "\n"), 1, 2**31 - 1
        )

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def learn(
        cls,
        texts: Iterable[tf.Tensor],
        max_size: int | None = None,
        min_count: int = 1,
        written: bool = False,
    ) -> "Subwords":
        """Learn which pairs are joined.

        Args:
            texts: strings (N,), some at a time.
            max_size: of the vocabulary; by default as many pairs are joined as come often enough.
            min_count: characters, and pairs, that come less often are neither known nor joined.
            written: whether a start and an end are needed too.

        Raises:
            ConfigError: where the library isn't installed, or `max_size` is too small.
        """
        words = count_tokens(map(cut_words, texts))
        return cls._from_words(words, max_size, min_count, written)

    @classmethod
    def _from_words(
        cls, words: Mapping[str, int], max_size: int | None, min_count: int, written: bool
    ) -> "Subwords":
        special = [PADDING, UNKNOWN, *([START, END] if written else [])]
        alphabet = _alphabet(words, max(min_count, _RARE_CHARACTER))
        base = len(special) + len(_BYTES) + len(alphabet)
        if max_size is not None and max_size < base:
            raise ConfigError(
                f"text.max_subwords is {max_size:,}, but the training texts have "
                f"{len(alphabet):,} characters, and {base - len(alphabet):,} are for bytes and "
                f"special tokens; give {base:,} or more, or leave it out"
            )
        pairs = _MOST_PAIRS if max_size is None else max_size - base
        merges = learn_pairs(words, alphabet, pairs, max(min_count, _RARE_PAIR))
        joined = dict.fromkeys(left + right for left, right in merges)
        tokens = [*alphabet, *joined, *_BYTES]
        # A vocabulary is in the order of frequency, on which the sampled loss relies.
        counts = cls([*special, *tokens], merges)._count(words)[len(special) :]
        order = np.argsort(-counts, kind="stable")
        learnt = cls([*special, *(tokens[n] for n in order)], merges)
        learnt._remember(sorted(words, key=lambda word: (-words[word], word))[:_REMEMBERED])
        return learnt

    def _count(self, words: Mapping[str, int]) -> np.ndarray:
        """How often each token comes in words, (V,)."""
        counts = np.zeros(len(self), np.int64)
        every = list(words)
        for start in range(0, len(every), _WORDS):
            some = every[start : start + _WORDS]
            ids = self._ids_of_different(tf.constant(some))
            times = np.repeat([words[word] for word in some], ids.row_lengths().numpy())
            np.add.at(counts, ids.flat_values.numpy(), times)
        return counts

    def save(self, path: Path) -> None:
        """Write what `load` reads, and what the library reads too (`Tokenizer.from_file`)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        told = library_file(self.tokens, self.merges)
        path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Subwords":
        """Read what `save` wrote; the library isn't needed.

        Raises:
            RunError: where the file is missing or damaged.
        """
        try:
            model = json.loads(path.read_bytes())["model"]
            numbers = model["vocab"]
            tokens = sorted(numbers, key=numbers.__getitem__)
            if [numbers[token] for token in tokens] != list(range(len(tokens))):
                raise ValueError("ids aren't 0 to V - 1")
            return cls(tokens, [(left, right) for left, right in model["merges"]])
        except OSError as error:
            raise RunError(f"{path}: can't read the subwords: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, RunError) as error:
            raise RunError(f"{path}: damaged: expected subwords and the pairs they are of") from (
                error
            )


def cut_words(text: tf.Tensor) -> tf.RaggedTensor:
    """Strings (N,) to words (N, W ragged), each with the space before it.

    A line begins with a space, so that its first word is as others; an empty one doesn't.

    >>> cut_words(tf.constant(["l'ami est là...", ""])).to_list()[0][:3]
    [b" l'", b'ami', b' est']
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    text = tf.strings.regex_replace(tf.strings.join(["\n", text]), "\n([^\n])", "\n \\1")
    text = tf.strings.substr(text, 1, 2**31 - 1)
    words = tf.strings.split(tf.strings.regex_replace(text, WORD, rb"\0" + _CUT), _CUT)
    words = tf.ragged.boolean_mask(words, words != "")  # behind the last cut
    length = tf.strings.length(words.flat_values, unit="UTF8_CHAR")
    pieces = tf.ragged.range(tf.maximum((length + LONGEST - 1) // LONGEST, 1))
    cut = tf.strings.substr(
        tf.gather(words.flat_values, pieces.value_rowids()),
        pieces.flat_values * LONGEST,
        tf.fill(tf.shape(pieces.flat_values), LONGEST),
        unit="UTF8_CHAR",
    )
    return words.with_flat_values(pieces.with_flat_values(cut)).merge_dims(1, 2)


def _shown(token: str) -> str:
    for sign, shown in _SHOWN.items():
        token = token.replace(sign, shown)
    return token


def _table(keys, values, value_type, default, key_type=tf.string) -> tf.lookup.StaticHashTable:
    entries = tf.lookup.KeyValueTensorInitializer(
        tf.constant(list(keys), key_type), tf.constant(list(values), value_type)
    )
    return tf.lookup.StaticHashTable(entries, default_value=default)


def _alphabet(words: Mapping[str, int], least: int) -> list[str]:
    """The characters that come often, the most frequent ones first."""
    counts: Counter[str] = Counter()
    for word, times in words.items():
        for character in word:
            counts[character] += times
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    often = [c for c, times in ordered if times >= least and c not in _NEVER]
    return often[:_MOST_CHARACTERS]
