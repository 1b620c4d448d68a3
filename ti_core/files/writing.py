"""Writes an embedding in the formats of all programs; each file is whole or not there.

Programs choose their reader by a file's ending, so a format is only written under its own.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ..errors import EmbeddingError
from . import dictionaries, safetensors_file, torch_zip
from .atomic import write_bytes
from .card import card_bytes
from .card_drawing import plain_picture
from .embedding import Embedding
from .formats import FORMATS

_ALL_ENDINGS = {ending for kind in FORMATS.values() for ending in kind.endings}


def write_embedding(
    path: Path,
    embedding: Embedding,
    format: str = "safetensors",
    picture: Image.Image | None = None,
) -> None:
    """Write an embedding, fp32 unless it is half, atomically; equal embeddings give equal bytes.

    `format` is a key of FORMATS. `picture` is what a card ("png") shows; without one it is plain.

    Raises EmbeddingError for values that are not finite, a format that cannot hold two text
    encoders (SDXL), and an ending that stands for another format; StorageError when the file
    cannot be written.
    """
    ending = _checked_ending(path, format)
    write_bytes(path, embedding_bytes(embedding, format, ending, picture))


def _checked_ending(path: Path, format: str) -> str:
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise EmbeddingError(f"there is no format {format!r}", "", f"choose one of {known}")
    ending, allowed = path.suffix.lower(), FORMATS[format].endings
    if ending in _ALL_ENDINGS and ending not in allowed:
        raise EmbeddingError(
            f"{path.name} cannot be written as {format}",
            "programs choose their reader by the ending of the name",
            f"name it {path.stem}{allowed[0]}",
        )
    return ending if ending in allowed else allowed[0]


def embedding_bytes(
    embedding: Embedding,
    format: str = "safetensors",
    ending: str = ".safetensors",
    picture: Image.Image | None = None,
) -> bytes:
    """The content of a file; `ending` is its name's, one of the format's. See `write_embedding`."""
    if format == "png":
        return card_bytes(embedding, picture or plain_picture(), ending)
    if ending == ".safetensors":
        rows = dictionaries.checked_rows(embedding)
        return safetensors_file.to_bytes(rows, _notes(embedding))
    layout = {"pt": dictionaries.a1111, "bin": dictionaries.diffusers, "kohya": dictionaries.kohya}
    return torch_zip.to_bytes(layout[format](embedding), _notes(embedding))


def _notes(embedding: Embedding) -> dict[str, str]:
    """Metadata; name and steps also of an embedding that came without any."""
    return {"ti.name": embedding.name, "ti.step": str(embedding.step), **embedding.metadata}
