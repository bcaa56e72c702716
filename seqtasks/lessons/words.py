"""Words in both languages, side by side, so that neither can be without the other."""

from __future__ import annotations

import locale
import os
from typing import Literal, NamedTuple

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")


class Both(NamedTuple):
    """A text in English and in Korean.

    >>> Both("layer", "층").of("ko")
    '층'
    """

    en: str
    ko: str

    def of(self, language: Language) -> str:
        """The text in one language."""
        return self.ko if language == "ko" else self.en


def language_of_locale() -> Language:
    """Korean where the environment, or on Windows the system, speaks Korean; else English."""
    named = next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)),
        locale.getlocale()[0] or "",
    )
    return "ko" if named.lower().startswith(("ko", "korean")) else "en"
