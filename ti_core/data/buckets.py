"""Sizes to train at: one for all images, kohya's aspect-ratio buckets, or each image's own.

The buckets are those of kohya's scripts (sd-scripts, `BucketManager`, `make_bucket_resolutions`):
the same image goes into the same bucket and loses the same edges. One thing differs: SDXL is told
the corner of the crop in the resized image, as in its paper, where kohya tells it the margin that
the image would have inside of the bucket. Every size here is (width, height).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..errors import ConfigError, DataError, setting
from ..families import SIDE_STEP
from .config import LONGEST_SIDE, SHORTEST_SIDE, BucketConfig, DataConfig, ResizeMode

Size = tuple[int, int]


class Frame(NamedTuple):
    """How an image comes to its training size; see `pictures.fitted`."""

    width: int
    height: int
    mode: ResizeMode = "cover"
    resized: Size | None = None


def frame_of(size: Size, config: DataConfig, resolution: Size) -> Frame:
    """The training size of an image of `size`, where images have `resolution` by default.

    Raises DataError for an image that is too small or too large to be trained at its own size,
    ConfigError for a resolution that is outside of the buckets' limits.
    """
    if config.sizes.varsize:
        return _own_size(size)
    if not config.sizes.enable_bucket:
        return Frame(*resolution, config.resize_mode)
    return _bucket(size, config, resolution)


def _own_size(size: Size) -> Frame:
    width, height = (side - side % SIDE_STEP for side in size)
    if min(width, height) < SHORTEST_SIDE or max(width, height) > LONGEST_SIDE:
        raise DataError(
            f"an image of {size[0]}x{size[1]} pixels cannot be trained at its own size",
            f"sides from {SHORTEST_SIDE} to {LONGEST_SIDE} pixels are possible",
            f"resize it, or leave {setting('varsize')} off",
        )
    return Frame(width, height, resized=size)


def _bucket(size: Size, config: DataConfig, resolution: Size) -> Frame:
    options = config.sizes
    if options.bucket_no_upscale:
        resized = _shrunk(size, resolution, options.bucket_reso_steps)
        bucket = _floored(resized[0], options), _floored(resized[1], options)
        if min(bucket) < SHORTEST_SIDE:
            what = f"an image of {size[0]}x{size[1]} pixels is too small for a bucket"
            raise DataError(what, "none is enlarged", f"leave {setting('bucket_no_upscale')} off")
        return Frame(*bucket, resized=resized)
    bucket = nearest_bucket(size, bucket_sizes(resolution, options))
    if config.resize_mode != "cover":
        return Frame(*bucket, config.resize_mode)
    return Frame(*bucket, resized=_covering(size, bucket))


def bucket_sizes(resolution: Size, options: BucketConfig) -> list[Size]:
    """All buckets, sorted. Raises ConfigError when the resolution is outside of their limits."""
    step = options.bucket_reso_steps
    low = options.min_bucket_reso - options.min_bucket_reso % step
    high = math.ceil(options.max_bucket_reso / step) * step
    if min(resolution) < low or max(resolution) > high:
        raise ConfigError(
            f"the resolution {resolution[0]}x{resolution[1]} is outside of the buckets' limits",
            f"their sides go from {low} to {high}",
            f"change {setting('min_bucket_reso')} or {setting('max_bucket_reso')}",
        )
    area = resolution[0] * resolution[1]
    square = int(math.sqrt(area) // step) * step
    found = {(square, square)}
    for width in range(max(low, step), high + 1, step):
        height = min(high, area // width // step * step)
        if height >= max(low, step):
            found |= {(width, height), (height, width)}
    return sorted(found)


def nearest_bucket(size: Size, buckets: list[Size]) -> Size:
    """The bucket of exactly this size, else the one of the nearest shape; of two, the smaller."""
    if size in buckets:
        return size
    shape = size[0] / size[1]
    return min(buckets, key=lambda bucket: abs(bucket[0] / bucket[1] - shape))


def _covering(size: Size, bucket: Size) -> Size:
    """The size to which an image is brought so that it fills its bucket."""
    if size[0] / size[1] > bucket[0] / bucket[1]:
        scale = bucket[1] / size[1]
    else:
        scale = bucket[0] / size[0]
    return int(size[0] * scale + 0.5), int(size[1] * scale + 0.5)


def _shrunk(size: Size, resolution: Size, step: int) -> Size:
    """The image's size, or one of the resolution's area if it has more pixels: that with one side
    a multiple of `step` whose bucket distorts the shape less."""
    area = resolution[0] * resolution[1]
    if size[0] * size[1] <= area:
        return size
    shape = size[0] / size[1]
    wide = math.sqrt(area * shape)
    width, height = _rounded(wide, step), _rounded(area / wide, step)
    if _misfit(width, _rounded(width / shape, step), shape) < _misfit(
        _rounded(height * shape, step), height, shape
    ):
        return width, int(width / shape + 0.5)
    return int(height * shape + 0.5), height


def _misfit(width: int, height: int, shape: float) -> float:
    return abs(width / height - shape) if height else math.inf


def _rounded(side: float, step: int) -> int:
    whole = int(side + 0.5)
    return whole - whole % step


def _floored(side: int, options: BucketConfig) -> int:
    return side - side % options.bucket_reso_steps
