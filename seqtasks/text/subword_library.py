"""The library that learns which pairs of characters are joined, Hugging Face tokenizers.

It is needed at training only, and not with TensorFlow: `seqtasks.text.subwords` joins the pairs.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from seqtasks.errors import ConfigError

# A word with the space before it and an elision's apostrophe (l'ami), a run of signs, or what is
# neither.
WORD = r" ?[^\p{Z}\p{Cc}\p{P}\p{S}]+['’]?| ?[\p{P}\p{S}]+|[\p{Z}\p{Cc}]"
LONGEST = 48  # characters of a word; longer ones, mostly noise, are cut in pieces of so many

_BETWEEN = "\0"  # between words that the library learns from


def can_learn_subwords() -> bool:
    """Whether the library is installed."""
    return find_spec("tokenizers") is not None


def check_installed() -> None:
    """Refuse to learn subwords without the library.

    Raises:
        ConfigError: says how it is installed.
    """
    if not can_learn_subwords():
        raise ConfigError(
            "text.unit: subwords are learnt by the library tokenizers, which is not installed: "
            "pip install 'seqtasks[subwords]'"
        )


def learn_pairs(
    words: Mapping[str, int], alphabet: Sequence[str], pairs: int, least: int
) -> list[tuple[str, str]]:
    """Let the library learn which pairs are joined, at most `pairs`, each `least` times there."""
    check_installed()
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_BETWEEN, "removed")
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + pairs,
        min_frequency=least,
        initial_alphabet=list(alphabet),
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    # The library leaves characters out that it doesn't know, which would make pairs of those
    # around them.
    known = set(alphabet)
    unknown = "".join(sorted({c for word in words for c in word} - known))
    cut = re.compile(f"[{re.escape(unknown)}]+") if unknown else None

    def repeated() -> Iterable[str]:
        for word, times in sorted(words.items()):
            yield _BETWEEN.join([cut.sub(_BETWEEN, word) if cut else word] * times)

    tokenizer.train_from_iterator(repeated(), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in merges]


def library_file(tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What `Tokenizer.from_file` reads: it cuts a text that begins with a space as we do."""
    patterns = (WORD, rf"[\s\S]{{1,{LONGEST}}}")
    cuts = [
        {
            "type": "Split",
            "pattern": {"Regex": pattern},
            "behavior": "Isolated",
            "invert": False,
        }
        for pattern in patterns
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts},
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [list(pair) for pair in merges],
        },
    }
