"""Pictures of strangers: found, opened without trust, turned upright, brought to a size.

Nothing here needs torch; `images.py` makes tensors of what comes out.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError, FileError, setting
from ..files.regular_file import open_regular
from .config import ResizeMode

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jxl")
"""File endings that are tried as pictures; A1111 tries every file."""
PICTURE_FORMATS = (
    *("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "HEIF", "JXL"),
    *("JPEG2000", "PPM", "TGA", "ICO", "QOI"),
)
"""What Pillow may take a file for. Left out are formats that run other programs (EPS starts
Ghostscript), open other files, or that nobody keeps photographs in."""
MOST_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded."""
MASK = "_mask"
"""End of the name, before the ending, of a picture that tells how much each part of another counts
in training."""
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and those of its values that swap width and height."""
_EXTRA_VIEWS = "MPO"
"""Phones put a depth map or a second view into their JPEG files; the first picture is the photo."""


@dataclass(frozen=True)
class Opened:
    """A picture, ready to be worked on."""

    image: Image.Image
    """RGB, upright"""
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
    """The pictures directly in a folder, by name.

    Raises DataError when there is no such folder, when it cannot be read, or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "", f"check {setting('train_data_dir')}")
    found = [p for p in list_folder(folder) if p.suffix.lower() in ENDINGS and p.is_file()]
    masks = set(masks_among(found).values())
    found = [path for path in found if path not in masks]
    if not found:
        raise DataError(
            f"{folder} holds no pictures", "", f"put some there ({', '.join(ENDINGS[:4])}…)"
        )
    return found


def masks_among(paths: Iterable[Path]) -> dict[str, Path]:
    """Stem of each picture that has a mask beside it → the mask: `cat_mask.png` is the mask of
    `cat.jpg`, and a picture of its own where there is no `cat`."""
    pictures = {path.stem: path for path in paths if path.suffix.lower() in ENDINGS}
    found = {stem: pictures.get(f"{stem}{MASK}") for stem in pictures}
    return {stem: mask for stem, mask in found.items() if mask is not None}


def open_mask(path: Path) -> Image.Image:
    """A mask as grey picture, upright; transparent parts are black. Raises DataError."""
    with _looked_into(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if not _is_see_through(upright):
            return _flattened(upright).convert("L")
        black = Image.new("RGBA", upright.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, upright.convert("RGBA")).convert("L")


def open_alpha(path: Path) -> Image.Image | None:
    """The alpha channel of a picture, upright, that of a palette included; None where it has none.

    Raises DataError.
    """
    with _looked_into(path) as image:
        if not _is_see_through(image):
            return None
        image.load()
        return ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")


def open_image(path: Path) -> Image.Image:
    """A picture as RGB, upright by its EXIF tag, transparent parts on white.

    Raises DataError for anything that is not a whole picture of sensible size.
    """
    return open_picture(path).image


def open_picture(path: Path, enough: int = 0) -> Opened:
    """Like `open_image`, with notes on what the picture lost.

    Where `enough` pixels a side suffice, a JPEG is decoded at a half, a quarter or an eighth of
    its size, which takes a fraction of the time; no side comes out shorter than that.

    Raises DataError for anything that is not a whole picture of sensible size; never waits for a
    pipe or a device.
    """
    with _looked_into(path) as image:
        notes = tuple(_notes(image))
        if enough:
            image.draft(None, (enough, enough))
        image.load()
        turned = image.getexif().get(_ORIENTATION, 1) in range(2, 9)
        return Opened(_flattened(ImageOps.exif_transpose(image)), notes, turned)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of the picture that `open_image` would give, from the file's head alone.

    Raises DataError for what is not a picture of sensible size; a file that ends too early or is
    damaged further on shows only when it is opened.
    """
    with _looked_into(path) as image:
        # a PNG that does not have it there would be decoded for the answer
        there = image.format != "PNG" or "exif" in image.info
        lying = there and image.getexif().get(_ORIENTATION, 1) in _LYING
        return (image.height, image.width) if lying else image.size


@contextlib.contextmanager
def _looked_into(path: Path) -> Iterator[Image.Image]:
    """The picture, its header read; whatever goes wrong with it is a DataError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_regular(path) as file, Image.open(file, formats=_formats()) as image:
                _check_size(path, image)
                yield image
    except DataError:
        raise
    except Exception as error:  # Pillow can fail in any way on a damaged file
        raise DataError(f"{path.name} is skipped", _reason(error)) from error


def _formats() -> list[str]:
    """Those of `PICTURE_FORMATS` that this Pillow knows, plug-ins of others included."""
    Image.init()
    return [name for name in PICTURE_FORMATS if name in Image.OPEN]


def _reason(error: Exception) -> str:
    if isinstance(error, FileError):
        return error.why
    if isinstance(error, UnidentifiedImageError):
        return "it is no picture of a kind that can be read here"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {MOST_PIXELS:,} pixels"
    return f"it cannot be read ({error})"


def _check_size(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{path.name} is skipped", f"it has {image.width}x{image.height} pixels", "shrink it"
        )


def _notes(image: Image.Image) -> list[str]:
    notes = []
    if getattr(image, "is_animated", False) and image.format != _EXTRA_VIEWS:
        image.seek(0)  # Pillow looks for the second frame to answer the question
        notes.append("it holds several pictures: the first is taken")
    if _is_see_through(image):
        notes.append("its transparent parts become white")
    return notes


def _is_see_through(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info


def _flattened(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _eight_bit(image).convert("RGB")
    if _is_see_through(image):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Pillow clips deeper grey pictures instead of scaling them."""
    values = np.asarray(image, dtype=np.float32)
    scale = 257.0 if values.max(initial=0) > 255 else 1.0
    return Image.fromarray(np.clip(values / scale, 0, 255).astype(np.uint8))


def fitted(
    image: Image.Image,
    width: int,
    height: int,
    mode: ResizeMode = "cover",
    resized: tuple[int, int] | None = None,
) -> Image.Image:
    """An RGB picture, or a grey mask, brought to a size.

    "cover" scales and crops the centre (A1111's preprocessing), "stretch" distorts (A1111's
    training), "pad" adds a border of the picture's mean colour, black around a mask. With
    `resized` (width, height) the picture is brought to that size, whatever the mode, and the centre
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
    """The largest centred part of a picture of `size` (width, height) with the wanted shape.

    Only this part is to be resized: a very thin picture as a whole would fill the memory.
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
    """The part of a picture of `size` (width, height) that `fitted` leaves."""
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
