"""Keeps the cache folder within its bounds, and sweeps up after runs that were killed.

Only files whose names and places are those of the cache are ever touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...files.atomic import unfinished
from . import portions, remembered

VAE_FOLDER = re.compile(r"vae-[0-9a-f]{16}")
"""Names of the folders inside the cache: one for each VAE."""
_LEFT_BEHIND_SECONDS = 3600.0
"""No write takes that long."""
_IN_USE_SECONDS = 2 * 3600.0
"""Runs touch what they use every hour."""


class _File(NamedTuple):
    used: float
    size: int
    path: Path


def tidy(cache: Path, most_bytes: float) -> int:
    """Remove leftovers, and the latents that were not used for the longest time until no more than
    `most_bytes` are left; what may be in use by a run is kept. Returns the bytes still there."""
    now = time.time()
    for file in _files(cache, leftovers=True):
        if now - file.used > _LEFT_BEHIND_SECONDS:
            _remove(file.path)
    kept = sorted(_files(cache, leftovers=False))
    total = sum(file.size for file in kept)
    for file in kept:
        if total <= most_bytes or now - file.used < _IN_USE_SECONDS:
            break
        _remove(file.path)
        total -= file.size
    return total


def space(cache: Path) -> dict[str, int]:
    """Bytes by the name of the VAE's folder; "images" for what is remembered of image files."""
    found: dict[str, int] = {}
    for file in (*_files(cache, leftovers=True), *_files(cache, leftovers=False)):
        name = "pictures" if file.path.parent == cache else file.path.parent.name
        found[name] = found.get(name, 0) + file.size
    return found


def clear(cache: Path) -> int:
    """Remove everything that the cache has written; returns the bytes. A run that is active encodes
    its images again."""
    found = [*_files(cache, leftovers=True), *_files(cache, leftovers=False)]
    for file in found:
        _remove(file.path)
    for folder in _folders(cache):
        with contextlib.suppress(OSError):  # not empty: something else lies there
            folder.rmdir()
    return sum(file.size for file in found)


def _files(cache: Path, leftovers: bool) -> Iterator[_File]:
    latents = [(folder, portions.PORTION_NAME) for folder in _folders(cache)]
    for folder, name in [(cache, remembered.INDEX_NAME), *latents]:
        for entry in _entries(folder):
            inner = unfinished(entry.name) if leftovers else entry.name
            if name.fullmatch(inner):
                with contextlib.suppress(OSError):  # removed by another run
                    found = entry.stat(follow_symlinks=False)
                    yield _File(found.st_mtime, found.st_size, Path(entry.path))


def _folders(cache: Path) -> list[Path]:
    found = [e for e in _entries(cache) if VAE_FOLDER.fullmatch(e.name)]
    return [Path(e.path) for e in found if e.is_dir(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:  # not there, or not ours to look into
        return []


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # another run was quicker
        path.unlink()
