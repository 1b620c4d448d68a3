"""One training picture: where it lies and how it is cut; its pixels are read when asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DataError
from ..hosts.port import PictureSize
from .captions import Caption
from .images import cut, open_image, placed
from .picture_facts import Look, facts_of
from .picture_facts import digest_of as digest_of

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


def read_item(
    path: Path, caption: Caption, width: int, height: int, mode: str, look: Look = facts_of
) -> Item:
    """A picture of any size, to be brought to `width` x `height`.

    Raises DataError for what is not a whole picture of sensible size.
    """
    found = look(path)
    size = placed((found.width, found.height), width, height, mode)
    return Item(path, caption, found.digest, size, mode)
