"""What a person notes of an embedding: description, notes, word, licence, and its image.

They are in `<name>.json`, where Extra Networks of A1111 and its forks read and write them, and in
`<name>.preview.png`. Other programs' keys in that file stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ..errors import FileError
from .atomic import write_bytes
from .embedding import LICENCE, Embedding
from .kept import KEPT
from .label import KEYS, Label, plain_text
from .regular_file import read_bytes
from .replaced import replacing
from .sidecars import MOST_NOTES, json_bytes, our_sidecars, preview_bytes, unmarked


def read_label(path: Path, metadata: Mapping[str, str] | None = None) -> Label:
    """What is noted of an embedding file, "" for nothing; a licence also as its own `metadata` has
    it. Raises FileError for notes that are not an object in JSON."""
    told = _notes(path)
    texts = {name: told.get(key) for name, key in KEYS.items()}
    known = {name: text if isinstance(text, str) else "" for name, text in texts.items()}
    known["license"] = known["license"] or (metadata or {}).get(LICENCE, "")
    return Label(**{name: plain_text(text) for name, text in known.items()})


def with_license(path: Path, embedding: Embedding) -> Embedding:
    """The embedding of this file, with the licence that is noted of it in its metadata, so that
    files made of it have it as well. Raises FileError as `read_label`."""
    noted = read_label(path, embedding.metadata).license or ""
    told = {**embedding.metadata, LICENCE: noted}
    return replace(embedding, metadata=told) if noted else embedding


def write_label(path: Path, label: Label) -> None:
    """Note what is given; everything else in the file stays. The file counts as the user's own from
    then on, and no training replaces it. Raises FileError as `read_label`, StorageError."""
    told = {**unmarked(_notes(path)), **label.given}
    write_bytes(_file(path), json_bytes(told))


def set_preview(path: Path, picture: Image.Image, parameters: str = "", keep: int = KEPT) -> Path:
    """Make an image the one that programs show for an embedding; returns its file. One of the
    user's own is kept as a numbered copy. Raises StorageError."""
    target = path.with_suffix(".preview.png")
    data = preview_bytes(picture, parameters)
    if target in our_sidecars(path):
        write_bytes(target, data)
    else:
        with replacing(target, keep):
            write_bytes(target, data)
    return target


def _notes(path: Path) -> dict[str, object]:
    file = _file(path)
    if not file.exists():
        return {}
    fix = "move it to another folder, or correct it"
    try:
        told = json.loads(read_bytes(file, MOST_NOTES))
    except (ValueError, RecursionError) as error:
        raise FileError(f"cannot read {file.name}", f"it is not JSON ({error})", fix) from error
    if not isinstance(told, dict):
        raise FileError(f"cannot read {file.name}", "it is not an object in JSON", fix)
    return told


def _file(path: Path) -> Path:
    return path.with_suffix(".json")
