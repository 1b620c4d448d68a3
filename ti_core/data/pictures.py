"""Images of strangers: found, opened without trust, turned upright, brought to a size.

Nothing here needs torch; `images.py` makes tensors of what comes out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from os.path import isdir
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import DataError, FileError, setting
from ..files.regular_file import open_regular
from .colours import alpha_of, as_mask, as_rgb, is_see_through
from .config import LONGEST_SIDE, ResizeMode
from .picture_formats import (
    MOST_PIXELS,
    is_picture_name,
    known_formats,
    require_affordable,
    require_plugin,
)
from .quiet import quiet

MASK = "_mask"
"""End of the name, before the ending, of an image that says how much each part of another counts
in training."""
EXACT_PIXELS = 2**25
"""Of an image with more, means of 2 x 2 pixels are taken, which is enough to train on."""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)
"""EXIF's tag, what its values ask for, and those that swap width and height."""
_NOT_OURS = ("__MACOSX", "focal points")
"""Folders of thumbnails and of drawings; those of other programs begin with `.` or `@`."""
_ENTRIES_LOOKED_AT = 1000
"""In a folder below; enough to tell whether it holds images."""
_LONGEST_SHOWN = 300
_EXTRA_VIEWS = "MPO"
"""Phones put a depth map or a second view into their JPEG files; the first image is the photo."""


@dataclass(frozen=True)
class Opened:
    """An image, ready to be worked on."""

    image: Image.Image
    """RGB, upright"""
    size: tuple[int, int]
    """Width and height of the upright image in the file; `image` may be smaller."""
    notes: tuple[str, ...] = ()
    """What is not the same as in the file, in words: "it is animated: …"."""
    turned: bool = False
    """Its EXIF tag has turned or mirrored it."""


def list_folder(folder: Path, fix: str = "check its permissions") -> list[Path]:
    """Everything directly in a folder, by name. Raises DataError when it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"cannot read the folder {folder}", why, fix) from error


def list_images(folder: Path) -> list[Path]:
    """The images directly in a folder, by name, without masks.

    Raises DataError for a folder that does not exist, cannot be read or contains no images.
    """
    found = pictures_in(folder)
    if not found:
        raise no_pictures(folder)
    return found


def pictures_in(folder: Path, name: str = "") -> list[Path]:
    """The same of a folder that may be empty; `name` is the setting or key that it came from."""
    if not isdir(folder):
        name = name or setting("train_data_dir")
        raise DataError(f"there is no folder {_shortened(folder)}", "", f"check {name}")
    found = [path for path in list_folder(folder) if is_picture_name(path) and path.is_file()]
    masks = set(masks_among(found).values())
    return [path for path in found if path not in masks]


def no_pictures(folder: Path) -> DataError:
    """That a folder holds no images; names the folders below that do."""
    below = folders_below(folder)
    fix = "put some there (.png, .jpg, .webp…)"
    fix = f"name one of the folders in it ({', '.join(below[:5])})" if below else fix
    return DataError(f"{folder} holds no images", "", fix)


def folders_below(folder: Path) -> list[str]:
    """Names, with a slash at the end, of the folders in it that hold images."""
    below = [path for path in list_folder(folder) if path.is_dir()]
    below = [path for path in below if path.name[0] not in ".@" and path.name not in _NOT_OURS]
    return [f"{path.name}/" for path in below if _holds_pictures(path)]


def _holds_pictures(folder: Path) -> bool:
    try:
        entries = islice(folder.iterdir(), _ENTRIES_LOOKED_AT)
        return any(is_picture_name(path) for path in entries)
    except OSError:  # a folder that may not be entered holds nothing for us
        return False


def _shortened(path: Path) -> str:
    """A path that can be shown: no disk has one of more than some thousand letters."""
    text = str(path)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def masks_among(paths: Iterable[Path]) -> dict[str, Path]:
    """Stem of each image that has a mask beside it → the mask: `cat_mask.png` is the mask of
    `cat.jpg`, and an image of its own where there is no `cat`."""
    pictures = {path.stem: path for path in paths if is_picture_name(path)}
    found = {stem: pictures.get(f"{stem}{MASK}") for stem in pictures}
    return {stem: mask for stem, mask in found.items() if mask is not None}


def open_mask(path: Path) -> Image.Image:
    """A mask as grey image, upright; transparent parts are black. Raises DataError."""
    with _looked_into(path) as image:
        factor = _decode(image)
        return _turned(as_mask(image, factor), _turn(image))


def open_alpha(path: Path) -> Image.Image | None:
    """The alpha channel of an image, upright, that of a palette included; None where it has none.

    Raises DataError.
    """
    with _looked_into(path) as image:
        if not is_see_through(image):
            return None
        factor = _decode(image)
        return _turned(alpha_of(image, factor), _turn(image))


def open_image(path: Path) -> Image.Image:
    """An image as RGB, upright by its EXIF tag, transparent parts on white; one of more than
    `EXACT_PIXELS` at half its size.

    Raises DataError for anything that is not a whole image of sensible size.
    """
    return open_picture(path).image


def open_picture(path: Path, enough: int = 0, exact: bool = False) -> Opened:
    """Like `open_image`, with notes on what the image lost.

    Where `enough` pixels a side suffice, a JPEG is decoded at a half, a quarter or an eighth of
    its size, which takes a fraction of the time; no side comes out shorter than that. An `exact`
    image has every pixel, however many there are.

    Raises DataError for anything that is not a whole image of sensible size; never waits for a
    pipe or a device.
    """
    with _looked_into(path) as image:
        notes, size = _notes(image), image.size
        factor = _decode(image, enough, exact)
        rgb, note = as_rgb(image, factor)
        turn = _turn(image)
        upright = size[::-1] if turn in _LYING else size
        all_notes = (*notes, note) if note else tuple(notes)
        return Opened(_turned(rgb, turn), upright, all_notes, turn in _TURNS)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright image in a file, from the file's head alone.

    Raises DataError for what is not an image of sensible size; a file that ends too early or is
    damaged further on shows only when it is opened.
    """
    with _looked_into(path) as image:
        # a PNG that does not have it there would be decoded for the answer
        there = image.format != "PNG" or "exif" in image.info
        lying = there and _turn(image) in _LYING
        return (image.height, image.width) if lying else image.size


@contextlib.contextmanager
def _looked_into(path: Path) -> Iterator[Image.Image]:
    """The image, its header read; whatever goes wrong with it is a DataError."""
    try:
        with (
            quiet(),
            open_regular(path) as file,
            Image.open(file, formats=known_formats()) as image,
        ):
            require_affordable(path, image)
            yield image
    except DataError:
        raise
    except Exception as error:  # Pillow can fail in any way on a damaged file
        if isinstance(error, UnidentifiedImageError):
            require_plugin(path)
        raise DataError(f"{path.name} is skipped", _reason(error)) from error


def _decode(image: Image.Image, enough: int = 0, exact: bool = False) -> int:
    """Unpack an image, a JPEG perhaps at a part of its size, and tell by what its sides are still
    to be divided."""
    size = image.size
    large = size[0] * size[1] > EXACT_PIXELS and min(size) >= 2 * LONGEST_SIDE
    factor = 2 if large and not exact else 1
    image.draft(None, (enough, enough) if enough else (size[0] // factor, size[1] // factor))
    image.load()
    return factor if image.size == size else 1


def _turn(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none."""
    found = image.getexif().get(_ORIENTATION, 1)
    return found if found in _TURNS else 1


def _turned(image: Image.Image, turn: int) -> Image.Image:
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image


def _reason(error: Exception) -> str:
    if isinstance(error, FileError):
        return error.why
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image of a kind that can be read here"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MOST_PIXELS:,} pixels"
    return f"it cannot be read ({error})"


def _notes(image: Image.Image) -> list[str]:
    notes = []
    if getattr(image, "is_animated", False) and image.format != _EXTRA_VIEWS:
        image.seek(0)  # Pillow looks for the second frame to answer the question
        notes.append("it holds several images: the first is taken")
    if is_see_through(image):
        notes.append("its transparent parts become white")
    return notes


def fitted(
    image: Image.Image,
    width: int,
    height: int,
    mode: ResizeMode = "cover",
    resized: tuple[int, int] | None = None,
) -> Image.Image:
    """An RGB image, or a grey mask, brought to a size.

    "cover" scales and crops the centre (A1111's preprocessing), "stretch" distorts (A1111's
    training), "pad" adds a border of the image's mean colour, black around a mask. With
    `resized` (width, height) the image is brought to that size, whatever the mode, and the centre
    cropped.
    """
    if resized is None and mode == "stretch":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    if resized is None and mode == "pad":
        return _padded(image, width, height)
    box = seen_box(image.size, width, height, mode, resized)
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels"""


def cover_box(size: tuple[int, int], width: int, height: int) -> Box:
    """The largest centred part of an image of `size` (width, height) with the wanted shape.

    Only this part is to be resized: a very thin image as a whole would fill the memory.
    """
    scale = max(width / size[0], height / size[1])
    kept = min(size[0], width / scale), min(size[1], height / scale)
    left, top = (size[0] - kept[0]) / 2, (size[1] - kept[1]) / 2
    return (left, top, min(size[0], left + kept[0]), min(size[1], top + kept[1]))


def seen_box(
    size: tuple[int, int],
    width: int,
    height: int,
    mode: ResizeMode = "cover",
    resized: tuple[int, int] | None = None,
) -> Box:
    """The part of an image of `size` (width, height) that `fitted` leaves."""
    if resized is not None:
        left, top = (resized[0] - width) // 2, (resized[1] - height) // 2
        wide, high = size[0] / resized[0], size[1] / resized[1]
        right, bottom = (left + width) * wide, (top + height) * high
        return (left * wide, top * high, min(size[0], right), min(size[1], bottom))
    return cover_box(size, width, height) if mode == "cover" else (0, 0, *size)


def _padded(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.LANCZOS)
    border: int | tuple[int, ...] = 0
    if image.mode == "RGB":
        mean = np.asarray(small).reshape(-1, 3).mean(axis=0)
        border = tuple(mean.round().astype(int).tolist())
    canvas = Image.new(image.mode, (width, height), border)
    canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return canvas
