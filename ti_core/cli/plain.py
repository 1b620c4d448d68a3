"""Text of strangers, made fit for a terminal."""

from __future__ import annotations


def plain(text: str, keep: str = "") -> str:
    """The text with everything that could steer a terminal, or that cannot be printed, escaped;
    the characters in `keep` stay."""
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
