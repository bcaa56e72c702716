"""Capitals of the text that a model writes: which words have them, and where sentences begin.

Of texts like `Tom rit.` and `Je vois Tom.` a model should learn one `Tom` and one `je`, whether a
sentence begins with them or not. So case is learnt once from the training texts, and applied to
whole texts in the graph, before they become tokens of any unit and after tokens are joined:

    lower     tokens and what is written are in small letters
    keep      tokens have their capitals, but for a sentence's first word, which is read as it is
              written within sentences. What is written gets a capital where a sentence begins
    restore   tokens are in small letters. What is written gets each word's most frequent form
              within training sentences, and a capital where a sentence begins

Where a sentence begins is learnt, too: after which signs words that are written small elsewhere
have a capital. In a script without capitals nothing is found, and nothing is changed.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.splitting import lower_case, normalise

# A word is letters, their marks and digits; what stands between two words is one piece, too.
_WORD = r"[\p{L}\p{M}\p{N}]+"
_CUT = "\x01"  # no normalised text has it
_WITHIN = frozenset((" ", "'", "’", "-"))  # no sentence begins after these
_FIRST = "\n"  # comes before what stands before a text's first word
_BATCH = 1024  # texts that are cut into words at once


class Case(tf.Module):
    """What was learnt of the capitals of texts; see the head of this module.

    Args:
        kept: whether tokens keep their capitals ("keep"), or are in small letters ("restore").
        forms: the usual form of words that aren't in small letters, by what they are in these.
        begins: whether a sentence begins after what stands between two words, such as ". ", or
            after what follows a line's end: that is before a text's first word. What isn't in it is
            no beginning, but that of a text is as the line's end alone says.

    >>> case = Case.learn(["Où est Tom ?", "Je sais où il est. Il rit.", "Je vois Tom."], False)
    >>> case.written(tf.constant("où est tom ? il rit.")).numpy().decode()
    'Où est Tom ? il rit.'
    """

    def __init__(self, kept: bool, forms: dict[str, str], begins: dict[str, bool]):
        super().__init__()
        self.kept = kept
        self.forms: Any = forms
        self.begins: Any = begins
        # An export finds tables only where a module holds them; an empty one can't be initialised.
        self.form_table = _table({**forms, _CUT: ""}, "")
        self.begin_table = _table({_CUT: 0, **{k: int(v) for k, v in begins.items()}}, -1)

    @classmethod
    def learn(cls, texts: list[str], kept: bool) -> "Case":
        """Learn from training texts which words have capitals, and where sentences begin."""
        words = _count(texts)
        within: dict[str, Counter[str]] = defaultdict(Counter)
        for (before, low, form), n in words.items():
            if before in _WITHIN:
                within[low][form] += n
        names = {low for low, forms in within.items() if _usual(forms, low) != low}
        big, all_ = Counter[str](), Counter[str]()
        for (before, low, form), n in words.items():
            if before not in _WITHIN and low not in names and low != low.upper():
                all_[before] += n
                big[before] += n * (form[:1] != low[:1])
        # More than half of them, and more than one.
        begins = {before: 2 * big[before] > n + 1 for before, n in all_.items()}
        first: dict[str, Counter[str]] = defaultdict(Counter)
        for (before, low, form), n in words.items():
            if before not in _WITHIN:
                (first if begins.get(before) else within)[low][form] += n
        forms = {low: _usual(found, low) for low, found in within.items()}
        for low, found in first.items():
            form = _usual(found, low)
            if low not in forms and form[1:] != low[1:]:  # its other capitals aren't the sentence's
                forms[low] = form
        forms = {low: form for low, form in sorted(forms.items()) if form != low}
        known = {k: v for k, v in sorted(begins.items()) if v or k.startswith(_FIRST)}
        return cls(kept, forms, known)

    def read(self, text: tf.Tensor) -> tf.Tensor:
        """Texts as tokens are made of them where capitals are kept, normalised.

        >>> Case(True, {"tom": "Tom"}, {"\\n": True}).read(tf.constant(["Est-ce Tom ?", "Tom"]))
        <tf.Tensor: shape=(2,), dtype=string, numpy=array([b'est-ce Tom ?', b'Tom'], dtype=object)>
        """
        pieces, is_word, is_first = self._pieces(normalise(text, lowercase=False))
        low = lower_case(pieces.flat_values)
        found = self.form_table.lookup(low)
        # Of what training never saw, such as NASA, only the first letter's capital is taken back.
        other = tf.where(_rest(pieces.flat_values) == _rest(low), low, pieces.flat_values)
        usual = tf.where(found == "", other, found)
        return _joined(pieces, tf.where(is_word & is_first, usual, pieces.flat_values))

    def written(self, text: tf.Tensor) -> tf.Tensor:
        """What a model has written, of any shape, with its capitals."""
        pieces, is_word, is_first = self._pieces(tf.reshape(text, [-1]))
        words = pieces.flat_values
        if not self.kept:
            found = self.form_table.lookup(words)
            words = tf.where(found == "", words, found)
        # A word that has a capital anywhere, such as iPad, is left as it is.
        gets_one = is_word & is_first & (words == lower_case(words))
        words = tf.where(gets_one, _with_capital(words), words)
        return tf.reshape(_joined(pieces, words), tf.shape(text))

    def _pieces(self, text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """Texts (N,) as pieces (N, P ragged); of each whether it's a word, and a sentence's first.

        A word is every second piece, from the second on.
        """
        pieces, before, is_word, opens = _in_context(text)
        found = self.begin_table.lookup(before)
        unseen = opens & bool(self.begins.get(_FIRST))
        return pieces, is_word, tf.where(found < 0, unseen, found > 0)

    def save(self, path: Path) -> None:
        """Write what was learnt."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a module they are dictionaries of TensorFlow, unknown to JSON from Python 3.13 on.
        learnt = {"kept": self.kept, "begins": dict(self.begins), "forms": dict(self.forms)}
        path.write_text(json.dumps(learnt, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Case | None":
        """Read what `save` wrote; None where nothing was, as all text is in small letters.

        Raises:
            RunError: where the file is damaged.
        """
        try:
            learnt = json.loads(path.read_text(encoding="utf-8"))
            return cls(bool(learnt["kept"]), dict(learnt["forms"]), dict(learnt["begins"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}: damaged: expected what is known of capitals, with kept, forms and begins"
            ) from error


def _count(texts: list[str]) -> Counter[tuple[str, str, str]]:
    """How often words come: what stands before one, it in small letters, and as it stands."""
    counts: Counter[tuple[bytes, bytes, bytes]] = Counter()
    for start in range(0, len(texts), _BATCH):
        text = normalise(tf.constant(texts[start : start + _BATCH]), lowercase=False)
        pieces, before, is_word, _ = _in_context(text)
        words = tf.boolean_mask(pieces.flat_values, is_word)
        before, low = tf.boolean_mask(before, is_word), lower_case(words)
        rows = (x.numpy().tolist() for x in (before, low, words))
        counts.update(zip(*rows, strict=True))
    return Counter({(a.decode(), b.decode(), c.decode()): n for (a, b, c), n in counts.items()})


def _usual(forms: Counter[str], low: str) -> str:
    """The most frequent form; of equally frequent ones that in small letters, then the first."""
    return min(forms, key=lambda form: (-forms[form], form != low, form))


def _table(entries: dict[str, Any], default: Any) -> tf.lookup.StaticHashTable:
    keys, values = tf.constant([*entries]), tf.constant([*entries.values()])
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)


def _cut(text: tf.Tensor) -> tf.RaggedTensor:
    """Texts (N,) to what stands before the first word, the word, what stands between, and so on."""
    return tf.strings.split(tf.strings.regex_replace(text, _WORD, rf"{_CUT}\0{_CUT}"), sep=_CUT)


def _in_context(text: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Texts (N,) as pieces; of each what stands before it, whether it's a word, and the first."""
    pieces = _cut(text)
    place = tf.ragged.range(pieces.row_lengths()).flat_values
    before = tf.concat([[""], pieces.flat_values], axis=0)[:-1]
    opens = place == 1
    before = tf.where(opens, tf.strings.join([_FIRST, before]), before)
    return pieces, before, place % 2 == 1, opens


def _joined(pieces: tf.RaggedTensor, words: tf.Tensor) -> tf.Tensor:
    return tf.strings.reduce_join(pieces.with_flat_values(words), axis=-1)


def _rest(words: tf.Tensor) -> tf.Tensor:
    """What follows the first character of each word."""
    return tf.strings.regex_replace(words, r"^\p{L}\p{M}*", "")


def _with_capital(words: tf.Tensor) -> tf.Tensor:
    """Words in small letters with a capital, where their first letter has one."""
    first = tf.strings.regex_replace(words, r"^(?:(\p{Ll}).*|.*)$", r"\1")
    # ICU makes capitals by the process' locale: in Turkish of i one with a dot.
    capital = tf.strings.upper(tf.strings.regex_replace(first, "i", "I"), encoding="utf-8")
    changed = tf.strings.join([capital, tf.strings.regex_replace(words, r"^\p{L}", "")])
    changed = tf.strings.regex_replace(changed, "^I\u0307", "\u0130")
    return tf.where(tf.strings.length(capital, unit="UTF8_CHAR") == 1, changed, words)
