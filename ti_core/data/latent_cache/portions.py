"""Files of latents, some hundred images in each: written whole, and never believed.

A portion is a safetensors file. Each tensor is named by the key of its image and holds the mean
and the standard deviation of its latent, (2, channels, height, width) fp32; the metadata has the
CRC-32 of each. kohya writes one .npz beside each image instead, not atomically, known by the
image's name alone; ten thousand files are slow to make and to look through.
"""

from __future__ import annotations

import re
import secrets
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import FileError, StorageError
from ...files.regular_file import open_regular
from ...files.safetensors_directory import read_directory, text_metadata
from ...files.safetensors_file import write_safetensors

PORTION_NAME = re.compile(r"[0-9a-f]{16}\.safetensors")
"""File names of portions; two runs never choose the same."""
_FORMAT = "textual-inversion-latents/1"
_MOST_BYTES = 2**28
"""Of one latent: it would belong to an image of 46,000 pixels a side."""


class StoredLatent(NamedTuple):
    """Where the latent of an image lies."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    checksum: int


def write_portion(folder: Path, latents: Mapping[str, Tensor]) -> dict[str, StoredLatent]:
    """Write latents, (2, channels, height, width) fp32 each, into a new file, and tell where they
    lie. The file appears when it is complete. Raises StorageError."""
    checksums = {key: f"{_checksum(latent):08x}" for key, latent in latents.items()}
    path = folder / f"{secrets.token_hex(8)}.safetensors"
    write_safetensors(path, latents, {"format": _FORMAT, **checksums})
    try:
        return read_portion(path)
    except FileError as error:  # somebody was quick to remove it
        raise StorageError(f"cannot keep latents in {folder}", error.why) from error


def read_portion(path: Path) -> dict[str, StoredLatent]:
    """Key of each image → where its latent lies; only the header is read.

    Raises FileError for anything that is not a whole portion.
    """
    start, header = read_directory(path)
    checksums = text_metadata(header)
    if checksums.get("format") != _FORMAT:
        raise FileError(f"{path} contains no latents")
    return {key: _place(path, start, key, entry, checksums) for key, entry in header.items()}


def _place(
    path: Path, start: int, key: str, entry: dict[str, Any], checksums: dict[str, str]
) -> StoredLatent:
    begin, end = entry["data_offsets"]
    shape, checksum = tuple(entry["shape"]), checksums.get(key, "")
    if entry["dtype"] != "F32" or len(shape) != 4 or shape[0] != 2 or end - begin > _MOST_BYTES:
        raise FileError(f"{path} is damaged", f"{key!r} is not a latent")
    if not re.fullmatch("[0-9a-f]{8}", checksum):
        raise FileError(f"{path} is damaged", f"{key!r} has no checksum")
    return StoredLatent(path, start + begin, shape, int(checksum, 16))


def read_latent(place: StoredLatent) -> Tensor:
    """(2, channels, height, width) fp32, as it was written, all numbers finite.

    It is read, not mapped into memory: a mapped file that another program cuts short ends the
    process. Raises FileError when the file is gone or is not what it was.
    """
    count = 4 * torch.Size(place.shape).numel()
    try:
        with open_regular(place.path) as file:
            file.seek(place.offset)
            data = bytearray(file.read(count))
    except OSError as error:
        raise FileError(f"cannot read {place.path}", str(error)) from error
    if len(data) != count or not count or zlib.crc32(data) != place.checksum:
        raise FileError(f"{place.path} is damaged", "a latent in it is not what was written")
    latent = torch.frombuffer(data, dtype=torch.float32).reshape(place.shape)
    if not usable(latent):
        raise FileError(f"{place.path} is damaged", "a latent in it holds no finite numbers")
    return latent


def usable(latent: Tensor) -> bool:
    """Whether mean and standard deviation are finite, and the latter not negative."""
    return bool(latent.isfinite().all()) and bool((latent[1] >= 0).all())


def _checksum(latent: Tensor) -> int:
    return zlib.crc32(latent.contiguous().numpy().tobytes())
