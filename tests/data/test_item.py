"""One training picture: known by its content, read when asked for."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.data.buckets import Frame
from ti_core.data.captions import Caption
from ti_core.data.config import ResizeMode
from ti_core.data.images import cut
from ti_core.data.item import Item, read_item
from ti_core.data.pictures import open_image
from ti_core.errors import DataError


def drawn(path: Path, size: tuple[int, int] = (96, 64), orientation: int = 1) -> Path:
    image = Image.linear_gradient("L").convert("RGB").resize(size)
    image.paste((255, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


def item(path: Path, width: int = 64, height: int = 64, mode: ResizeMode = "cover") -> Item:
    caption = Caption("a thing", from_file=True)
    return read_item(path, caption, lambda size: Frame(width, height, mode))


@pytest.mark.parametrize("mode", ["cover", "stretch", "pad"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_item_tells_the_size_that_the_opened_picture_has(
    tmp_path: Path, orientation: int, mode: ResizeMode
) -> None:
    path = drawn(tmp_path / "a.png", orientation=orientation)
    image = open_image(path)
    found = item(path, mode=mode)
    assert found.size == cut(image, 64, 64, mode).size
    assert torch.equal(found.pixels(), cut(image, 64, 64, mode).pixels)


def test_a_key_is_the_content_and_not_the_place(tmp_path: Path) -> None:
    here, there = drawn(tmp_path / "a.png"), tmp_path / "other.bmp.png"
    there.write_bytes(here.read_bytes())
    assert item(here).key == item(there).key
    assert len(item(here).key) == 32


def test_whatever_changes_the_pixels_changes_the_key(tmp_path: Path) -> None:
    path, other = drawn(tmp_path / "a.png"), drawn(tmp_path / "b.png", (97, 64))
    first = item(path)
    others = [
        item(other),
        item(path, width=128),
        item(path, mode="pad"),
        dataclasses.replace(first, flipped=True),
    ]
    assert len({first.key, *(each.key for each in others)}) == 5


def test_a_flipped_item_is_the_mirrored_picture(tmp_path: Path) -> None:
    plain = item(drawn(tmp_path / "a.png"))
    flipped = dataclasses.replace(plain, flipped=True)
    assert torch.equal(flipped.pixels(), plain.pixels().flip(2))
    assert not torch.equal(flipped.pixels(), plain.pixels())


def test_an_item_keeps_no_pixels(tmp_path: Path) -> None:
    found = item(drawn(tmp_path / "a.png", (800, 600)), 512, 512)
    found.pixels()
    assert len(pickle.dumps(found)) < 2000


def test_a_picture_that_was_changed_meanwhile_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    found = item(drawn(tmp_path / "a.png"))
    Image.new("RGB", (96, 64), "blue").save(found.path)
    with pytest.raises(DataError, match="has changed"):
        found.pixels()
