"""What is made of one image. Treatments add up, as in A1111: an image can be split and cropped
and kept; only when none of them made anything is it brought to the size by the resize mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

from PIL import Image

from ..pictures import fitted
from .autosize import auto_sized
from .config import PreprocessConfig
from .faces import FaceFinder
from .focal import covering, debug_picture, focal_crop
from .split import split

NOTED_ENLARGEMENT = 1.2
"""Smaller enlargements than this are not worth a word."""


@dataclass(frozen=True)
class Made:
    """An image made of another."""

    image: Image.Image
    debug: bool = False
    """It shows how a crop came about, and is not to be trained on."""
    mask: Image.Image | None = None
    """What became of the image's mask."""


def treat(
    image: Image.Image,
    config: PreprocessConfig,
    find_faces: FaceFinder | None = None,
    note: Callable[[str], None] = lambda text: None,
    mask: Image.Image | None = None,
) -> Iterator[Made]:
    """What the settings make of an upright RGB image, one after the other; `note` is told what
    the user should know about it. Nothing comes when an auto-sized crop was asked for alone and no
    size fits. A grey `mask` of the image's size is cut like the image.

    Raises DataError for an image that is too long to be split.
    """
    width, height = config.width, config.height
    treated = False
    if config.split_images.split:
        parts = split(image, width, height, config.split_images)
        masks = split(mask, width, height, config.split_images) if mask else repeat(None)
        for part, over in zip(parts, masks):  # noqa: B905 - repeat() has no end
            treated = True
            yield Made(part, mask=over)
    if config.focal_point.focal_crop and image.width != image.height:
        treated = True
        yield from _focal(image, config, find_faces, mask)
    own_size = config.auto_size.multicrop or config.keep_original_size
    if treated or not own_size:
        _note_enlargement(image, config, note)
    if not treated and not own_size:
        yield Made(
            fitted(image, width, height, config.resize_mode),
            mask=mask and fitted(mask, width, height, config.resize_mode),
        )
    if config.auto_size.multicrop:
        yield from _auto_sized(image, config, note, mask)
    if config.keep_original_size:
        yield Made(image, mask=mask)


def _focal(
    image: Image.Image,
    config: PreprocessConfig,
    find_faces: FaceFinder | None,
    mask: Image.Image | None,
) -> Iterator[Made]:
    crop = focal_crop(image, config.width, config.height, config.focal_point, find_faces)
    yield Made(crop.image, mask=mask and covering(mask, config.width, config.height).crop(crop.box))
    if config.focal_point.focal_crop_debug:
        yield Made(debug_picture(crop), debug=True)


def _auto_sized(
    image: Image.Image,
    config: PreprocessConfig,
    note: Callable[[str], None],
    mask: Image.Image | None,
) -> Iterator[Made]:
    made = auto_sized(image, config.auto_size)
    if made is None:
        note(f"no auto-sized crop: {image.width}x{image.height} is near to none of the sizes")
    else:
        yield Made(made, mask=mask and auto_sized(mask, config.auto_size))


def _note_enlargement(
    image: Image.Image, config: PreprocessConfig, note: Callable[[str], None]
) -> None:
    scales = config.width / image.width, config.height / image.height
    times = min(scales) if config.resize_mode == "pad" else max(scales)
    if times > NOTED_ENLARGEMENT:
        note(f"it has only {image.width}x{image.height} pixels and is enlarged {times:.1f} times")
