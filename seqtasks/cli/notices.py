"""What answers leave out, counted and told once."""

from typing import Any

import click


class Notices:
    """Counts what answers say of texts that weren't read to their end, and tells it once."""

    def __init__(self):
        self._answers = self._long = self._unread = self._cut = 0

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
        cuts = cut if isinstance(cut, list) else [cut]
        self._cut += any(one is True for one in cuts)

    def tell(self) -> None:
        """Write a line to standard error for each kind that there was."""
        of = f"of {self._answers:,}"
        for count, told in (
            (
                self._long,
                "texts longer than is read (text.max_length, text.max_sentences): "
                f"{self._long:,} {of}; tokens not read: {self._unread:,}",
            ),
            (self._cut, f"answers cut off at decoding.max_length: {self._cut:,} {of}"),
        ):
            if count:
                click.echo(f"note: {told}", err=True)
