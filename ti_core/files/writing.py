"""Writes an embedding in the formats of all programs; each file is whole or not there.

Programs choose their reader by a file's ending, so a format is only written under its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from ..errors import EmbeddingError
from ..families import SDXL
from . import dictionaries, safetensors_file, torch_zip
from .atomic import write_bytes
from .card import card_bytes
from .card_drawing import plain_picture
from .embedding import Embedding, half
from .formats import FORMATS
from .names import is_second, sibling_path

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
    parts = [
        (part, embedding_bytes(one, format, ending, picture))
        for part, one in files_of(path, embedding, format)
    ]
    for part, data in parts:
        write_bytes(part, data)


def files_of(path: Path, embedding: Embedding, format: str) -> list[tuple[Path, Embedding]]:
    """(file, what it holds) of each file that `write_embedding` writes: two for SDXL as diffusers'
    `textual_inversion_sdxl.py` writes it, the text encoders in their order.

    Raises EmbeddingError for a name that the second file would have.
    """
    if format != "diffusers" or list(embedding.vectors) != list(SDXL.widths):
        return [(path, embedding)]
    return [
        (part, half(embedding, key))
        for part, key in zip((path, second_file(path)), SDXL.widths, strict=True)
    ]


def second_file(path: Path) -> Path:
    """Where diffusers' scripts keep the vectors of SDXL's second text encoder: "cat_2" beside
    "cat", "cat_2-steps-500" beside "cat-steps-500"."""
    other = sibling_path(path)
    if other is None or is_second(path):
        fix = "choose a name that does not end so"
        raise EmbeddingError(f"{path.name} is how the second file is called", "", fix)
    return other


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
        alone = format == "diffusers"
        rows = (dictionaries.diffusers if alone else dictionaries.checked_rows)(embedding)
        return safetensors_file.to_bytes(rows, _notes(embedding))
    layout: dict[str, Callable[[Embedding], Mapping[str, torch_zip.Value]]] = {
        "pt": dictionaries.a1111,
        "bin": dictionaries.diffusers,
        "kohya": dictionaries.kohya,
    }
    return torch_zip.to_bytes(layout[format](embedding), _notes(embedding))


def _notes(embedding: Embedding) -> dict[str, str]:
    """Metadata; name and steps also of an embedding that came without any."""
    return {"ti.name": embedding.name, "ti.step": str(embedding.step), **embedding.metadata}
