"""How many copies of replaced embeddings are kept: one setting, which every surface has."""

from __future__ import annotations

from typing import Any

from ..options import unrecorded

KEPT = 10
"""Copies of one file, unless the user's setting says otherwise."""


def kept_option() -> Any:
    """The setting of everything that can replace an embedding; see `replaced`."""
    return unrecorded(
        KEPT,
        "number of copies of a replaced file to keep beside it, as FILE.before-1, -2 and so on; "
        "the oldest are removed; 0 keeps none",
        label="Copies of replaced files",
        limits=(0, 1000),
        advanced=True,
    )
