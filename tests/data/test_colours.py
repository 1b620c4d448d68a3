"""Pixels of every mode come out as they look, or their picture is skipped with a reason."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from ti_core.data import colours, pictures
from ti_core.data.colours import alpha_of, as_mask, as_rgb
from ti_core.data.pictures import open_alpha, open_mask, open_picture
from ti_core.errors import DataError

RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)
GREY = (RAMP * 255).round().astype(np.uint8)


def rgb(image: Image.Image, **options: Any) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.asarray(as_rgb(image, **options)[0]).astype(np.int16)


def in_mode(mode: str) -> Image.Image:
    grey = Image.fromarray(GREY)
    if mode in ("P", "PA"):
        return grey.quantize(256).convert(mode)
    between = {"La": "LA", "RGBa": "RGBA", "YCbCr": "RGB", "HSV": "RGB", "CMYK": "RGB"}
    return grey.convert(between.get(mode, mode)).convert(mode)


@pytest.mark.parametrize(
    "mode",
    ["L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"],
)
def test_modes_of_eight_bits_look_like_the_picture_that_they_were_made_of(mode: str) -> None:
    image = in_mode(mode)
    assert image.mode == mode
    assert np.abs(rgb(image) - GREY[:, :, None]).max() <= 3
    assert np.abs(np.asarray(as_mask(image)).astype(int) - GREY).max() <= 3


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(RAMP > 0.5)
    assert image.mode == "1"
    assert np.array_equal(rgb(image)[:, :, 0], np.where(RAMP > 0.5, 255, 0))


def test_cielab_is_converted_by_its_definition() -> None:
    image = Image.new("RGB", (8, 8), (200, 30, 60))
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    made = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    assert made is not None
    assert np.abs(rgb(made)[0, 0] - (200, 30, 60)).max() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA"])
def test_transparent_parts_are_white_in_pictures_and_black_in_masks(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (90, 90, 90, 0))
    image.paste((90, 90, 90, 255), (0, 0, 4, 8))
    if mode in ("LA", "La"):
        image = image.convert("LA")
    if mode == "PA":
        opaque = image.getchannel("A")
        image = Image.new("PA", (8, 8), (1, 0))
        image.putpalette([0, 0, 0, 90, 90, 90])
        image.putalpha(opaque)
    image = image.convert(mode)
    assert (rgb(image)[0, 0, 0], rgb(image)[0, 7, 0]) == (90, 255)
    grey = as_mask(image)
    assert (grey.getpixel((0, 0)), grey.getpixel((7, 0))) == (90, 0)
    assert np.unique(np.asarray(alpha_of(image))).tolist() == [0, 255]


# --- deep grey ----------------------------------------------------------------------------------

DEEP = {
    "float 0 to 1": (RAMP.astype(np.float32), ""),
    "eight bits as float 0 to 1": ((GREY / 255).astype(np.float32), ""),
    "float 0 to 4": ((RAMP * 4).astype(np.float32), "from 0 to 4"),
    "float 0 to 255": ((RAMP * 255).astype(np.float32), "255 is taken as white"),
    "float 0 to 65535": ((RAMP * 65535).astype(np.float32), "65535 is taken as white"),
    "uint16": ((RAMP * 65535).astype(np.uint16), ""),
    "eight bits in uint16": (GREY.astype(np.uint16), "255 is taken as white"),
    "twelve bits in uint16": ((RAMP * 4000).astype(np.uint16), "from 0 to 4000"),
    "int32": ((RAMP * (2**31 - 1)).astype(np.int32), ""),
    "sixteen bits in int32": ((RAMP * 65535).astype(np.int32), "65535 is taken as white"),
    "eight bits in int32": (GREY.astype(np.int32), "255 is taken as white"),
}


def say(path: Path, tag: int, value: int) -> None:
    """Change a short number in the directory of a little-endian TIFF file."""
    head = struct.pack("<HHI", tag, 3, 1)
    content = path.read_bytes()
    assert content.count(head) == 1
    place = content.index(head) + len(head)
    path.write_bytes(content[:place] + struct.pack("<H", value) + content[place + 2 :])


@pytest.mark.parametrize("name", DEEP)
def test_deep_grey_keeps_its_shades(tmp_path: Path, name: str) -> None:
    values, note = DEEP[name]
    Image.fromarray(values).save(tmp_path / "a.tif")
    opened = open_picture(tmp_path / "a.tif")
    found = np.asarray(opened.image).astype(np.int16)
    assert np.abs(found - GREY[:, :, None]).max() <= 1
    assert len(opened.notes) == bool(note)
    assert note in "".join(opened.notes)


def test_eight_bits_in_a_float_picture_are_the_same_as_without(tmp_path: Path) -> None:
    Image.fromarray((GREY / 255).astype(np.float32)).save(tmp_path / "a.tif")
    assert np.array_equal(np.asarray(open_picture(tmp_path / "a.tif").image)[:, :, 0], GREY)


def test_thirty_two_bits_without_a_sign_are_read_as_such(tmp_path: Path) -> None:
    """Pillow hands their upper half over as negative numbers."""
    bits = (RAMP * (2**32 - 1)).astype(np.uint32).view(np.int32)
    Image.fromarray(bits).save(tmp_path / "a.tif")
    say(tmp_path / "a.tif", 339, 1)
    found = np.asarray(open_picture(tmp_path / "a.tif").image).astype(np.int16)
    assert np.abs(found - GREY[:, :, None]).max() <= 1


def test_numbers_below_zero_get_a_note(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 3 - 1).astype(np.float32)).save(tmp_path / "a.tif")
    opened = open_picture(tmp_path / "a.tif")
    assert "from -1 to 2" in opened.notes[0]
    assert np.abs(np.asarray(opened.image).astype(np.int16) - GREY[:, :, None]).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(tmp_path: Path, value: float) -> None:
    values = RAMP.astype(np.float32)
    values[63, 63] = value
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="not finite numbers"):
        open_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["uint16", "float 0 to 1"])
def test_where_the_file_says_that_zero_is_white_it_is(tmp_path: Path, name: str) -> None:
    Image.fromarray(DEEP[name][0]).save(tmp_path / "a.tif")
    say(tmp_path / "a.tif", 262, 0)
    found = np.asarray(open_picture(tmp_path / "a.tif").image).astype(np.int16)
    assert np.abs(found - (255 - GREY[:, :, None].astype(np.int16))).max() <= 1


def test_the_transparent_value_of_a_deep_png_is_white(tmp_path: Path) -> None:
    values = np.full((8, 8), 30_000).astype(np.uint16)
    values[0] = 777
    Image.fromarray(values).save(tmp_path / "a.png", transparency=777)
    found = np.asarray(open_picture(tmp_path / "a.png").image)
    assert (found[0, 0, 0], found[1, 0, 0]) == (255, 117)


def test_a_deep_mask_is_scaled_like_a_picture(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(tmp_path / "a.png")
    assert np.abs(np.asarray(open_mask(tmp_path / "a.png")).astype(int) - GREY).max() <= 1


# --- large pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize("strip", [1, 100, 10**6])
def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch, strip: int) -> None:
    monkeypatch.setattr(colours, "_STRIP_PIXELS", strip)
    noise = np.random.default_rng(0).integers(0, 256, (41, 33, 4), dtype=np.uint8)
    image = Image.fromarray(noise)
    white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    assert np.array_equal(rgb(image), np.asarray(white))
    assert np.array_equal(rgb(image, factor=2), np.asarray(white.reduce(2)))


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_picture_comes_at_half_its_size_and_tells_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, orientation: int
) -> None:
    monkeypatch.setattr(pictures, "EXACT_PIXELS", 1000)
    monkeypatch.setattr(pictures, "LONGEST_SIDE", 16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    Image.linear_gradient("L").resize((101, 60)).convert("RGBA" if ending == "png" else "L").save(
        path, exif=exif
    )
    opened, exact = open_picture(path), open_picture(path, exact=True)
    turned = orientation == 6
    assert opened.size == exact.size == exact.image.size == ((60, 101) if turned else (101, 60))
    assert opened.image.size == ((30, 51) if turned else (51, 30))
    assert open_mask(path).size == opened.image.size
    alpha = open_alpha(path)
    assert alpha is None if ending == "jpg" else alpha and alpha.size == opened.image.size
