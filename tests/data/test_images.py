"""Pictures: found, opened without trust, turned upright, cut."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from ti_core.data import picture_formats, pictures
from ti_core.data.config import ResizeMode
from ti_core.data.images import cut, to_image, to_tensor
from ti_core.data.pictures import list_images, open_image
from ti_core.errors import DataError

same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    values = np.stack([red, green, np.full_like(red, 128)], axis=2)
    return Image.fromarray(values.round().astype(np.uint8))


# --- found ------------------------------------------------------------------------------------


def test_pictures_are_listed_by_name_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c.txt", "d.webp", "e"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.PNG", "d.webp"]


def test_a_folder_without_pictures_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    for folder in (tmp_path, tmp_path / "nothing", tmp_path / "a.txt"):
        with pytest.raises(DataError):
            list_images(folder)


# --- opened -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    deep = mode.startswith("I")
    image = Image.new(mode, (8, 8), 9) if deep else Image.new("RGB", (8, 8)).convert(mode)
    assert open_image(save(tmp_path / f"a.{'tif' if deep else 'png'}", image)).mode == "RGB"


def test_a_jpeg_in_printing_colours_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    assert open_image(save(tmp_path / "a.jpg", image)).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright_by_its_exif_tag(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = open_image(save(tmp_path / "a.png", gradient(16, 8), exif=exif))
    assert turned.size == ((16, 8) if orientation < 5 else (8, 16))
    if orientation == 6:  # lies on its left side: the left edge belongs on top
        assert np.asarray(turned)[0, :, 0].max() == 0


def test_transparent_parts_are_white_and_hidden_colours_stay_hidden(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert open_image(save(tmp_path / "a.png", image)).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (8, 8), 3)
    palette.putpalette([0] * 768)
    path = save(tmp_path / "b.png", palette, transparency=3)
    assert open_image(path).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    found = np.asarray(open_image(save(tmp_path / "a.png", Image.fromarray(values))))
    assert (found[0, 0, 0], found[7, 7, 0]) == (0, 255)
    assert abs(int(found[3, 7, 0]) - 127) < 4


def test_a_huge_picture_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_formats, "MOST_PIXELS", 63)
    with pytest.raises(DataError, match="8x8 pixels"):
        open_image(save(tmp_path / "a.png", Image.new("RGB", (8, 8))))


@pytest.mark.parametrize(
    ("enough", "size"),
    [(0, (800, 400)), (400, (800, 400)), (200, (400, 200)), (51, (200, 100)), (50, (100, 50))],
)
def test_a_jpeg_is_decoded_smaller_where_that_is_enough(
    tmp_path: Path, enough: int, size: tuple[int, int]
) -> None:
    path = save(tmp_path / "a.jpg", gradient(800, 400))
    assert pictures.open_picture(path, enough).image.size == size
    path = save(tmp_path / "a.png", gradient(800, 400))
    assert pictures.open_picture(path, enough).image.size == (800, 400)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"])
def test_what_is_no_picture_is_a_data_error_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png is skipped"):
        open_image(tmp_path / "a.png")


def encoded(format: str) -> bytes:
    data = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient(16, 12).save(data, format, exif=exif)
    return data.getvalue()


WHOLE = {name: encoded(name) for name in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")}
places = st.integers(0, 2000)


@same_folder
@given(st.sampled_from(sorted(WHOLE)), st.lists(st.tuples(places, st.integers(0, 255))))
def test_a_damaged_picture_is_opened_or_skipped_but_never_crashes(
    tmp_path: Path, format: str, damage: list[tuple[int, int]]
) -> None:
    content = bytearray(WHOLE[format])
    for place, byte in damage:
        content[place % len(content)] = byte
    (tmp_path / "a.png").write_bytes(content)
    with suppress(DataError):
        open_image(tmp_path / "a.png")


@same_folder
@given(st.sampled_from(sorted(WHOLE)), st.floats(0, 0.99))
def test_a_cut_off_picture_is_opened_or_skipped_but_never_crashes(
    tmp_path: Path, format: str, share: float
) -> None:
    (tmp_path / "a.png").write_bytes(WHOLE[format][: int(len(WHOLE[format]) * share)])
    with suppress(DataError):
        open_image(tmp_path / "a.png")


# --- cut --------------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.sampled_from([(64, 64), (64, 128), (128, 64)]),
    st.sampled_from(["cover", "stretch", "pad"]),
)
@settings(deadline=None)
@example((1, 200), (128, 64), "cover")
@example((200, 1), (64, 128), "pad")
def test_every_picture_comes_out_at_the_training_size(
    given_: tuple[int, int], wanted: tuple[int, int], mode: ResizeMode
) -> None:
    found = cut(gradient(*given_), *wanted, mode)
    width, height = wanted
    assert found.pixels.shape == (3, height, width)
    assert found.pixels.abs().max() <= 1
    assert found.size.original == (given_[1], given_[0])
    assert found.size.target == (height, width)


def test_cover_crops_the_centre_and_says_where() -> None:
    found = cut(gradient(256, 128), 64, 64, "cover")
    assert found.size.crop == (0, 32)
    red = (found.pixels[0, 0] + 1) / 2
    assert (red[0].item(), red[-1].item()) == pytest.approx((0.25, 0.75), abs=0.02)


def test_stretch_keeps_the_edges_and_distorts() -> None:
    red = (cut(gradient(256, 128), 64, 64, "stretch").pixels[0, 0] + 1) / 2
    assert (red[0].item(), red[-1].item()) == pytest.approx((0, 1), abs=0.02)


def test_pad_shows_the_whole_picture_on_its_mean_colour() -> None:
    pixels = cut(gradient(256, 128), 64, 64, "pad").pixels
    assert pixels[0, 0].std() == 0
    assert pixels[:, 0, 0].tolist() == pytest.approx([0, 0, 0], abs=0.02)
    assert pixels[0, 32].min() < -0.95
    assert pixels[0, 32].max() > 0.95


def test_a_picture_of_the_training_size_is_not_changed_by_any_mode() -> None:
    for mode in ("cover", "stretch", "pad"):
        assert to_image(cut(gradient(64, 64), 64, 64, mode).pixels).tobytes() == (
            gradient(64, 64).tobytes()
        )


def test_values_become_minus_one_to_one_and_back() -> None:
    image = gradient(64, 64)
    pixels = to_tensor(image)
    assert pixels.dtype == torch.float32
    assert (pixels.min().item(), pixels.max().item()) == (-1, 1)
    assert to_image(pixels).tobytes() == image.tobytes()
    assert to_image(torch.full((3, 8, 8), 9.0)).getpixel((0, 0)) == (255, 255, 255)
