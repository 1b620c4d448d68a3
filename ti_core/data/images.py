"""Images as tensors of the training size, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..port.session import PictureSize
from .config import ResizeMode
from .pictures import cover_box, fitted


@dataclass(frozen=True)
class Cut:
    """An image at training size."""

    pixels: Tensor
    """(3, H, W) fp32 in [-1, 1]"""
    size: PictureSize


def cut(
    image: Image.Image,
    width: int,
    height: int,
    mode: ResizeMode = "cover",
    resized: tuple[int, int] | None = None,
) -> Cut:
    """Bring an RGB image to the training size; for the modes see `pictures.fitted`."""
    size = placed(image.size, width, height, mode, resized)
    return Cut(to_tensor(fitted(image, width, height, mode, resized)), size)


def placed(
    size: tuple[int, int],
    width: int,
    height: int,
    mode: ResizeMode = "cover",
    resized: tuple[int, int] | None = None,
) -> PictureSize:
    """What `cut` tells about an image of `size` (width, height), without its pixels."""
    corner = (0, 0)
    if resized:
        corner = ((resized[1] - height) // 2, (resized[0] - width) // 2)
    elif mode == "cover":
        scale = max(width / size[0], height / size[1])
        left, top, _, _ = cover_box(size, width, height)
        corner = (round(top * scale), round(left * scale))
    return PictureSize((size[1], size[0]), corner, (height, width))


def to_tensor(image: Image.Image) -> Tensor:
    """RGB image → (3, H, W) fp32 in [-1, 1]."""
    values = np.array(image, dtype=np.float32) / 127.5 - 1.0
    # numpy's copy: PyTorch's would start a team of threads for each thread that decodes images
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


def to_image(pixels: Tensor) -> Image.Image:
    """(3, H, W) in [-1, 1] (values outside are clipped, NaN is black) → RGB image."""
    values = ((pixels.detach().float().cpu().nan_to_num(-1).clamp(-1, 1) + 1) * 127.5).round()
    return Image.fromarray(values.to(torch.uint8).permute(1, 2, 0).numpy())


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two RGB images in one, the second at the right of the first."""
    both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both
