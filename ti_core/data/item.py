"""One training image: where it lies and how it is cut; its pixels are read when asked for."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DataError
from ..port.session import PictureSize
from .buckets import Frame
from .captions import Caption
from .config import ResizeMode
from .images import cut, placed
from .masks import cut_mask, read_mask
from .picture_facts import Look, digest_of, read_facts
from .pictures import Opened, open_picture

_READING = "2"
"""Raised whenever the same file would give other pixels: keys of latents depend on it."""


@dataclass(frozen=True)
class Item:
    """An image of the dataset. Nothing of an image's size is kept in it: ten thousand of them
    take a few megabytes."""

    path: Path
    caption: Caption
    digest: str
    """BLAKE2b of the file's bytes, 32 hexadecimal digits."""
    size: PictureSize
    """Where its pixels come from."""
    mode: ResizeMode = "cover"
    """How it is brought to its size; see `pictures.fitted`."""
    flipped: bool = False
    """Mirrored, left to right."""
    resized: tuple[int, int] | None = None
    """Width and height it is brought to before its centre is cropped, where `mode` does not say."""
    mask: Path | None = None
    """The image that says how much each part counts; its own path stands for its alpha."""

    @functools.cached_property
    def key(self) -> str:
        """What decides its pixels, as 32 hexadecimal digits: the file's bytes, size, crop, flip.

        Where the file lies and what it is called does not matter.
        """
        crop = (*self.size.target, *self.size.crop, self.mode, *(self.resized or ()))
        parts = (_READING, self.digest, *crop, self.flipped)
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    @functools.cached_property
    def mirrored(self) -> Item:
        """The same image, left and right changed."""
        top, left = self.size.crop
        if self.resized:
            left = self.resized[0] - self.size.target[1] - left
        size = dataclasses.replace(self.size, crop=(top, left))
        return dataclasses.replace(self, size=size, flipped=not self.flipped)

    @property
    def frame(self) -> Frame:
        """How it comes to its training size."""
        height, width = self.size.target
        return Frame(width, height, self.mode, self.resized)

    def opened(self, enough: int = 0) -> Opened:
        """The whole image, as `open_picture` gives it. Raises DataError."""
        return open_picture(self.path, enough)

    def pixels(self) -> Tensor:
        """(3, H, W) fp32 in [-1, 1], read from the file and cut again at each call.

        Raises DataError when the image cannot be read or is not what it was.
        """
        opened = self.opened()
        if self.size.original != opened.size[::-1] or digest_of(self.path) != self.digest:
            raise DataError(
                f"{self.path.name} has changed since the dataset was read",
                "",
                "leave the images alone while they are trained on, and start again",
            )
        pixels = cut(opened.image, *self.frame).pixels
        return torch.flip(pixels, (2,)) if self.flipped else pixels

    def seen_mask(self, stride: int) -> Tensor | None:
        """(H/stride, W/stride) uint8: how much each part counts; None where all count alike.

        `stride` is `LatentFormat.stride`. Raises DataError when the mask cannot be read.
        """
        if self.mask is None:
            return None
        whole = read_mask(self.path, self.mask if self.mask != self.path else None)
        if whole is None:
            return None
        found = cut_mask(whole, self.size, stride, self.mode, self.resized)
        return torch.flip(found, (1,)) if self.flipped else found


def read_item(
    path: Path,
    caption: Caption,
    frame: Callable[[tuple[int, int]], Frame],
    look: Look = read_facts,
    mask: Path | None = None,
) -> Item:
    """An image, to be cut as `frame` tells for its width and height.

    Raises DataError for what is not a whole image of sensible size.
    """
    found = look(path)
    chosen = frame((found.width, found.height))
    size = placed((found.width, found.height), *chosen)
    return Item(path, caption, found.digest, size, chosen.mode, resized=chosen.resized, mask=mask)
