"""What values of a graph hold, as one number: equal for equal content, whatever objects hold it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from torch import Tensor, nn

from ..ti_core.data.config import DataConfig
from ..ti_core.data.folders import holds_pictures
from ..ti_core.errors import FileError
from ..ti_core.files.regular_file import read_bytes
from .applied import taught_words

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes of a number → the whole number that they are."""
_FEW = 2**20
"""Bytes of a tensor that are all looked at: vectors and LoRAs, not the large layers of a model."""
_UNUSED = "clip_l.transformer.text_projection.weight"
"""Nothing that is trained or drawn with SD 1.x or SDXL depends on it, and their checkpoints do not
have it: newer ComfyUIs leave there what happened to be in memory."""
_LARGE = 64 * 2**20
"""Bytes of a file; a larger one counts by its time."""


def content_of(*values: object) -> str:
    """A hexadecimal digest. A model counts with its weights as they were loaded, its patches (LoRAs
    and the like) and its options; functions count by their names, a dataset and a folder with the
    files that a dataset has there."""
    digest, seen = hashlib.sha256(), dict[int, object]()
    for part in _parts(values, seen):
        digest.update(repr(part).encode(errors="replace") + b"\0")
    return digest.hexdigest()


def _parts(value: object, seen: dict[int, object]) -> Iterator[object]:
    """What is to be hashed, piece by piece; the first says what comes. An object that was `seen`
    is not looked into again; it is kept, so that no other one gets its id."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        yield value
        return
    if isinstance(value, Tensor):
        yield from _tensor(value)
        return
    yield type(value).__qualname__
    if callable(value) and hasattr(value, "__qualname__"):
        yield f"{value.__module__}.{value.__qualname__}"
    elif id(value) not in seen:
        seen[id(value)] = value
        for name, inside in _inside(value):
            yield name
            yield from _parts(inside, seen)


def _inside(value: object) -> Iterator[tuple[object, object]]:
    """(name, value) of everything that counts."""
    if isinstance(value, Mapping):
        yield from sorted(value.items(), key=lambda item: str(item[0]))
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, Path):
        yield from _files(value)
    elif isinstance(value, ModelPatcher):
        yield from _patched(value)
    elif isinstance(value, (CLIP, VAE)):
        yield "patcher", value.patcher
        yield "layer_idx", getattr(value, "layer_idx", None)
        yield "words", taught_words(value) if isinstance(value, CLIP) else None
    elif isinstance(value, nn.Module):
        yield from value.state_dict().items()
    elif dataclasses.is_dataclass(value):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        if isinstance(value, DataConfig):
            yield "files", Path(value.train_data_dir)
    else:
        yield from sorted(getattr(value, "__dict__", {}).items())


def _patched(patcher: ModelPatcher) -> Iterator[tuple[str, object]]:
    """While a model is loaded, patches are in its weights, and what was there is in `backup`."""
    before = {key: getattr(kept, "weight", kept) for key, kept in patcher.backup.items()}
    weights = {**patcher.model.state_dict(), **before}
    yield from sorted((key, weight) for key, weight in weights.items() if key != _UNUSED)
    for name in ("patches", "object_patches", "model_options"):
        yield name, getattr(patcher, name)


def _tensor(value: Tensor) -> Iterator[object]:
    """Its bytes, or of many the sum, which takes no longer than the memory does. Numbers that are
    packed in an unknown way equal themselves only."""
    kind = _BITS.get(value.element_size())
    if type(value) not in (Tensor, nn.Parameter) or kind is None or value.is_meta:
        yield id(value)
        return
    yield tuple(value.shape), str(value.dtype)
    flat = value.detach().contiguous().flatten()
    if flat.nbytes <= _FEW:
        yield hashlib.sha256(flat.view(torch.uint8).cpu().numpy().tobytes()).digest()
    else:
        yield int(_whole(flat, kind).sum(dtype=torch.int64))


def _whole(flat: Tensor, kind: torch.dtype) -> Tensor:
    """Eight bytes at a time where that can be: fifty times as fast as to widen each number."""
    at_once = 8 // flat.element_size()
    even = flat.numel() % at_once == 0 and flat.storage_offset() % at_once == 0
    return flat.view(torch.int64 if even else kind)


def _files(path: Path) -> Iterator[tuple[str, object]]:
    """A dataset that has images beside folders is trained on without those."""
    below = path.iterdir() if path.is_dir() and holds_pictures(path) else path.rglob("*")
    for each in sorted(below) if path.is_dir() else [path]:
        if each.is_file():
            yield each.relative_to(path).as_posix(), _file(each)


def _file(path: Path) -> object:
    try:
        return hashlib.sha256(read_bytes(path, _LARGE)).digest()
    except FileError:  # too large or unreadable: not trained on
        return path.stat().st_mtime_ns
