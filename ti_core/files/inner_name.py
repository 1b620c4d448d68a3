"""The name that an embedding has inside its file, and the same file with another one.

| file | where the name is |
|---|---|
| A1111's `.pt` | "name"; the placeholder "*" stays |
| `.safetensors`, and our `.pt` in its comment | metadata: title, trigger phrase, "name" |
| diffusers | the key of the table |
| A1111's cards | "name", which A1111 uses in place of the file's |

Numbers stay as they are, bit for bit; names that are not those of the file stay as well.
"""

from __future__ import annotations

import base64
import json
import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import EmbeddingError, FileError
from .card import KEYWORD, TENSOR, card_text
from .layouts import reads_as_word
from .notes import TRIGGER, from_comment
from .picture_chunks import is_png, with_png_text
from .reading import read_embeddings
from .regular_file import open_regular, read_bytes
from .safetensors_directory import read_directory, text_metadata
from .safetensors_header import METADATA
from .torch_pickle import read_torch_file
from .torch_zip import to_bytes
from .zip_directory import ZIP_START, read_comment

_KEYS = ("ti.name", "modelspec.title", TRIGGER, "name")
_MOST_BYTES = 64 * 2**20
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)
"""That are written as they were read."""


def with_name(path: Path, new: str) -> bytes | None:
    """The content of an embedding file where its own name, the stem of `path`, is `new`.

    None where it is not inside, and where it cannot be changed without loss: in files of several
    embeddings, of unknown layouts, or cards without a text. Raises FileError for a damaged file.
    """
    found = read_embeddings(path)
    if len(found) != 1:
        return None
    try:
        made = _renamed(path, path.stem, new)
    except (TypeError, ValueError, EmbeddingError):  # what cannot be written, or has no room
        return None
    return made if made and _holds(made, path.suffix, found[0].vectors) else None


def _renamed(path: Path, old: str, new: str) -> bytes | None:
    with open_regular(path) as file:
        start = file.read(8)
    if is_png(start):
        return _card(path, old, new)
    if start.startswith(ZIP_START):
        return _pickle(path, old, new)
    return _safetensors(path, old, new) if path.suffix.lower() == ".safetensors" else None


def _holds(data: bytes, suffix: str, vectors: Mapping[str, Tensor]) -> bool:
    """Whether a file of this content is read as the same vectors."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, f"copy{suffix}")
        copy.write_bytes(data)
        try:
            (found,) = read_embeddings(copy)
        except (FileError, ValueError):
            return False
    same = list(found.vectors) == list(vectors)
    return same and all(torch.equal(found.vectors[key], rows) for key, rows in vectors.items())


def _renamed_notes(notes: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    """ai-toolkit writes each value as JSON."""
    quoted = {old: new, json.dumps(old): json.dumps(new)}
    return {k: quoted.get(text, text) if k in _KEYS else text for k, text in notes.items()}


# --- safetensors ------------------------------------------------------------------------------


def _safetensors(path: Path, old: str, new: str) -> bytes | None:
    start, header = read_directory(path)
    notes = text_metadata(header)
    tables = {_key(key, old, new, entry["shape"]): entry for key, entry in header.items()}
    renamed = _renamed_notes(notes, old, new)
    if renamed == notes and list(tables) == list(header):
        return None
    head = {**({METADATA: renamed} if renamed else {}), **tables}
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + read_bytes(path, _MOST_BYTES)[start:]


def _key(key: str, old: str, new: str, shape: Sequence[int]) -> str:
    """diffusers' word; another one must not be taken for the name of a text encoder's table."""
    is_word = key == old and all(reads_as_word(word, torch.empty(shape)) for word in (old, new))
    return new if is_word else key


# --- torch ------------------------------------------------------------------------------------


def _pickle(path: Path, old: str, new: str) -> bytes | None:
    with open_regular(path) as file:
        notes = from_comment(read_comment(file, path))
    content = read_torch_file(path)
    if type(content) is not dict or not _is_kept(content):
        return None
    tables = {_word(key, old, new, value): value for key, value in content.items()}
    is_a1111 = "string_to_param" in content and content.get("name") == old
    renamed = _renamed_notes(notes, old, new)
    if renamed == notes and list(tables) == list(content) and not is_a1111:
        return None
    return to_bytes({**tables, "name": new} if is_a1111 else tables, renamed)


def _word(key: Any, old: str, new: str, value: object) -> Any:
    return _key(key, old, new, value.shape) if isinstance(value, Tensor) else key


def _is_kept(value: object) -> bool:
    """Whether it is written as it was read."""
    if isinstance(value, Tensor):
        return value.dtype in _DTYPES
    if type(value) is dict:
        return all(map(_is_kept, value.values()))
    return value is None or type(value) in (str, int, float, bool)


# --- cards ------------------------------------------------------------------------------------


def _card(path: Path, old: str, new: str) -> bytes | None:
    """The text alone, which A1111 reads before the margins; the image is the same."""
    with open_regular(path) as file:
        text = card_text(file)
        if text is None:
            return None
        content = json.loads(text)
        for part in (
            content,
            *(each for each in content.values() if isinstance(each, dict) and TENSOR in each),
        ):
            _rename_part(part, old, new)
        return with_png_text(file, KEYWORD, base64.b64encode(json.dumps(content).encode()))


def _rename_part(part: dict[str, Any], old: str, new: str) -> None:
    if isinstance(part.get("name"), str):
        part["name"] = new
    if isinstance(part.get("metadata"), dict):
        part["metadata"] = _renamed_notes(part["metadata"], old, new)
