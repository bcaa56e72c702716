"""Which words of a source a translation may copy: names, numbers, and what training copies.

An unknown token stands for a word that the target vocabulary lacks. Where the source's word at that
place is a name or a number, it is the same in both languages; where it is a common word, it isn't,
and a copy of it would be a word of the wrong language. Which is which is learnt from the training
pairs: a word of the source vocabulary is copied if most of the translations of the texts with it
have it, too; any other by what it looks like, if a third of the rare words that look like it are
copied: for a name that it lacks a model can only write another one, which is no better.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import tensorflow as tf

from seqtasks.errors import RunError
from seqtasks.text.encoder import TextEncoder, in_batches
from seqtasks.text.splitting import JOINER, lower_case, split_reversibly
from seqtasks.text.vocabulary import UNKNOWN_ID, Vocabulary

# What a word looks like, and whether such a word is copied unless training tells otherwise.
LOOKS = {
    "number": True,  # digits alone
    "digits": True,  # among others
    "capital": True,  # within a sentence, or not as the first letter only
    "first": False,  # a capital letter that may be the sentence's
    "small": False,  # letters without capitals, or of a script that has none
    "sign": True,
}
_RARE = 2  # occurrences in training up to which a word tells about those that training lacks
_ENDS = r"[.!?…:;\"«»“”„(\[¿¡。！？]"  # a sentence may begin after these
_TITLE = r"\p{Lu}\p{L}{0,3}"  # such as Mr, Prof or an initial, whose full stop ends no sentence


class CopyRule(tf.Module):
    """Says of a source's words whether a translation may copy them.

    Args:
        words: the vocabulary of the source's words.
        copied: those of them that are copied.
        looks: of other words, which are copied by what they look like, a key of `LOOKS`.

    >>> vocabulary = Vocabulary.by_frequency(Counter(["tom", "sees", "rome"]), 9)
    >>> rule = CopyRule(vocabulary, ["tom"], LOOKS)
    >>> rule(tf.ragged.constant([["Quagga", "sees", "Tom", "7", "Zoe", "Rome", "yak"]])).to_list()
    [[False, False, True, True, True, False, False]]
    """

    def __init__(self, words: Vocabulary, copied: list[str], looks: dict[str, bool]):
        super().__init__()
        self.copied: Any = copied
        self.looks: Any = looks
        self._words: Any = words
        ids = words.ids(tf.constant([*copied, ""]))  # the unknown token's is never asked for
        keys = tf.concat([[UNKNOWN_ID], tf.boolean_mask(ids, ids != UNKNOWN_ID)], axis=0)
        entries = tf.lookup.KeyValueTensorInitializer(keys, tf.ones_like(keys))
        self.table = tf.lookup.StaticHashTable(entries, default_value=0)

    @classmethod
    def learn(cls, source: TextEncoder, texts: list[str], targets: list[str]) -> "CopyRule":
        """Learn from training pairs."""
        seen: Counter[tuple[bytes, int]] = Counter()
        copied: Counter[tuple[bytes, int]] = Counter()
        for batch, answers in zip(in_batches(texts), in_batches(targets), strict=True):
            words = source.split_as_written(batch)
            small = words.with_flat_values(lower_case(words.flat_values))
            looks = words.with_flat_values(_looks(words))
            written = split_reversibly(answers)
            bare = tf.strings.regex_replace(written.flat_values, f"[{JOINER}'-]", "")
            rows = (x.to_list() for x in (small, looks, written.with_flat_values(bare)))
            for low, look, there in zip(*rows, strict=True):
                pairs = {*zip(low, look, strict=True)}
                seen.update(pairs)
                copied.update(pair for pair in pairs if pair[0] in set(there))
        of_word: Counter[bytes] = Counter()
        for (word, _), n in seen.items():
            of_word[word] += n
        looks = {}
        for number, (look, usual) in enumerate(LOOKS.items()):
            rare = [pair for pair in seen if pair[1] == number and of_word[pair[0]] <= _RARE]
            looks[look] = _are_copied(rare, copied, seen, usual, 1 / 3)
        by_word: dict[bytes, list[tuple[bytes, int]]] = defaultdict(list)
        for pair in seen:
            by_word[pair[0]].append(pair)
        words = []
        for word, pairs in by_word.items():
            look = [*LOOKS][max(pairs, key=lambda pair: (seen[pair], pair))[1]]
            if look != "sign" and _are_copied(pairs, copied, seen, looks[look], 1 / 2):
                words.append(word.decode())
        known = set(source.words.tokens)
        return cls(source.words, sorted(word for word in words if word in known), looks)

    def __call__(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Of words (N, T ragged), as a text writes them, whether each may be copied."""
        ids = self._words.ids(lower_case(words.flat_values))
        by_look = tf.gather(tf.constant([self.looks[look] for look in LOOKS]), _looks(words))
        return words.with_flat_values(
            tf.where(ids == UNKNOWN_ID, by_look, self.table.lookup(ids) > 0)
        )

    def save(self, path: Path) -> None:
        """Write what was learnt, but for the vocabulary."""
        # TensorFlow has its own lists in a module, which JSON doesn't know from Python 3.13 on.
        learnt = {"looks": dict(self.looks), "words": list(self.copied)}
        path.write_text(json.dumps(learnt, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, words: Vocabulary) -> "CopyRule | None":
        """Read what `save` wrote; None where nothing was, as any word is copied.

        Raises:
            RunError: where the file is damaged.
        """
        try:
            learnt = json.loads(path.read_text(encoding="utf-8"))
            looks = {look: bool(learnt["looks"][look]) for look in LOOKS}
            return cls(words, [str(word) for word in learnt["words"]], looks)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}: damaged: expected which words are copied, with looks and words"
            ) from error


def _are_copied(
    pairs: list[Any], copied: Counter[Any], seen: Counter[Any], usual: bool, share: float
) -> bool:
    """Whether more than a share is copied; `usual` is one more, and decides where none is."""
    both, all_ = sum(copied[pair] for pair in pairs), sum(seen[pair] for pair in pairs)
    return both + usual > share * (all_ + 1)


def _looks(words: tf.RaggedTensor) -> tf.Tensor:
    """What words (N, T ragged), as a text writes them, look like: numbers of `LOOKS`, flat."""
    flat = words.flat_values
    low = lower_case(flat)
    is_word = tf.strings.regex_full_match(flat, r".*[\p{L}\p{N}].*")
    counted = tf.concat([[0], tf.cumsum(tf.cast(is_word, tf.int32))], axis=0)
    before = counted[:-1] - tf.repeat(tf.gather(counted, words.row_starts()), words.row_lengths())
    last, second_last = (tf.concat([[""] * n, flat], axis=0)[:-n] for n in (1, 2))
    title = (last == ".") & tf.strings.regex_full_match(second_last, _TITLE)
    opens = (before == 0) | (tf.strings.regex_full_match(last, _ENDS) & ~title)
    one_capital = _tail(flat) == _tail(low)
    names = [*LOOKS]
    found = tf.where(opens & one_capital, names.index("first"), names.index("capital"))
    found = tf.where(flat == low, names.index("small"), found)
    for look, pattern in (("digits", r".*\p{N}.*"), ("number", r"\p{N}+")):
        found = tf.where(tf.strings.regex_full_match(flat, pattern), names.index(look), found)
    return tf.where(is_word, found, names.index("sign"))


def _tail(words: tf.Tensor) -> tf.Tensor:
    """What follows a word's first letter."""
    return tf.strings.regex_replace(words, r"^\p{L}\p{M}*", "")
