"""A crop whose size is chosen for each image: A1111's "Auto-sized crop"."""

from __future__ import annotations

from PIL import Image

from ..pictures import fitted
from .config import AutosizeConfig

STEP = 64
"""Sides are this far apart, from the smallest one on."""


def auto_sized(image: Image.Image, config: AutosizeConfig) -> Image.Image | None:
    """The image cropped at its centre to the best size, or None when no size is near enough."""
    size = best_size(image.width, image.height, config)
    return None if size is None else fitted(image, *size)


def best_size(width: int, height: int, config: AutosizeConfig) -> tuple[int, int] | None:
    """The (width, height) that suits an image best, or None when none is within the threshold.

    Of sizes that are equally good, the one with the smaller width.
    """
    sides = range(config.multicrop_mindim, config.multicrop_maxdim + 1, STEP)
    areas = range(config.multicrop_minarea, config.multicrop_maxarea + 1)
    near = [
        (w, h)
        for w in sides
        for h in sides
        if w * h in areas and shape_error(width, height, w, h) <= config.multicrop_threshold
    ]

    def worth(size: tuple[int, int]) -> tuple[float, float]:
        area, error = size[0] * size[1], shape_error(width, height, *size)
        return (area, -error) if config.multicrop_objective == "Maximize area" else (-error, area)

    return max(near, key=worth, default=None)


def shape_error(width: int, height: int, other_width: int, other_height: int) -> float:
    """How far two shapes are apart: 0 for the same one, 0.5 when one is twice as long."""
    ratio = width / height / (other_width / other_height)
    return 1 - min(ratio, 1 / ratio)
