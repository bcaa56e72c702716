"""What a run knows of texts and labels, with what the run knew that it begins from.

Vocabularies are kept and widened at their ends, so that ids stay what they were, and so are classes
and tags. How texts become tokens, and what was learnt of the meaning of outputs, stays as it was.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

from seqtasks.errors import ConfigError
from seqtasks.tasks import captioning, language_model, sentiment, tagger, translation
from seqtasks.tasks.heads.category import Categories
from seqtasks.tasks.heads.head import Head
from seqtasks.tasks.heads.label_set import LabelSets
from seqtasks.text.copying import CopyRule
from seqtasks.text.documents import DocumentEncoder
from seqtasks.text.encoder import TextEncoder
from seqtasks.text.features import WordFeatures
from seqtasks.text.line_text import LineText
from seqtasks.text.target_text import WrittenText
from seqtasks.text.tokens import TokenEncoder
from seqtasks.text.vocabulary import Vocabulary


def widened(codec: Any, before: Any) -> Any:
    """A codec with all that an earlier one knows, and after it what is new.

    Args:
        codec: as `Task.make_codec` made it of the new data.
        before: of the run that training begins from: of the same task, or of a language model of
            lines.

    Raises:
        ConfigError: where the two can't be joined.
    """
    return _widened(codec, before)


@singledispatch
def _widened(codec: Any, before: Any) -> Any:
    raise TypeError(f"no codec: {type(codec).__name__}")


@_widened.register
def _(codec: sentiment.Codec, before: Any) -> Any:
    encoder = codec.encoder
    known = _reader(before)
    if isinstance(encoder, DocumentEncoder):
        inner = _read(encoder.encoder, getattr(known, "encoder", known))
        encoder = DocumentEncoder(inner, encoder.max_sentences)
    else:
        encoder = _read(encoder, known)
    head = _answered(codec.head, before.head) if isinstance(before, sentiment.Codec) else codec.head
    return sentiment.Codec(encoder, head)


@_widened.register
def _(codec: tagger.Codec, before: Any) -> Any:
    encoder = _tokens(codec.encoder, _reader(before))
    if not isinstance(before, tagger.Codec):
        return replace(codec, encoder=encoder)
    scheme = before.recorded or codec.recorded
    return tagger.Codec(encoder, _longer(before.tags, codec.tags), scheme)


@_widened.register
def _(codec: translation.Codec, before: Any) -> Any:
    source = _read(codec.source, _reader(before))
    if not isinstance(before, translation.Codec):
        copies = codec.copies and CopyRule(source.words, codec.copies.copied, codec.copies.looks)
        return replace(codec, source=source, copies=copies)
    copies = before.copies
    if copies:
        known = set(before.source.words.tokens)
        new = [word for word in (codec.copies.copied if codec.copies else []) if word not in known]
        copies = CopyRule(source.words, [*copies.copied, *new], dict(copies.looks))
    return translation.Codec(source, _written(codec.target, before.target), copies)


@_widened.register
def _(codec: captioning.Codec, before: Any) -> Any:
    if codec.image_shape != before.image_shape:
        sizes = (" x ".join(map(str, one.image_shape)) for one in (before, codec))
        raise ConfigError(
            "--from: it doesn't fit: its images are {}, those of these data {}".format(*sizes)
        )
    return replace(codec, captions=_written(codec.captions, before.captions))


@_widened.register
def _(codec: language_model.Codec, before: Any) -> Any:
    if isinstance(codec.text, LineText):
        return language_model.Codec(LineText(_read(codec.text.encoder, before.text.encoder)))
    return language_model.Codec(_written(codec.text, before.text))


def _reader(codec: Any) -> Any:
    """What of a codec reads texts."""
    if isinstance(codec, language_model.Codec) and isinstance(codec.text, LineText):
        return codec.text.encoder
    return codec.source if isinstance(codec, translation.Codec) else codec.encoder


def _longer(before: Sequence[str], new: Sequence[str]) -> list[str]:
    """All that was before in its order, and then what is new."""
    known = set(before)
    return [*before, *(one for one in new if one not in known)]


def _vocabulary(new: Vocabulary | None, before: Vocabulary | None, kept: Any = None) -> Any:
    """A vocabulary kept and widened; as it is where its last words have vectors from outside."""
    if new is None or before is None or kept:
        return before or new
    return Vocabulary(_longer(before.tokens, new.tokens), before.complete)


def _features(new: WordFeatures | None, before: WordFeatures | None) -> WordFeatures | None:
    if new is None or before is None:
        return before or new
    return WordFeatures(
        {name: _vocabulary(new.vocabularies[name], known) for name, known in
         before.vocabularies.items()}
    )  # fmt: skip


def _read(new: TextEncoder, before: TextEncoder) -> TextEncoder:
    limits = new.max_length, new.max_word_length
    if before.subwords:  # pairs of characters are joined in one order, which can't grow
        return TextEncoder("subword", None, None, *limits, subwords=before.subwords)
    return TextEncoder(
        new.unit,
        _vocabulary(new.words, before.words, before.vectors),
        _vocabulary(new.characters, before.characters),
        *limits,
        _features(new.features, before.features),
        before.vectors,
    )


def _tokens(new: TokenEncoder, before: Any) -> TokenEncoder:
    splitter = before.splitter if isinstance(before, TokenEncoder) else new.splitter
    limits = new.max_length, new.max_word_length, splitter
    if before.subwords:
        known = before.subwords.vocabulary
        return TokenEncoder(known, known, *limits, subwords=before.subwords)
    return TokenEncoder(
        _vocabulary(new.words, before.words, before.vectors),
        _vocabulary(new.characters, before.characters),
        *limits,
        _features(new.features, before.features),
        before.vectors,
    )


def _written(new: WrittenText, before: WrittenText) -> WrittenText:
    return WrittenText(
        new.unit,
        before.vocabulary if before.subwords else _vocabulary(new.vocabulary, before.vocabulary),
        new.max_length,
        new.verbatim,
        before.case,
        before.subwords,
    )


def _answered(new: Head, before: Head) -> Head:
    if isinstance(before, Categories):
        return Categories(_longer(before.names, new.labels))
    if isinstance(before, LabelSets):
        return LabelSets(_longer(before.names, new.labels), getattr(new, "separator", ""))
    return before  # a number's mean and deviation, which its outputs are measured in
