"""Everything in the program's folders of embeddings, and why some of it is not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ti_core.files.embedding import misfit
from ti_core.files.library_entry import Entry, Skipped
from ti_core.port.session import ModelFacts

from .studio import Studio

MOST_LISTED = 1000
"""In one answer."""


@dataclass(frozen=True)
class Listed:
    """An embedding, or a file that was skipped."""

    name: str
    file: str
    """Below its folder of embeddings: that folder itself is not shown."""
    entry: Entry | None
    """None for a file that was skipped."""
    reason: str = ""
    """Why it was."""

    def told(self, facts: ModelFacts | None) -> dict[str, object]:
        """As JSON values. What does not fit the model is skipped by a program; while none is loaded
        nothing is known to be."""
        told: dict[str, object] = {"name": self.name, "file": self.file}
        if self.entry is None:
            return {**told, "loaded": False, "reason": self.reason}
        entry = self.entry
        error = misfit(entry.tables, facts.widths, entry.name) if facts else None
        return {
            **told,
            "vectors": entry.vectors,
            "step": entry.step,
            "shapes": {key: list(shape) for key, shape in entry.shapes.items()},
            "trigger": entry.trigger,
            "base_model": entry.base_model,
            "family": entry.family,
            "loaded": error is None,
            "reason": str(error or ""),
        }


def listing(studio: Studio) -> list[Listed]:
    """By name; embeddings come before what was skipped."""
    library, roots = studio.library(), studio.embeddings_dirs()
    found = [Listed(each.name, _below(each.path, roots), each) for each in library.entries]
    return found + [_passed_over(each, roots) for each in library.skipped]


def _passed_over(skipped: Skipped, roots: Sequence[Path]) -> Listed:
    file = _below(skipped.path, roots)
    return Listed(skipped.path.stem, file, None, skipped.reason)


def _below(path: Path, roots: Sequence[Path]) -> str:
    for root in roots:
        if path.is_relative_to(root.absolute()):
            return path.relative_to(root.absolute()).as_posix()
    return path.name
