"""The kinds of learnables whose copies can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .embeddings import Embeddings
from .hypernetworks import Hypernetworks
from .subject import Subject

EMBEDDINGS, HYPERNETWORKS = Embeddings(), Hypernetworks()
SUBJECTS: tuple[Subject, ...] = (HYPERNETWORKS, EMBEDDINGS)
"""The one that takes whatever is of no other kind is the last."""


def subject_of(paths: Sequence[Path]) -> Subject:
    """What any of these files says that it is; embeddings where none does."""
    found = (subject for subject in SUBJECTS if any(map(subject.holds, paths)))
    return next(found, EMBEDDINGS)
