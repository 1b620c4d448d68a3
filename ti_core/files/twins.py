"""Files of one name beside each other, of which a program uses only one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .library_entry import used_by_a1111
from .library_walk import EMBEDDINGS
from .names import alike, composed

COMFYUI_ORDER = (".safetensors", ".pt", ".bin")
"""Endings in the order in which ComfyUI tries them for `embedding:NAME` (`load_embed`)."""


def twin_warning(path: Path) -> str:
    """A warning when other embedding files of this name lie beside this one; else ""."""
    name = alike(path.stem)
    twins = [
        other
        for other in sorted(path.parent.iterdir())
        if alike(other.stem) == name and other.suffix[1:].lower() in EMBEDDINGS
    ]
    names = [other.name for other in twins]
    if len(twins) < 2 or path.name not in names:
        return ""
    a1111 = names[used_by_a1111([other.stem for other in twins])]
    comfyui = _used_by_comfyui(composed(path.stem), names)
    return (
        f"{' and '.join(map(_told, names))} have the same name: ComfyUI uses {comfyui}, A1111 "
        f"{_told(a1111)}, if it reads the folder by name; keep one of them in a folder"
    )


def _used_by_comfyui(stem: str, names: Sequence[str]) -> str:
    """It compares every byte of a name; what people type is composed."""
    tried = (f"{stem}{ending}" for ending in COMFYUI_ORDER)
    return next((_told(name) for name in tried if name in names), "none of them")


def _told(name: str) -> str:
    """A name whose accents are signs of their own looks like the other one."""
    return name if name == composed(name) else f"{name} (its accents are not composed)"
