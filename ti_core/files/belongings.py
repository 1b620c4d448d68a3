"""Which files belong to an embedding: they are renamed, deleted and brought back with it.

A hypernetwork has the same: programs look for images and descriptions by the name of any file.
"""

from __future__ import annotations

import re
from pathlib import Path

from .atomic import names_in
from .library_walk import PICTURES
from .twins import namesakes

DESCRIPTIONS = (".txt", ".description.txt")
"""Where A1111 and its forks look for a description that the notes do not give."""
_BESIDE = (
    ".json",  # A1111, SD.Next
    *DESCRIPTIONS,
    ".civitai.info",  # Civitai Helper
    ".cm-info.json",  # Stability Matrix
    ".metadata.json",  # ComfyUI LoRA Manager
    ".sha256",  # ComfyUI Custom Scripts
    *(f"{middle}.{ending}" for middle in ("", ".preview") for ending in sorted(PICTURES)),
)
"""What programs write behind the name of an embedding, without its ending."""
_COPY = r"(\.before-[0-9]{1,9})?"
_BEHIND = re.compile(f"({'|'.join(map(re.escape, _BESIDE))}){_COPY}", re.IGNORECASE)


def belongings(path: Path) -> list[Path]:
    """The files of an embedding, itself first: numbered copies, A1111's memory of its optimizer,
    images and descriptions. What another embedding of this name in the folder has as well, such
    as `cat.json` of `cat.pt` and `cat.safetensors`, belongs to that one. Raises StorageError."""
    shared = _shares_its_name(path)
    return [
        path,
        *(
            path.with_name(name)
            for name in names_in(path.parent)
            if name != path.name
            and (_is_own(name, path) or (not shared and _is_beside(name, path)))
        ),
    ]


def left_behind(path: Path) -> list[Path]:
    """What stays since it belongs to another embedding of this name in the folder."""
    if not _shares_its_name(path):
        return []
    return [path.with_name(name) for name in names_in(path.parent) if _is_beside(name, path)]


def _shares_its_name(path: Path) -> bool:
    return any(other.stem == path.stem for other in namesakes(path))


def _is_own(name: str, path: Path) -> bool:
    rest = name[len(path.name) :]
    return name.startswith(path.name) and bool(re.fullmatch(rf"\.optim|{_COPY}", rest))


def _is_beside(name: str, path: Path) -> bool:
    return name.startswith(path.stem) and bool(_BEHIND.fullmatch(name[len(path.stem) :]))
