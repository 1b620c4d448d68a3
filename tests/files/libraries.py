"""Small folders of embeddings for the tests of the library."""

from __future__ import annotations

import os
import time
from pathlib import Path

import safetensors.torch
import torch

from ti_core.files.library import Library

RUBBISH = b"<!DOCTYPE html><title>404</title>"


def content(
    seed: int = 0, count: int = 2, width: int = 768, metadata: dict[str, str] | None = None
) -> bytes:
    """A `.safetensors` file; equal arguments give equal bytes."""
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return safetensors.torch.save({"emb_params": rows}, metadata)


def put(path: Path, data: bytes | None = None, *, old: bool = True) -> Path:
    """A file, made an hour ago if it is `old`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content() if data is None else data)
    if old:
        hour_ago = time.time() - 3600
        os.utime(path, (hour_ago, hour_ago))
    return path


def scanned(*folders: Path, cache: Path | None = None) -> Library:
    """A library after its first look."""
    library = Library(folders, cache)
    library.refresh()
    return library


def names(library: Library) -> list[str]:
    """The names of its embeddings."""
    return [entry.name for entry in library.entries]


def reasons(library: Library) -> dict[str, str]:
    """File name → why it was passed over."""
    return {each.path.name: each.reason for each in library.skipped}
