"""Text to words as a treebank cuts them: learnt from its tokens, applied inside the graph.

Where there is no space each place between two characters gets a score: what `split_words` would do
counts `_PRIOR`, and each pattern of the characters around it (`_patterns`) adds its weight. A score
above 0 is a cut. Weights are whole numbers, so that their sum is the same in any order; a pattern
that training never saw weighs nothing, so that an unseen sign is cut as `split_words` cuts it.
What a treebank writes otherwise than its words, as French "du" for "de" and "le", is looked up.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.splitting import normalise

FILE = "splitter.json"

_SIDE = 4  # characters that a pattern looks at on each side, within what spaces enclose
_PAD = " " * _SIDE
_CUT, _WORD, _SPACE = "\x01", "\x02", "\x03"  # in no text: control characters are spaces
_SCALE = 100  # of the weights: two digits behind the point
_PRIOR = 60
_EPOCHS, _RATE, _BATCH, _SEED = 8, 0.3, 1024, 1
_ALL, _EASY = 4, 0.03  # every so many epochs read all places; an error that needs no more care
_STEPS = 300  # at least, of few places
_LEAST = 0.2  # smaller weights are dropped
_PIECES = 4096  # chunks whose patterns are made at once

# The classes of characters, each named by one of its own: a class' name is of its own class.
_CAPITAL, _SMALL, _DIGIT = (r"\p{Lu}|\p{Lt}", "A"), (r"\p{Ll}", "a"), (r"\p{N}", "0")
_CASED = (_CAPITAL, _SMALL, _DIGIT, (r"\p{Lm}|\p{Lo}|\p{M}", "ㄱ"))
# In earlier versions the last class took the letters of the first two: all letters were one class.
_CASELESS = (_CAPITAL, _SMALL, _DIGIT, (r"\p{L}|\p{M}", "ㄱ"))


class Written(NamedTuple):
    """A stretch of a text without a cut of its own: as it is written, and the words that it is."""

    form: str
    words: tuple[str, ...]
    space_after: bool


class LearntSplitter(tf.Module):
    """Cuts texts as it has learnt to.

    Args:
        weights: of patterns, in hundredths.
        expansions: what is written, to the words that it stands for.
        spaces: whether a space is a token too, as where each character is one.
        cased: whether capitals, small letters and others are classes of their own in patterns.

    >>> sentence = [Written(*w) for w in (("l'", ("l'",), False), ("ami", ("ami",), True),
    ...     ("du", ("de", "le"), True), ("roi", ("roi",), False), (".", (".",), True))]
    >>> splitter = LearntSplitter.learn([sentence] * 9)
    >>> [w.decode() for w in splitter(tf.constant(["l'ami du roi."]))[0].numpy()]
    ["l'", 'ami', 'de', 'le', 'roi', '.']
    """

    def __init__(
        self,
        weights: dict[str, int],
        expansions: Mapping[str, Sequence[str]],
        spaces: bool = False,
        cased: bool = True,
    ):
        super().__init__()
        self.spaces = spaces
        self.cased = cased
        self.weights = dict(weights)
        self.expansions = {form: list(words) for form, words in expansions.items()}
        # A table needs an entry; no pattern and no form is empty.
        values = {**self.weights, "": 0}
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(values)), tf.constant(list(values.values()), tf.int32)
            ),
            default_value=0,
        )
        words = {form: _WORD.join(words) for form, words in self.expansions.items()} | {"": ""}
        self.words = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(words)), tf.constant(list(words.values()))
            ),
            default_value=_CUT,
        )

    def pieces(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to the pieces between cuts, as they are written: (N, P ragged)."""
        normalised = normalise(text, lowercase=False)
        characters, flat, around, candidates = _places(normalised, self.cased)
        scores = tf.gather(around.prior, candidates)
        for pattern in _patterns(around, candidates):
            scores += self.table.lookup(pattern)
        cuts = tf.scatter_nd(
            tf.boolean_mask(candidates, scores > 0)[:, tf.newaxis],
            tf.ones([tf.math.count_nonzero(scores > 0)], tf.bool),
            tf.shape(flat)[:1],
        )
        marked = characters.with_flat_values(tf.where(cuts, tf.strings.join([_CUT, flat]), flat))
        joined = tf.strings.strip(tf.strings.reduce_join(marked, axis=-1))
        if self.spaces:
            joined = tf.strings.regex_replace(joined, " +", f" {_SPACE} ")
        found = tf.strings.split(tf.strings.regex_replace(joined, _CUT, " "))
        if self.spaces:
            found = found.with_flat_values(tf.strings.regex_replace(found.flat_values, _SPACE, " "))
        return found

    def expand(self, pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        """Pieces (N, P ragged) to their words: (N, P ragged, words ragged), one of most."""
        flat = pieces.flat_values
        found = self.words.lookup(flat)
        small = self.words.lookup(tf.strings.lower(flat, encoding="utf-8"))
        found = tf.where(found == _CUT, small, found)
        words = tf.strings.split(tf.where(found == _CUT, flat, found), _WORD)
        return pieces.with_flat_values(words)

    def words_and_widths(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Words (N, T ragged), and how many characters of the text each is.

        Of words that are written as one the first has all characters, and the others 0.
        """
        pieces = self.pieces(text)
        words = self.expand(pieces)
        inner = words.values
        place = tf.ragged.range(inner.row_lengths()).flat_values
        length = tf.strings.length(pieces.flat_values, unit="UTF8_CHAR")
        of_word = tf.where(place == 0, tf.gather(length, inner.value_rowids()), 0)
        merged = words.merge_dims(1, 2)
        return merged, merged.with_flat_values(of_word)

    def __call__(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Strings (N,) to words (N, T ragged)."""
        return self.expand(self.pieces(text)).merge_dims(1, 2)

    @classmethod
    def learn(cls, sentences: Sequence[Sequence[Written]]) -> "LearntSplitter":
        """Learn where sentences are cut.

        Sentences that stand behind each other are taken for a text's. Where no sentence has two
        words without a space between, nothing is known of spaces, and they are guessed.
        """
        spaces = any(not w.form.strip() for sentence in sentences for w in sentence)
        if spaces:
            sentences = [[w._replace(space_after=False) for w in one] for one in sentences]
        elif all(w.space_after for sentence in sentences for w in sentence[:-1]):
            sentences = [_guessed(sentence) for sentence in sentences]
        chunks, expansions = _chunks(sentences)
        return cls(_learn(chunks), expansions, spaces)

    def save(self, folder: Path) -> None:
        """Write what `load` reads."""
        # A module's dictionaries are no real ones any more, which JSON wants since Python 3.13.
        expansions = {form: list(words) for form, words in self.expansions.items()}
        told = {
            "spaces": self.spaces,
            "cased": self.cased,
            "expansions": expansions,
            "weights": {**self.weights},
        }
        (folder / FILE).write_text(json.dumps(told, ensure_ascii=False, indent=0) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "LearntSplitter | None":
        """Read what `save` wrote; None where there is nothing, as in runs of earlier versions.

        Raises:
            RunError: where the file is damaged.
        """
        file = folder / FILE
        try:
            told = json.loads(file.read_bytes())
            cased = told.get("cased", False)  # not in earlier versions
            return cls(told["weights"], told["expansions"], told["spaces"], cased)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunError(f"{file}: damaged: expected weights and expansions") from error


# --- Places between characters, and the patterns around them -------------------------------------


class _Around(NamedTuple):
    """What stands around each place: character i is behind place i; (all characters,) each."""

    raw: list[tf.Tensor]  # _SIDE characters before it, and _SIDE behind it, in lower case
    shape: list[tf.Tensor]  # their classes
    following: tf.Tensor  # the class that the next chunk begins with, where one follows at once
    prior: tf.Tensor


def _places(
    text: tf.Tensor, cased: bool = True
) -> tuple[tf.RaggedTensor, tf.Tensor, _Around, tf.Tensor]:
    """Normalised texts (N,) as characters, what is around each place, and where a cut may be."""
    # So many spaces between chunks, and around texts, that no pattern reaches over them.
    spaced = tf.strings.join([_PAD, tf.strings.regex_replace(text, " ", _PAD), _PAD])
    characters = tf.strings.unicode_split(spaced, "UTF-8")
    flat = characters.flat_values
    size = tf.shape(flat)[0]
    shape = flat
    for pattern, name in _CASED if cased else _CASELESS:
        shape = tf.strings.regex_replace(shape, f"^(?:{pattern})$", name)
    lower = tf.strings.lower(flat, encoding="utf-8")
    beyond = 2 * _SIDE + 1
    ends = tf.fill([beyond], " ")

    def window(values: tf.Tensor) -> list[tf.Tensor]:
        padded = tf.concat([ends, values, ends], axis=0)
        return [padded[beyond + at : beyond + at + size] for at in range(-_SIDE, _SIDE)]

    raw, shapes = window(lower), window(shape)
    padded = tf.concat([shape, ends], axis=0)
    following = tf.where(shapes[_SIDE + 1] == " ", padded[_SIDE + 1 : _SIDE + 1 + size], "")
    word = [tf.reduce_any([s == name for name in ("A", "a", "0", "ㄱ")], axis=0) for s in shapes]
    letter = [w & (s != "0") for w, s in zip(word, shapes, strict=True)]
    quote = [tf.strings.regex_full_match(s, "['’]") for s in raw]
    before, behind = _SIDE - 1, _SIDE
    elided = (quote[behind] & letter[before] & letter[behind + 1]) | (
        quote[before] & letter[before - 1] & letter[behind]
    )
    cut = ~(word[before] & word[behind]) & ~elided
    prior = tf.where(cut, _PRIOR, -_PRIOR)
    inside = (flat != " ") & (raw[before] != " ")
    candidates = tf.cast(tf.where(inside)[:, 0], tf.int32)
    return characters, flat, _Around(raw, shapes, following, prior), candidates


# Each pattern: from and to which character, counted from the place; "r" as they are written in
# lower case, "s" their classes; whether the class of the next chunk belongs to it.
_KINDS = (
    ("r", -1, 1, False),
    ("r", -2, 1, False),
    ("r", -1, 2, False),
    ("r", -2, 2, False),
    ("r", -3, 2, False),
    ("r", -4, 1, False),
    ("r", -4, 2, True),
    ("r", -1, 3, False),
    ("r", -2, 3, False),
    ("r", -4, 0, False),
    ("r", 0, 4, False),
    ("r", 0, 3, False),
    ("r", -4, 4, False),
    ("s", -1, 1, True),
    ("s", -2, 2, True),
    ("s", -3, 3, False),
    ("s", -4, 4, True),
)


def _patterns(around: _Around, places: tf.Tensor) -> Iterable[tf.Tensor]:
    """The patterns at places (P,), one of each kind: (P,) strings."""
    raw, shape = ([tf.gather(v, places) for v in values] for values in (around.raw, around.shape))
    following = tf.gather(around.following, places)
    for number, (which, start, end, next_too) in enumerate(_KINDS):
        parts = (raw if which == "r" else shape)[_SIDE + start : _SIDE + end]
        name = tf.fill(tf.shape(places), f"{number} ")
        yield tf.strings.join([name, *parts, *([following] if next_too else [])])


# --- Learning ------------------------------------------------------------------------------------

_CLITIC = re.compile(r"[^\W\d_]['’][^\W\d_]")  # n't: no sign stands at its beginning


def _guessed(sentence: Sequence[Written]) -> list[Written]:
    """A sentence without spaces beside signs, as between letters no cut can be learnt."""
    found = []
    for one, other in zip(sentence, [*sentence[1:], None], strict=True):
        glued = other is not None and (
            not (one.form[-1:].isalnum() and other.form[:1].isalnum())
            or _CLITIC.fullmatch(other.form)
        )
        found.append(one._replace(space_after=not glued))
    return found


Chunk = tuple[str, str]  # what spaces enclose, and the first character behind the next space


def _chunks(
    sentences: Sequence[Sequence[Written]],
) -> tuple[dict[Chunk, Counter[tuple[int, ...]]], dict[str, list[str]]]:
    """Each chunk with the ways in which it is cut, counted; and what is written otherwise."""
    forms = {text for sentence in sentences for w in sentence for text in (w.form, *w.words)}
    normal = _normalised(sorted(forms))
    found: dict[Chunk, Counter[tuple[int, ...]]] = defaultdict(Counter)
    otherwise: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    firsts: list[list[tuple[str, tuple[int, ...]]]] = []
    for sentence in sentences:
        chunks: list[tuple[str, tuple[int, ...]]] = []
        text, cuts = "", set()
        for written in sentence:
            if not written.form.strip():
                chunks += _spaced(text, cuts)
                text, cuts = "", set()
                continue
            form, words = normal[written.form], tuple(filter(None, map(normal.get, written.words)))
            if not form or not words:
                continue
            if text:
                cuts.add(len(text))
            at = len(text)
            if "".join(words).lower() == form.lower():
                for word in words[:-1]:
                    at += len(word)
                    cuts.add(at)
                otherwise[form][form,] += 1
            elif " " not in form:
                otherwise[form][words] += 1
            text += form
            if written.space_after:
                chunks += _spaced(text, cuts)
                text, cuts = "", set()
        chunks += _spaced(text, cuts)
        firsts.append(chunks)
    following = ""
    for chunks in reversed(firsts):
        for (chunk, cuts), after in zip(
            reversed(chunks), [None, *(c[0][0] for c in reversed(chunks[1:]))], strict=True
        ):
            # A sentence's end may be the text's.
            for behind in {"", following} if after is None else {after}:
                found[chunk, behind][cuts] += 1
        following = chunks[0][0][0] if chunks else following
    usual = {form: ways.most_common(1)[0][0] for form, ways in otherwise.items()}
    expansions = {form: list(words) for form, words in usual.items() if words != (form,)}
    for form, words in sorted(expansions.items()):
        if form.lower() not in usual:
            expansions[form.lower()] = [word.lower() for word in words]
    return found, dict(sorted(expansions.items()))


def _spaced(text: str, cuts: set[int]) -> Iterable[tuple[str, tuple[int, ...]]]:
    """The chunks of a stretch of text, of one word that holds spaces maybe."""
    start = 0
    for chunk in text.split(" "):
        end = start + len(chunk)
        if chunk:
            yield chunk, tuple(sorted(cut - start for cut in cuts if start < cut < end))
        start = end + 1


def _normalised(texts: list[str]) -> dict[str, str]:
    if not texts:
        return {}
    found = normalise(tf.constant(texts), lowercase=False).numpy()
    return dict(zip(texts, (text.decode() for text in found), strict=True))


def _learn(chunks: dict[Chunk, Counter[tuple[int, ...]]]) -> dict[str, int]:
    """Weights by logistic regression: a cut or none at each place of each chunk."""
    ids: dict[bytes, int] = {}
    rows, priors, shares, counts = [], [], [], []
    ordered = sorted(chunks.items())
    for start in range(0, len(ordered), _PIECES):
        batch = ordered[start : start + _PIECES]
        texts = tf.constant([f"{chunk} {behind}".rstrip() for (chunk, behind), _ in batch])
        _, _, around, places = _places(texts)
        if not len(places):
            continue
        patterns = [pattern.numpy().tolist() for pattern in _patterns(around, places)]
        columns = [[ids.setdefault(p, len(ids)) for p in pattern] for pattern in patterns]
        rows.append(np.array(columns, np.int32).T)
        priors.append(tf.gather(around.prior, places).numpy() / _SCALE)
        # The chunk that follows is one character, which has no place in it.
        for (chunk, _), ways in batch:
            total = sum(ways.values())
            share = np.zeros(len(chunk))
            for cuts, count in ways.items():
                share[list(cuts)] += count / total
            shares.append(share[1:])
            counts.append(np.full(len(chunk) - 1, np.sqrt(total)))
    if not rows:
        return {}
    x, prior = np.concatenate(rows), np.concatenate(priors)
    y, weight = np.concatenate(shares), np.concatenate(counts)
    found = _regression(x, prior, y, np.minimum(weight, 10), len(ids))
    kept = np.flatnonzero(np.abs(found) >= _LEAST)
    names = [name.decode() for name in ids]
    return dict(sorted((names[n], round(float(found[n]) * _SCALE)) for n in kept))


def _regression(
    x: np.ndarray, prior: np.ndarray, y: np.ndarray, weight: np.ndarray, size: int
) -> np.ndarray:
    """Adagrad on minibatches, from weights of 0, the prior being a constant.

    Most places are easy, such as those between two letters: they come every few epochs only.

    Args:
        x: (places, kinds) which pattern of each kind.
        prior: (places,) the score without any weight.
        y: (places,) the share of cuts.
        weight: (places,) how much a place counts.
        size: how many patterns there are.
    """
    draw = np.random.default_rng(_SEED)
    found, squares = np.zeros(size), np.full(size, 1e-2)
    hard = everywhere = np.arange(len(x))
    for epoch in range(max(_EPOCHS, _STEPS // math.ceil(len(x) / _BATCH))):
        order = draw.permutation(everywhere if epoch % _ALL == 0 else hard)
        kept = [everywhere[:0]]
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            patterns = x[rows]
            scores = prior[rows] + found[patterns].sum(axis=1)
            error = 1 / (1 + np.exp(-np.clip(scores, -30, 30))) - y[rows]
            kept.append(rows[np.abs(error) > _EASY])
            touched, where = np.unique(patterns, return_inverse=True)
            slopes = np.bincount(
                where.ravel(), np.repeat(weight[rows] * error, x.shape[1]), len(touched)
            )
            squares[touched] += slopes**2
            found[touched] -= _RATE * slopes / np.sqrt(squares[touched])
        hard = np.sort(np.concatenate(kept))
    return found
