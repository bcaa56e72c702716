"""What `seqtasks predict` says, asked of a server that has the run's export.

An answer has the keys of `predict --json`, with the same values. Two things aren't to be had over
the wire: runners-up of a caption, since image files go in and one caption comes out; and, where the
run isn't at hand, how many translations it shows, which is one then.
"""

import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seqtasks.clients.client import Client
from seqtasks.entities import OUTSIDE, entities_in, recognise, token_offsets
from seqtasks.errors import DataError, ServingError

Answer = dict[str, Any]
ReadImages = Callable[[str], Iterator[tuple[str, Any]]]  # pixels as `tolist` gives them


class ServedRun:
    """A run's export on a server, asked as the run itself is.

    Args:
        server: the server.
        model: the export's name there.
        n_best: how many translations are wanted.
        images: reads a file's images, each with its name, in the model's size; then captions have
            runners-up. By default files go to the server as they are.

    Raises:
        ServingError: where the server or the model doesn't answer, or the model isn't an export.
    """

    def __init__(
        self, server: Client, model: str, n_best: int = 1, images: ReadImages | None = None
    ):
        self._server, self._model, self._n_best, self._images = server, model, n_best, images
        found = server.metadata(model)["metadata"]["signature_def"]["signature_def"]
        self._signatures = {name: (one["inputs"], one["outputs"]) for name, one in found.items()}
        self._ask = self._choose()

    def predict(self, texts: list[str], complete: bool = True) -> Iterator[Answer]:
        """Give an answer for each text; for captioning a text is the name of an image's file.

        Args:
            complete: whether all keys are needed, or only those that `seqtasks.answers.line` shows.

        Raises:
            ServingError: where there is no answer.
            DataError: an image's file that can't be read.
        """
        return self._ask(texts, complete)

    def _choose(self) -> Callable[[list[str], bool], Iterator[Answer]]:
        """Tell the task by the names of what goes in and comes out."""
        _, outputs = self._signatures.get("serving_default", ((), ()))
        if self._images and "captions" in self._signatures.get("nbest", ((), ()))[1]:
            return self._captions_of_pixels
        if "image_bytes" in self._signatures.get("encoded", ((), ()))[0]:
            return self._captions
        if "classify" in self._signatures and "label" in outputs:
            return self._classes
        if {"labels", "classes"} <= set(outputs):
            return self._sets
        if "value" in outputs and "regress" in self._signatures:
            return self._numbers
        if "lengths" in outputs:
            return self._tags
        if "continuation" in outputs:
            return self._continuations
        if "translation" in outputs and "nbest" in self._signatures:
            return self._translations
        raise ServingError(
            f"{self._model}: no export of a run that reads texts or image files; see what it "
            f"takes by `seqtasks client {self._model} --metadata`"
        )

    def _classes(self, texts: list[str], complete: bool) -> Iterator[Answer]:
        marked = [{}] * len(texts)
        if "unread" in self._signatures["serving_default"][1]:
            rows = self._server.predict_rows(self._model, texts)
            marked = [_marks(row) for row in rows]
            if not complete:
                for text, row, marks in zip(texts, rows, marked, strict=True):
                    score = _float32(row["score"])
                    yield {"text": text, "label": row["label"], "probability": score, **marks}
                return
        examples = [{"text": text} for text in texts]
        rows = self._server.classify(self._model, examples, "classify")
        looked = self._looked(texts) if complete and "attention" in self._signatures else None
        for number, (text, row) in enumerate(zip(texts, rows, strict=True)):
            chances = {label: _float32(score) for label, score in row}
            label = max(chances, key=chances.__getitem__)
            answer = {"text": text, "label": label, "probability": chances[label]}
            more = {"attention": looked[number]} if looked else {}
            yield {**answer, "probabilities": chances, **more, **marked[number]}

    def _sets(self, texts: list[str], complete: bool) -> Iterator[Answer]:
        rows = self._server.predict_rows(self._model, texts)
        looked = self._looked(texts) if complete and "attention" in self._signatures else None
        for number, (text, row) in enumerate(zip(texts, rows, strict=True)):
            named = zip(row["classes"], row["probabilities"], strict=True)
            chances = {label: _float32(chance) for label, chance in named}
            answer = {"text": text, "labels": _until_empty(row["labels"])}
            more = {"attention": looked[number]} if looked else {}
            yield {**answer, "probabilities": chances, **more, **_marks(row)}

    def _numbers(self, texts: list[str], complete: bool) -> Iterator[Answer]:
        rows = self._server.predict_rows(self._model, texts)
        looked = self._looked(texts) if complete and "attention" in self._signatures else None
        for number, (text, found) in enumerate(zip(texts, rows, strict=True)):
            row = found if isinstance(found, dict) else {"value": found}  # an export of one output
            more = {"attention": looked[number]} if looked else {}
            yield {"text": text, "value": _float32(row["value"]), **more, **_marks(row)}

    def _looked(self, texts: list[str]) -> list[list[Answer]]:
        """Where a hierarchical model looked: the sentences of each text and their words, weighed.

        A sentence without words only fills up the tensor.
        """
        found = self._server.predict_columns(self._model, {"text": texts}, "attention")
        return [
            [
                {"weight": _float32(weight), "words": _weighed(words, weights)}
                for words, weights, weight in zip(*row, strict=True)
                if words and words[0]
            ]
            for row in zip(
                found["words"], found["word_weights"], found["sentence_weights"], strict=True
            )
        ]

    def _tags(self, texts: list[str], complete: bool) -> Iterator[Answer]:
        rows = self._server.predict_rows(self._model, texts)
        for text, row in zip(texts, rows, strict=True):
            length = row["lengths"]
            answer = {
                "text": text,
                "tokens": row["tokens"][:length],
                "tags": row["tags"][:length],
                "probabilities": [_rounded(score) for score in row["scores"][:length]],
            }
            if "widths" in row:  # exports of earlier versions have none
                chances = [_rounded(chance) for chance in row.get("entity_scores", ())] or None
                answer.update(_places(answer, row["widths"][:length], chances))
            yield answer

    def _translations(self, texts: list[str], complete: bool) -> Iterator[Answer]:
        if self._n_best == 1 and not complete:
            rows = self._server.predict_rows(self._model, texts)
            for text, row in zip(texts, rows, strict=True):
                answer = {"text": text, "translation": row["translation"], "alternatives": []}
                yield {**answer, **_marks(row)}
            return
        inputs = {"text": texts, "k": self._n_best}
        found = self._server.predict_columns(self._model, inputs, "nbest")
        for number, text in enumerate(texts):
            row = {name: column[number] for name, column in found.items()}
            (best, score), *others = zip(row["translations"], row["scores"], strict=True)
            source, target = _until_empty(row["source_tokens"]), _until_empty(row["tokens"][0])
            yield {
                "text": text,
                "translation": best,
                "score": _float32(score),
                "alternatives": [(one, _float32(s)) for one, s in others if math.isfinite(s)],
                "source_tokens": source,
                "target_tokens": target,
                "attention": [
                    [_rounded(weight) for weight in step[: len(source)]]
                    for step in row["attention"][0][: len(target)]
                ],
                **_marks(row),
            }

    def _captions(self, files: list[str], complete: bool) -> Iterator[Answer]:
        for file in files:
            if not file.strip():
                yield {"image": file, "caption": "", "score": 0.0, "alternatives": []}
                continue
            try:
                image = Path(file).read_bytes()
            except OSError as error:
                raise DataError(f"{file}: can't be read: {error.strerror}") from error
            rows = [{"image_bytes": image}]
            (found,) = self._server.predict_rows(self._model, rows, "encoded")
            answer = {"image": file, "caption": found["caption"]}
            score = _float32(found["score"])
            yield {**answer, "score": score, "alternatives": [], **_marks(found)}

    def _captions_of_pixels(self, files: list[str], complete: bool) -> Iterator[Answer]:
        for file in files:
            if not file.strip() or self._images is None:
                yield {"image": file, "caption": "", "score": 0.0, "alternatives": []}
                continue
            for name, pixels in self._images(file):
                inputs = {"image": [pixels], "k": self._n_best}
                found = self._server.predict_columns(self._model, inputs, "nbest")
                row = {key: column[0] for key, column in found.items()}
                (best, score), *others = zip(row["captions"], row["scores"], strict=True)
                alternatives = [(one, _float32(s)) for one, s in others if math.isfinite(s)]
                answer = {"image": name, "caption": best, "score": _float32(score)}
                yield {**answer, "alternatives": alternatives, **_marks(row)}

    def _continuations(self, texts: list[str], complete: bool) -> Iterator[Answer]:
        for text in texts:  # one by one, since what is drawn depends on a text's place
            (found,) = self._server.predict_rows(self._model, [text])
            # Exports of earlier versions have this one output.
            row = found if isinstance(found, dict) else {"continuation": found}
            yield {"text": text, "continuation": row["continuation"], **_marks(row)}


def _marks(row: Answer) -> Answer:
    """What an answer says of a text that wasn't read to its end, and of itself: none where well.

    >>> _marks({"label": "pos", "unread": 0, "empty": True})
    {'empty': True}
    >>> _marks({"unread": 3, "cut": [False, True]})  # of the best answer
    {'unread': 3}
    """
    marks = {name: row[name] for name in ("unread", "cut", "empty") if name in row}
    if isinstance(marks.get("cut"), list):
        marks["cut"] = marks["cut"][0]
    return {name: value for name, value in marks.items() if value}


def _places(answer: Answer, widths: list[int], chances: list[float] | None) -> Answer:
    """Where tokens are in the text and, where the tags mark entities, those.

    Args:
        chances: of each token that of the entity that begins there; None in earlier versions.

    Tags that are all outside of entities are taken for such.
    """
    tags = answer["tags"]
    found: Answer = {"offsets": token_offsets(answer["text"], answer["tokens"], widths)}
    if scheme := recognise([tags]):
        found["entities"] = entities_in(scheme, answer["text"], tags, found["offsets"], chances)
    elif tags and OUTSIDE.issuperset(tags):
        found["entities"] = []
    return found


def _weighed(words: list[str], weights: list[float]) -> list[tuple[str, float]]:
    shown = _until_empty(words)
    return [(word, _rounded(weight)) for word, weight in zip(shown, weights, strict=False)]


def _until_empty(tokens: list[str]) -> list[str]:
    """The tokens before the empty ones that fill up a row.

    >>> _until_empty(["red", "cat", "", ""])
    ['red', 'cat']
    """
    return tokens[: tokens.index("")] if "" in tokens else tokens


def _float32(value: float) -> float:
    """The number that the model gave, of which the server wrote as many digits as tell it apart.

    >>> _float32(0.1)
    0.10000000149011612
    """
    return struct.unpack("f", struct.pack("f", value))[0]


def _rounded(value: float) -> float:
    return round(_float32(value), 4)
