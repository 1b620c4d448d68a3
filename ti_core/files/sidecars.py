"""The files beside an embedding: `<name>.preview.png` and `<name>.json`, as A1111 reads them.

What the user made or changed is never overwritten. Ours carry a mark, the SHA-256 of everything
else in the file; a file whose mark is missing or wrong is somebody's work and stays.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import FileError
from ..events import Notice
from ..families import by_architecture
from .atomic import write_bytes
from .belongings import DESCRIPTIONS
from .dictionaries import trigger
from .embedding import Embedding
from .label import TRIGGER
from .regular_file import read_bytes

_MARK = "ti.mark"
_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_MOST_BYTES = 64 * 2**20
"""What is larger was not written here."""
MOST_NOTES = 1_000_000
"""Bytes of notes that are read."""
SIDECARS = (".json", ".preview.png")
"""Endings of what is written beside an embedding."""


def write_notes(path: Path, embedding: Embedding, description: str = "") -> bool:
    """Write `<stem of path>.json`: description, version, activation text, notes.

    Without a description it is a line about the embedding, unless the user has written one into
    `<stem>.txt`, which this one would hide.
    False when a file of the user's is there, which is kept. Raises StorageError.
    """
    target = path.with_suffix(".json")
    told: dict[str, object] = {
        "description": description or _described(embedding),
        "sd version": _sd_version(embedding),
        TRIGGER: trigger(embedding),
        "preferred weight": 0,
        "notes": _spelled(embedding),
    }
    if any(path.with_suffix(ending).exists() for ending in DESCRIPTIONS):
        del told["description"]
    return _write_ours(target, _marked_json(told), _is_our_json)


def unmarked(told: dict[str, object]) -> dict[str, object]:
    """Notes that are the user's own from now on."""
    return {key: value for key, value in told.items() if key != _MARK}


def preview_bytes(picture: Image.Image, parameters: str = "") -> bytes:
    """A preview PNG, with generation parameters in it as A1111 has them."""
    out, text = io.BytesIO(), PngInfo()
    if parameters:
        text.add_text("parameters", parameters)
    picture.convert("RGB").save(out, "PNG", pnginfo=text)
    return out.getvalue()


def write_preview(path: Path, picture: Image.Image, parameters: str = "") -> bool:
    """Write `<stem of path>.preview.png`, with generation parameters in it as A1111 does.

    False when an image of the user's is there, which is kept. Raises StorageError.
    """
    target = path.with_suffix(".preview.png")
    return _write_ours(target, _marked_png(preview_bytes(picture, parameters)), _is_our_png)


def kept_notice(path: Path) -> tuple[str, str, str]:
    """What to tell the user about a file that was not written: what, why, what to do."""
    why = "it was not written by this program, or was changed since"
    return f"{path.name} was kept as it is", why, "delete it to get a new one"


def our_sidecars(path: Path) -> list[Path]:
    """The files beside an embedding that were written here, and not changed since."""
    checks = dict(zip(SIDECARS, (_is_our_json, _is_our_png), strict=True))
    found = {path.with_suffix(ending): is_ours for ending, is_ours in checks.items()}
    return [beside for beside, is_ours in found.items() if _is_ours(beside, is_ours)]


def with_trigger(path: Path, old: str, new: str) -> bytes | None:
    """Notes where the activation text is `new`, if it is `old` in the file; else None. What was
    written here stays marked as such."""
    try:
        data = read_bytes(path, MOST_NOTES)
        told = json.loads(data)
    except (FileError, ValueError, RecursionError):  # somebody's work, whatever it is
        return None
    if not isinstance(told, dict) or told.get(TRIGGER) != old:
        return None
    marked, changed = _is_our_json(data), {k: v for k, v in told.items() if k != _MARK}
    changed[TRIGGER] = new
    return _marked_json(changed) if marked else json_bytes({**told, TRIGGER: new})


def about_own_sidecars(path: Path) -> list[Notice]:
    """A notice of each file beside an embedding that is the user's own, where the embedding has
    taken the place of another one: it stays, and may tell of that."""
    own = [path.with_suffix(ending) for ending in SIDECARS]
    found = [each for each in own if each.exists() and each not in our_sidecars(path)]
    why = "it is your own, and may describe the embedding that was replaced"
    return [Notice("info", f"{each.name} stays as it is", why) for each in found]


def _write_ours(target: Path, data: bytes, is_ours: Callable[[bytes], bool]) -> bool:
    if (target.is_symlink() or target.exists()) and not _is_ours(target, is_ours):
        return False
    write_bytes(target, data)
    return True


def _is_ours(path: Path, check: Callable[[bytes], bool]) -> bool:
    """False for what cannot be looked at: it is not ours to replace."""
    try:
        return check(read_bytes(path, _MOST_BYTES))
    except FileError:
        return False


# --- notes ------------------------------------------------------------------------------------


def _sd_version(embedding: Embedding) -> str:
    """A1111's word: SD1, SD2, SDXL or Unknown."""
    architecture = embedding.metadata.get("modelspec.architecture", "").partition("/")[0]
    family = by_architecture(architecture)
    return family.id.upper() if family else "Unknown"


def _described(embedding: Embedding) -> str:
    """What a card of Extra Networks shows below the name."""
    base = embedding.metadata.get("ti.base_model", "")
    parts = [f"{embedding.count} vector(s)", f"{embedding.step} steps", base and f"on {base}"]
    plain = ", ".join(part for part in parts if part)
    return embedding.metadata.get("modelspec.description", "") or plain


def _spelled(embedding: Embedding) -> str:
    """What is known about it, for people, a line each."""
    told = embedding.metadata
    lines = {
        "Vectors": str(embedding.count),
        "Steps": str(embedding.step),
        "Trained on": told.get("ti.base_model", ""),
        "Model hash": told.get("ti.base_model_hash", ""),
        "Licence": told.get("modelspec.license", ""),
        "For the negative prompt": told.get("modelspec.is_negative_embedding", ""),
    }
    return "\n".join(f"{key}: {value}" for key, value in lines.items() if value)


def json_bytes(told: dict[str, object]) -> bytes:
    """Notes as A1111 writes them. Halves of letters, which some program left, stay as they are."""
    try:
        return json.dumps(told, indent=4, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(told, indent=4).encode()


def _marked_json(told: dict[str, object]) -> bytes:
    return json_bytes({**told, _MARK: _digest(told)})


def _is_our_json(data: bytes) -> bool:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.pop(_MARK, None) == _digest(told)


def _digest(told: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


# --- preview ----------------------------------------------------------------------------------


def _marked_png(data: bytes) -> bytes:
    body = data.removesuffix(_END)
    return body + _mark_chunk(body) + _END


def _is_our_png(data: bytes) -> bool:
    body = data[: -len(_mark_chunk(b"") + _END)]
    return data == body + _mark_chunk(body) + _END


def _mark_chunk(body: bytes) -> bytes:
    content = f"{_MARK}\0{hashlib.sha256(body).hexdigest()}".encode()
    checksum = zlib.crc32(b"tEXt" + content)
    return struct.pack(">I4s", len(content), b"tEXt") + content + struct.pack(">I", checksum)
