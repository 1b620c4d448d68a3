"""New embeddings of the panel: into the program's folder, and never over another file."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ti_core.errors import ConfigError
from ti_core.files.embedding import Embedding
from ti_core.files.formats import FORMATS
from ti_core.files.names import alike, checked_name
from ti_core.files.sidecars import write_notes
from ti_core.files.writing import files_of, write_embedding

from .studio import Studio


def save_new(
    studio: Studio,
    embedding: Embedding,
    format: str = "safetensors",
    picture: Image.Image | None = None,
) -> Path:
    """Write an embedding under its name, with the notes that a web UI's cards show; tell the host.

    Raises ConfigError for a bad name or one that is taken by a file of any format, EmbeddingError
    when the format cannot hold it, StorageError.
    """
    if format not in FORMATS:
        raise ConfigError(
            f"there is no format {format!r}", "", f"choose one of {', '.join(FORMATS)}"
        )
    name = checked_name(embedding.name)
    path = studio.save_dir() / f"{name}{FORMATS[format].endings[0]}"
    alike_named = [
        entry.path for entry in studio.library().entries if alike(entry.name) == alike(name)
    ]
    paths = [part for part, _ in files_of(path, embedding, format)]
    there = alike_named or [part for part in paths if part.exists()]
    if there:
        raise taken(there[0], "choose another name")
    write_embedding(path, embedding, format, picture)
    studio.host().embedding_saved(path)
    write_notes(path, embedding)
    return path


def taken(there: Path, fix: str) -> ConfigError:
    """The error for a name that an embedding of the program has already."""
    why = "it is not overwritten, and two files of one name would hide each other"
    return ConfigError(f"{there} exists already", why, fix)
