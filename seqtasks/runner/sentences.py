"""Texts to sentences: the double of `seqtasks.text.sentences`."""

from seqtasks.runner.characters import pattern
from seqtasks.runner.splitting import normalise

_LINE_ENDS = "[\n\v\f\r\x85\u2028\u2029]"
_QUOTES = r"\p{Ps}\p{Pe}\p{Pi}\p{Pf}\"'"
_ENDS = rf"([.!?…。！？][{_QUOTES}]*) "
_GOES_ON = rf"([.…][{_QUOTES}]*)\n([{_QUOTES}]*\p{{Ll}})"
_ABBREVIATED = r"(^|[^\p{L}\p{M}\p{N}])((?:(?!I)\p{Lu}\p{M}*|Mr|Mrs|Ms|Dr|e\.g|i\.e)\.)" + "\n"


def split_sentences(text: str) -> list[str]:
    """Sentences, each as `normalise` leaves it, but in its own case.

    >>> split_sentences("Dr. No? I saw it twice. “정말!” 좋았다")
    ['Dr. No?', 'I saw it twice.', '“정말!”', '좋았다']
    """
    found = []
    for line in pattern(_LINE_ENDS).split(text):
        line = pattern(_ENDS).sub(r"\1" + "\n", normalise(line, lowercase=False))
        for _ in range(2):
            line = pattern(_ABBREVIATED).sub(r"\1\2 ", line)
        line = pattern(_GOES_ON).sub(r"\1 \2", line)
        found += line.split("\n")
    return [sentence for sentence in found if sentence]
