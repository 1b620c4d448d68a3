"""What a person notes of an embedding."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from ..errors import ConfigError, setting
from ..options import MOST_LETTERS, Checked, option
from .names import printable

TRIGGER = "activation text"
"""The word, among A1111's notes."""
KEYS = {"description": "description", "notes": "notes", "trigger": TRIGGER, "license": "license"}
"""Field → A1111's key; it has none for a licence, and keeps ours."""
_CONTROL = r"[\0-\x08\x0b\x0c\x0e-\x1f]"
"""Characters that are not text, but for tabs and the ends of lines."""


@dataclass(frozen=True)
class Label(Checked):
    """What is noted; None: not given."""

    title = "What is noted"
    description: str | None = option(
        None, "one line, shown on the card of Extra Networks", label="Description"
    )
    notes: str | None = option(None, "anything to remember about it", label="Notes")
    trigger: str | None = option(
        None, "word or words to write in a prompt (activation text)", label="Activation text"
    )
    license: str | None = option(None, "licence under which it may be used", label="License")

    def __post_init__(self) -> None:
        super().__post_init__()
        for item in fields(self):
            text = getattr(self, item.name)
            if text and re.search(_CONTROL, text):
                what = f"{setting(item.name)} has control characters"
                raise ConfigError(what, "", "give plain text")

    @property
    def given(self) -> dict[str, str]:
        """A1111's key → text, of what is given."""
        texts = {key: getattr(self, name) for name, key in KEYS.items()}
        return {key: text for key, text in texts.items() if text is not None}


def plain_text(text: str) -> str:
    """Of another program's notes, what could be noted here."""
    return re.sub(_CONTROL, "", printable(text))[:MOST_LETTERS]
