"""Answers for people: one in a line, and what all of them left out, of a run or of a server."""

import sys
from typing import Any


def line(answer: dict[str, Any]) -> str | None:
    r"""Write an answer in one line, whatever gave it; None for one that has no such form.

    Args:
        answer: the keys of `predict --json`, or the outputs of a served signature with the `text`
            that was asked about, if any.

    >>> line({"text": "good\nfilm", "label": "pos", "probability": 0.91234})
    'pos\t0.9123\tgood film'
    >>> line({"tokens": ["I", "go", ""], "tags": ["PRON", "VERB", ""], "lengths": 2})
    'I/PRON go/VERB'
    >>> line({"translation": "a", "alternatives": [("b", -1.5)]})
    'a\tb'
    >>> line({"text": "x", "labels": ["a", "c"], "probabilities": {"a": 0.9, "b": 0.1, "c": 1}})
    'a|c\t0.9000|1.0000\tx'
    """
    shown = [" ".join(answer["text"].split())] if "text" in answer else []
    if "label" in answer:
        probability = answer["probability"] if "probability" in answer else answer["score"]
        return "\t".join([answer["label"], f"{probability:.4f}", *shown])
    if {"labels", "probabilities"} <= answer.keys():
        chances = answer["probabilities"]
        if "classes" in answer:  # served: all labels, and those that are given with empty ones
            chances = dict(zip(answer["classes"], chances, strict=True))
        given = [label for label in answer["labels"] if label]
        scores = "|".join(f"{chances[label]:.4f}" for label in given)
        return "\t".join(["|".join(given), scores, *shown])
    if {"classes", "scores"} <= answer.keys():
        best = max(range(len(answer["scores"])), key=answer["scores"].__getitem__)
        return "\t".join([answer["classes"][best], f"{answer['scores'][best]:.4f}", *shown])
    if "value" in answer:
        return "\t".join([f"{answer['value']:.4f}", *shown])
    if {"tokens", "tags"} <= answer.keys():
        pairs = list(zip(answer["tokens"], answer["tags"], strict=False))
        return " ".join(f"{token}/{tag}" for token, tag in pairs[: answer.get("lengths")])
    if "continuation" in answer:
        return answer.get("text", "") + answer["continuation"]
    for name in ("translation", "caption"):
        if name in answer:
            file = [answer["image"]] if "image" in answer else []
            others = [text for text, _ in answer.get("alternatives", [])]
            return "\t".join([*file, answer[name], *others])
        if f"{name}s" in answer:  # the best few; fewer than asked for have the score -Infinity
            scored = zip(answer[f"{name}s"], answer["scores"], strict=True)
            return "\t".join(text for text, score in scored if score > float("-inf"))
    return None


class Notices:
    """Counts what answers say of texts that weren't read to their end, and tells it once."""

    def __init__(self):
        self._answers = self._long = self._unread = self._cut = 0
        self._bounds = "text.max_length, text.max_sentences"

    def note(self, answer: dict[str, Any]) -> None:
        """Count an answer; a server's has `unread` and `cut` also where nothing was left out.

        >>> notices = Notices()
        >>> notices.note({"unread": 0, "cut": [False, True]})
        >>> notices.tell()  # to standard error
        """
        self._answers += 1
        unread, cut = answer.get("unread"), answer.get("cut")
        if isinstance(unread, int):  # any model may have an output of that name
            self._long += unread > 0
            self._unread += unread
            if "continuation" in answer:
                self._bounds = "decoding.max_prompt"
        cuts = cut if isinstance(cut, list) else [cut]
        self._cut += any(one is True for one in cuts)

    def tell(self) -> None:
        """Write a line to standard error for each kind that there was."""
        of = f"of {self._answers:,}"
        for count, told in (
            (
                self._long,
                f"texts longer than is read ({self._bounds}): "
                f"{self._long:,} {of}; tokens not read: {self._unread:,}",
            ),
            (self._cut, f"answers cut off at decoding.max_length: {self._cut:,} {of}"),
        ):
            if count:
                print(f"note: {told}", file=sys.stderr)
