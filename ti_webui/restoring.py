"""Embeddings that were replaced, and how the page and the API bring one back."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ti_core.errors import HostError, NotFoundError
from ti_core.files.replaced import Kept, bring_back, copies_in

from .studio import Studio


def replaced(studio: Studio) -> dict[str, Kept]:
    """Copies in the program's folders, newest first, by their paths; only these are ever opened."""
    return {str(kept.path): kept for kept in copies_in(studio.embeddings_dirs())}


def restore(studio: Studio, file: str) -> Path:
    """Make one of `replaced` the embedding again, and tell the host; returns its path.

    Raises NotFoundError for what is not among them, FileError and StorageError.
    """
    kept = replaced(studio).get(file)
    if kept is None:
        raise NotFoundError(f"there is no copy {file!r}", "", "choose one from the list")
    path = bring_back(kept.path, studio.settings().keep_replaced)
    with contextlib.suppress(HostError):  # without a model nothing has a list of them
        studio.host().embedding_saved(path)
    return path
