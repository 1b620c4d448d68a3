"""How much each part of an image counts: masks, from files beside images or from their alpha.

A1111 knows alpha alone ("Use PNG alpha channel as loss weight", `dataset.py`), and its numbers are
kept for square images. Mended: a mask without shades counts everywhere alike (there it divides by
zero), a palette may be transparent, and the mask of an image that is not square is not scrambled;
what lies under transparent parts was never seen: images come on white.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..port.session import PictureSize
from .config import MaskScale, ResizeMode
from .pictures import fitted, open_alpha, open_mask, seen_box


def read_mask(picture: Path, mask: Path | None) -> Image.Image | None:
    """The mask of an image, grey: the file `mask`, else its own alpha channel, if it has one.

    Raises DataError when the file cannot be read.
    """
    return open_mask(mask) if mask else open_alpha(picture)


def cut_mask(
    mask: Image.Image,
    size: PictureSize,
    stride: int,
    mode: ResizeMode = "cover",
    resized: tuple[int, int] | None = None,
) -> Tensor:
    """(H/stride, W/stride) uint8: the part of a mask that belongs to what is seen of its image.

    A mask of another size than its image's is stretched over it. A border counts nothing.
    """
    height, width = size.target
    if resized is None and mode == "pad":
        whole = mask.resize((size.original[1], size.original[0]), Image.Resampling.BICUBIC)
        small = fitted(whole, width, height, "pad").resize(
            (width // stride, height // stride), Image.Resampling.BOX
        )
    else:
        box = seen_box((size.original[1], size.original[0]), width, height, mode, resized)
        wide, high = mask.width / size.original[1], mask.height / size.original[0]
        part = (
            box[0] * wide,
            box[1] * high,
            min(mask.width, box[2] * wide),
            min(mask.height, box[3] * high),
        )
        small = mask.resize((width // stride, height // stride), Image.Resampling.BICUBIC, box=part)
    return torch.from_numpy(np.array(small))


def weights_of(mask: Tensor, scale: MaskScale = "mean") -> Tensor:
    """(h, w) fp32: what each place of the loss is multiplied by.

    "mean" shifts the darkest to 0 and makes the mean 1 (A1111), "none" takes 0 to 255 as 0 to 1
    (kohya). A mask without shades, or one that leaves nothing, is all ones.
    """
    weights = mask.float()
    if weights.min() == weights.max() and (scale == "mean" or not weights.any()):
        return torch.ones_like(weights)
    if scale == "none":
        return weights / 255
    weights = weights - weights.min()
    return weights / weights.mean()
