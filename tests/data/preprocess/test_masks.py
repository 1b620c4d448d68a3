"""A mask travels with its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ti_core.data.pictures import list_images, masks_among
from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.options import from_dict

from .folders import Run, loaded, put


def marked(size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Noise with a red patch, and a mask of the patch."""
    values = np.random.default_rng(1).integers(0, 90, (*size[::-1], 3), dtype=np.uint8)
    image, mask = Image.fromarray(values), Image.new("L", size)
    box = (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2)
    image.paste((255, 0, 0), box)
    mask.paste(255, box)
    return image, mask


@pytest.mark.parametrize(
    "settings",
    [
        {"resize_mode": "cover"},
        {"resize_mode": "stretch"},
        {"resize_mode": "pad"},
        {"split_images": {"split": True}},
        {"focal_point": {"focal_crop": True}},
        {"auto_size": {"multicrop": True}},
        {"keep_original_size": True},
        {"flip": True},
    ],
)
def test_a_mask_is_cut_like_its_picture(tmp_path: Path, settings: dict[str, Any]) -> None:
    image, mask = marked((800, 480))
    put(tmp_path / "in" / "a.png", image)
    put(tmp_path / "in" / "a_mask.png", mask.resize((400, 240)))
    run = Run(tmp_path, from_dict(PreprocessConfig, {"width": 256, "height": 256, **settings}))
    masks = masks_among(run.out.iterdir())
    pictures = list_images(run.out)
    assert len(masks) == len(pictures) == run.finished.written > 0
    for path in pictures:
        red = np.asarray(loaded(path).convert("RGB"))[:, :, 0] > 170
        white = np.asarray(loaded(masks[path.stem]).convert("L")) > 127
        assert red.shape == white.shape
        assert (red != white).mean() < 0.02, path.name
    assert run.finished.skipped == 0


def test_a_mask_is_no_picture_of_its_own(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    put(tmp_path / "in" / "a_mask.png")
    put(tmp_path / "in" / "lone_mask.png")
    run = Run(tmp_path)
    assert run.names() == ["00000-0-a.png", "00000-0-a_mask.png", "00002-0-lone_mask.png"]


def test_the_name_of_a_mask_fits_the_disk(tmp_path: Path) -> None:
    put(tmp_path / "in" / f"{'x' * 246}.png")
    put(tmp_path / "in" / f"{'x' * 246}_mask.png")
    run = Run(tmp_path)
    assert len(run.names()) == 2
    assert len(masks_among(run.out.iterdir())) == 1


def test_a_mask_that_cannot_be_read_is_told_with_its_picture(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a_mask.png").write_bytes(b"no mask")
    run = Run(tmp_path)
    assert list(run.reasons) == ["a.png"]
