"""What a hostile or broken file is, and what its reader must say to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ti_core.errors import CheckpointError, EmbeddingError, TIError, UnsafeFileError

CANARY = "canary"
"""The file, in the working folder, that every payload would leave."""


@dataclass(frozen=True)
class Case:
    """One thing on the disk."""

    name: str
    """Its file name, which says what is wrong with it."""
    make: Callable[[Path], object]
    """Puts it there."""
    error: type[TIError] | None
    """What reading it raises; None when it is what the reader reads, however odd. TIError stands
    for any of ours, or none."""
    says: str
    """A part of the error's text, or the embeddings: "emb_params 2×8"."""
    listed: bool = True
    """Whether a library speaks of it: not of pictures that do not claim to be cards."""
    reader: str = "embeddings"
    """Its name in `READERS`."""


def refused(name: str, content: bytes | Callable[[], bytes], says: str) -> Case:
    """A file that only an attacker makes."""
    return Case(name, writer(content), UnsafeFileError, says)


def broken(
    name: str, content: bytes | Callable[[], bytes], says: str, *, listed: bool = True
) -> Case:
    """A file that is damaged or something else."""
    return Case(name, writer(content), EmbeddingError, says, listed)


def harmless(name: str, content: bytes | Callable[[], bytes], says: str = "emb_params 2×8") -> Case:
    """A file that looks odd and holds an embedding."""
    return Case(name, writer(content), None, says)


def no_model(name: str, make: Callable[[Path], object], says: str) -> Case:
    """A checkpoint or a folder that cannot be opened."""
    return Case(name, make, CheckpointError, says, False, "model")


def answered(name: str, reader: str, make: Callable[[Path], object]) -> Case:
    """Something that a reader takes or refuses; it has only to answer soon, in a little memory."""
    return Case(name, make, TIError, "", False, reader)


def writer(content: bytes | Callable[[], bytes]) -> Callable[[Path], object]:
    """Large contents are made when they are written, and are not kept."""
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content())
