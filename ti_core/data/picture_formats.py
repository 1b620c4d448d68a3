"""Which files are images: the one list of endings and formats, and what each costs to open."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..errors import DataError
from ..files.picture_plugins import PACKAGES, is_known

MOST_PIXELS = 100_000_000
"""Larger images are refused before they are decoded."""
MOST_MEMORY = 1_000_000_000
"""Bytes that decoding one image may take; refused before it happens, likewise."""


class PictureFormat(NamedTuple):
    """A kind of file that is read as an image."""

    endings: tuple[str, ...]
    cost: int = 6
    """Bytes of memory for each pixel while Pillow decodes it, measured."""


FORMATS: dict[str, PictureFormat] = {
    "PNG": PictureFormat((".png", ".apng")),
    "JPEG": PictureFormat((".jpg", ".jpeg", ".jpe", ".jfif"), 10),
    "MPO": PictureFormat((".mpo",), 10),
    "WEBP": PictureFormat((".webp",), 18),
    "BMP": PictureFormat((".bmp",)),
    "DIB": PictureFormat((".dib",)),
    "GIF": PictureFormat((".gif",), 10),
    "TIFF": PictureFormat((".tif", ".tiff"), 10),
    "AVIF": PictureFormat((".avif", ".avifs"), 14),
    "HEIF": PictureFormat((".heic", ".heif", ".hif"), 14),
    "JXL": PictureFormat((".jxl",), 18),
    "JPEG2000": PictureFormat((".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf"), 24),
    "PPM": PictureFormat((".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    "TGA": PictureFormat((".tga", ".icb", ".vda", ".vst")),
    "QOI": PictureFormat((".qoi",)),
}
"""Pillow's name → the format. Left out are those that run other programs (EPS starts Ghostscript),
open other files, hold files of a size that they do not tell (ICO), or that no one keeps photographs
in."""
ENDINGS = tuple(ending for kind in FORMATS.values() for ending in kind.endings)
"""File endings that are read as images, everywhere; `ti preprocess` tries other files, too, as
A1111 does."""
_BY_ENDING = {ending: name for name, kind in FORMATS.items() for ending in kind.endings}
OTHER_PICTURES = (
    *(".ico", ".icns", ".psd", ".psb", ".xcf", ".kra", ".ora", ".clip", ".svg", ".eps", ".ai"),
    *(".pdf", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2", ".raw", ".exr"),
    *(".hdr", ".dds", ".sgi", ".pcx", ".mp4", ".mov", ".avi", ".mkv", ".webm"),
)
"""Endings of images and films that are not read."""


def is_picture_name(path: Path) -> bool:
    """Whether a file's name is that of an image. `._1.jpg` is not: macOS keeps there what other
    disks have no place for (AppleDouble)."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith("._")


def known_formats() -> list[str]:
    """Those of `FORMATS` that Pillow knows here, with the plug-ins that are installed."""
    return [name for name in FORMATS if is_known(name)]


def require_plugin(path: Path) -> None:
    """Raise DataError for an image whose format Pillow does not know here, as its name has it."""
    name = _BY_ENDING.get(path.suffix.lower(), "")
    if name in PACKAGES and not is_known(name):
        raise DataError(
            f"{path.name} is skipped",
            f"Pillow cannot read {name} here",
            f"install {PACKAGES[name]} in this Python, or save the image as PNG or JPEG",
        )


def require_affordable(path: Path, image: Image.Image) -> None:
    """Raise DataError for an image that is too large to be decoded, by what its head says."""
    pixels = image.width * image.height
    cost = FORMATS[image.format].cost if image.format in FORMATS else 6
    if pixels > MOST_PIXELS or pixels * cost > MOST_MEMORY:
        most = min(MOST_PIXELS, MOST_MEMORY // cost)
        raise DataError(
            f"{path.name} is skipped",
            f"it has {image.width}x{image.height} pixels, and of {image.format} files at most "
            f"{most // 1_000_000} million are read",
            "shrink it",
        )
