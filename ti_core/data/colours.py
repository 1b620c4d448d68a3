"""Pixels of every mode that Pillow has as 8-bit RGB or grey.

It is done some rows at a time: a large image takes little more memory than its own pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

_STRIP_PIXELS = 2**20
_PREMULTIPLIED = {"RGBa": "RGBA", "La": "LA"}
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
"""TIFF's tags (TIFF 6.0)."""
_USUAL_WHITES = (255.0, 65535.0)
_DARK = 16
"""An image whose brightest value is below this part of white is taken for one of another scale."""

Convert = Callable[[Image.Image], Image.Image]


def is_see_through(image: Image.Image) -> bool:
    """Whether an image has transparent parts, or could have."""
    modes = ("RGBA", "LA", "PA", *_PREMULTIPLIED)
    return image.mode in modes or "transparency" in image.info


def is_deep(image: Image.Image) -> bool:
    """Whether a grey image has more than 8 bits for each pixel."""
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def as_rgb(image: Image.Image, factor: int = 1) -> tuple[Image.Image, str]:
    """RGB, its transparent parts white, and a note where it was guessed which value is white; each
    pixel is the mean of `factor` x `factor`, which may be fewer at the right and lower edge.

    Raises ValueError where its numbers are not brightness, or its colours cannot be converted.
    """
    if image.mode == "RGB" and factor == 1 and not is_see_through(image):
        return image, ""
    tones = _tones(image) if is_deep(image) else None
    convert = functools.partial(_deep_rgb, tones=tones) if tones else _rgb
    rgb = _by_strips(image, "RGB", convert, factor)
    if "icc_profile" in image.info:
        rgb.info["icc_profile"] = image.info["icc_profile"]
    return rgb, tones.note if tones else ""


def as_mask(image: Image.Image, factor: int = 1) -> Image.Image:
    """Grey, its transparent parts black. Raises ValueError as `as_rgb` does."""
    if is_deep(image):
        return as_rgb(image, factor)[0].convert("L")
    return _by_strips(image, "L", _mask, factor)


def alpha_of(image: Image.Image, factor: int = 1) -> Image.Image:
    """How opaque each part is: grey, 255 where nothing shines through."""
    return _by_strips(image, "L", lambda strip: _rgba(strip).getchannel("A"), factor)


def _by_strips(image: Image.Image, mode: str, convert: Convert, factor: int) -> Image.Image:
    width, height = image.size
    made = Image.new(mode, (-(-width // factor), -(-height // factor)))
    rows = max(1, _STRIP_PIXELS // (width * factor)) * factor
    for top in range(0, height, rows):
        strip = convert(image.crop((0, top, width, min(height, top + rows))))
        made.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return made


def _rgb(strip: Image.Image) -> Image.Image:
    if is_see_through(strip):
        strip = _rgba(strip)
        white = Image.new("RGBA", strip.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, strip).convert("RGB")
    return _from_lab(strip) if strip.mode == "LAB" else strip.convert("RGB")


def _mask(strip: Image.Image) -> Image.Image:
    if not is_see_through(strip):
        return _rgb(strip).convert("L")
    black = Image.new("RGBA", strip.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, _rgba(strip)).convert("L")


def _rgba(strip: Image.Image) -> Image.Image:
    return strip.convert(_PREMULTIPLIED.get(strip.mode, strip.mode)).convert("RGBA")


def _from_lab(strip: Image.Image) -> Image.Image:
    try:
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(strip, lab, srgb, outputMode="RGB") or strip
    except ImportError as error:
        raise ValueError("its colours are CIELAB, for which Pillow needs LittleCMS") from error


# --- deep grey --------------------------------------------------------------------------------


class _Tones(NamedTuple):
    """What the numbers of a deep grey image mean."""

    black: float
    white: float
    unsigned: bool = False
    """Its 32 bits are a number without a sign; Pillow has them as one with a sign."""
    inverted: bool = False
    """The lowest number is white."""
    note: str = ""


def _tones(image: Image.Image) -> _Tones:
    """The format says which number is white; where that would leave a black image, or numbers
    beyond white, the image's own numbers do. Raises ValueError for NaN and infinity."""
    tags = getattr(image, "tag_v2", {})
    signed = tags.get(_SAMPLE_FORMAT, (1,))[0] == 2
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    inverted = tags.get(_PHOTOMETRIC) == 0
    unsigned = image.mode == "I" and bits == 32 and not signed
    low, high = _range(image, unsigned)
    if not np.isfinite([low, high]).all():
        raise ValueError("some of its values are not finite numbers")
    told = 1.0 if image.mode == "F" else 2.0 ** (bits - signed) - 1
    for white in (told, *_USUAL_WHITES):
        if low >= 0 and ((white <= high * _DARK and high <= white) or high == 0):
            guessed = f"its values reach {high:g}: {white:g} is taken as white"
            note = "" if white == told else guessed
            return _Tones(0, white, unsigned, inverted, note)
    note = f"its values reach from {low:g} to {high:g}, which is taken as white"
    return _Tones(min(low, 0), high, unsigned, inverted, note)


def _range(image: Image.Image, unsigned: bool) -> tuple[float, float]:
    """The lowest and the highest value; NaN where there is one."""
    found = [(values.min(), values.max()) for values in _strips(image, unsigned)]
    lows, highs = zip(*found, strict=True)
    return float(np.min(lows)), float(np.max(highs))


def _strips(image: Image.Image, unsigned: bool) -> Iterator[npt.NDArray[np.generic]]:
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield _values(image.crop((0, top, image.width, min(image.height, top + rows))), unsigned)


def _values(strip: Image.Image, unsigned: bool) -> npt.NDArray[np.generic]:
    values = np.asarray(strip)
    return values.view(np.uint32) if unsigned else values


def _deep_rgb(strip: Image.Image, tones: _Tones) -> Image.Image:
    numbers = _values(strip, tones.unsigned)
    values = (numbers.astype(np.float64) - tones.black) * 255 / ((tones.white - tones.black) or 1)
    values = 255 - values if tones.inverted else values
    see_through = strip.info.get("transparency")
    if isinstance(see_through, int):
        values[numbers == see_through] = 255
    return Image.fromarray(np.clip(values, 0, 255).round().astype(np.uint8)).convert("RGB")
