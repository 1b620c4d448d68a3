"""Text of strangers and of errors, made fit for a terminal."""

from __future__ import annotations

from ..options import with_names


def plain(text: str, keep: str = "") -> str:
    """The text with everything that could steer a terminal, or that cannot be printed, escaped;
    the characters in `keep` stay."""
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def with_flags(text: str, keep: str = "") -> str:
    """The text of an error, notice or finding, with each `setting()` as the option is typed."""
    return plain(with_names(text, "--{}".format), keep)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
