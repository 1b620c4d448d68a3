"""Long images in several parts.

Two rules, both A1111's: tiles at even distances (since November 2022), and before that the start
and the end of every image longer than 1.35 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from PIL import Image

from ...errors import DataError
from .config import SplitConfig

TWO_CROPS_RATIO = 1.35
"""2022: an image longer than this is cut in two."""
MOST_TILES = 200
"""An image a million times longer than high would give a million tiles."""


def split(
    image: Image.Image, width: int, height: int, config: SplitConfig
) -> Iterator[Image.Image]:
    """The parts of an RGB image from its start to its end, each (width, height); none when it is
    not long enough to be split.

    Raises DataError when there would be more than `MOST_TILES`.
    """
    upright = image.height > image.width
    long, short = (image.height, image.width) if upright else (image.width, image.height)
    tile, across = (height, width) if upright else (width, height)
    scaled = long * across // short
    if scaled < tile or not _is_long(long / short, tile / across, config):
        return
    for start in _starts(scaled, tile, config):
        ends = start * long / scaled, min(long, (start + tile) * long / scaled)
        box = (0, ends[0], short, ends[1]) if upright else (ends[0], 0, ends[1], short)
        yield image.resize((width, height), Image.Resampling.BICUBIC, box=box)


def _is_long(shape: float, wanted: float, config: SplitConfig) -> bool:
    """`shape` and `wanted`: long side by short side of the image and of a tile."""
    if config.split_rule == "two":
        return shape > TWO_CROPS_RATIO
    return wanted / shape < 1 and wanted / shape <= config.split_threshold


def _starts(scaled: int, tile: int, config: SplitConfig) -> list[int]:
    """Where the tiles begin in a side of `scaled` pixels."""
    if config.split_rule == "two":
        return [0, scaled - tile]
    count = math.ceil(
        (scaled - tile * config.overlap_ratio) / (tile * (1.0 - config.overlap_ratio))
    )
    if count > MOST_TILES:
        raise DataError(
            "it cannot be split",
            f"it is so long that there would be {count} parts",
            "cut it by hand",
        )
    step = (scaled - tile) / max(1, count - 1)
    return [int(step * i) for i in range(count)]
