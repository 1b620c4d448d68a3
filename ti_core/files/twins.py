"""Files of one name beside each other, of which a program uses only one."""

from __future__ import annotations

from pathlib import Path

from .library_walk import EMBEDDINGS
from .names import alike

COMFYUI_ORDER = (".safetensors", ".pt", ".bin")
"""Endings in the order in which ComfyUI tries them for `embedding:NAME` (`load_embed`). A1111 loads
every file, and the one that it meets last replaces the others."""


def twin_warning(path: Path) -> str:
    """A warning when other embedding files of this name lie beside this one; else ""."""
    name = alike(path.stem)
    twins = [
        other.name
        for other in sorted(path.parent.iterdir())
        if alike(other.stem) == name and other.suffix[1:].lower() in EMBEDDINGS
    ]
    if len(twins) < 2 or path.name not in twins:
        return ""
    endings = [e for e in COMFYUI_ORDER if any(n.lower().endswith(e) for n in twins)]
    return (
        f"{' and '.join(twins)} have the same name: ComfyUI uses the {endings[0]}, A1111 the one "
        "that it meets last; keep one of them in a folder"
    )
