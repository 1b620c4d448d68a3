"""What a checkup says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "hint", "note", "unchecked"]
"""error: training will refuse, or learn nothing from it · warning: it will probably do harm ·
hint: worth a look, may be meant so · note: a fact · unchecked: could not be looked at, and why"""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    rule: str
    """Which rule speaks: a name that does not change."""
    severity: Severity
    what: str
    why: str = ""
    """Why it matters."""
    fix: str = ""
    """What to do."""
    files: tuple[str, ...] = ()
    """Names of the images, captions or folders it is about, inside the checked folder."""

    def __str__(self) -> str:
        text = f"{self.what}: {self.why}" if self.why else self.what
        return f"{text}; {self.fix}" if self.fix else text

    def to_dict(self) -> dict[str, object]:
        """As JSON values."""
        return asdict(self)


def unchecked(rule: str, what: str, fix: str = "") -> Finding:
    """Says openly that a rule could not be applied."""
    return Finding(rule, "unchecked", f"not checked: {what}", "", fix)
