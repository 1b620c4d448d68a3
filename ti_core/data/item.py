"""One training picture: where it lies and how it is cut; its pixels are read when asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DataError, FileError
from ..files.regular_file import open_regular
from ..hosts.port import PictureSize
from .captions import Caption
from .images import cut, open_image, placed
from .pictures import upright_size

_CHUNK = 2**20
_READING = "1"
"""Raised whenever the same file would give other pixels: keys of latents depend on it."""


@dataclass(frozen=True)
class Item:
    """A picture of the dataset. Nothing of a picture's size is kept in it: ten thousand of them
    take a few megabytes."""

    path: Path
    caption: Caption
    digest: str
    """BLAKE2b of the file's bytes, 32 hexadecimal digits."""
    size: PictureSize
    """Where its pixels come from."""
    mode: str = "cover"
    """How it is brought to its size; see `pictures.fitted`."""
    flipped: bool = False
    """Mirrored, left to right."""

    @property
    def key(self) -> str:
        """What decides its pixels, as 32 hexadecimal digits: the file's bytes, size, crop, flip.

        Where the file lies and what it is called does not matter.
        """
        parts = (_READING, self.digest, *self.size.target, *self.size.crop, self.mode, self.flipped)
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    def pixels(self) -> Tensor:
        """(3, H, W) fp32 in [-1, 1], read from the file and cut anew at each call.

        Raises DataError when the picture cannot be read or is not what it was.
        """
        height, width = self.size.target
        found = cut(open_image(self.path), width, height, self.mode)
        if found.size != self.size or digest_of(self.path) != self.digest:
            raise DataError(
                f"{self.path.name} has changed since the dataset was read",
                "",
                "leave the pictures alone while they are trained on, and start again",
            )
        return torch.flip(found.pixels, (2,)) if self.flipped else found.pixels


def read_item(path: Path, caption: Caption, width: int, height: int, mode: str) -> Item:
    """A picture of any size, to be brought to `width` x `height`; its pixels are not decoded.

    Raises DataError for what is not a picture of sensible size.
    """
    return Item(
        path, caption, digest_of(path), placed(upright_size(path), width, height, mode), mode
    )


def digest_of(path: Path) -> str:
    """BLAKE2b of a file's bytes, 32 hexadecimal digits. Raises DataError."""
    found = hashlib.blake2b(digest_size=16)
    try:
        with open_regular(path) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except (FileError, OSError) as error:
        why = error.why if isinstance(error, FileError) else str(error)
        raise DataError(f"{path.name} is skipped", why) from error
    return found.hexdigest()
