"""What the verbs that write pages have in common."""

import locale
import os
from pathlib import Path

import click


def page_language() -> str:
    """The language of pages by the locale: "ko", or else "en"."""
    named = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "ko" if named.lower().startswith(("ko", "korean")) else "en"


def check_output(path: Path, option: str) -> None:
    """Refuse a file that can't be written, before anything is computed.

    Raises:
        click.UsageError: says why.
    """
    folder = path.parent
    if not folder.is_dir():
        raise click.UsageError(f"{option} {path}: can't write: there is no folder {folder}")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise click.UsageError(f"{option} {path}: can't write: permission denied")
