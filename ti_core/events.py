"""What long work tells the world: frozen records, each one line of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .errors import TIError


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    def to_json(self) -> str:
        """One line: {"event": class name, …fields}; names that are not text are spelled out."""
        fields = {"event": type(self).__name__, **dataclasses.asdict(self)}
        line = json.dumps(fields, default=str, ensure_ascii=False)
        return line.encode("utf-8", "backslashreplace").decode()


Listener = Callable[[Event], None]
"""Called with each event of some work, in the thread that does it."""


@dataclass(frozen=True)
class Notice(Event):
    """Something the user should know; the work continues."""

    level: Literal["info", "warning"]
    what: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return str(TIError(self.what, self.why, self.fix))


def notice_of(error: TIError, level: Literal["info", "warning"] = "warning") -> Notice:
    """An error that does not end the work."""
    return Notice(level, error.what, error.why, error.fix)
