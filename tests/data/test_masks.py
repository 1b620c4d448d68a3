"""Masks: A1111's numbers for square pictures, and its four defects as promises not to have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ti_core.data.config import BucketConfig, DataConfig
from ti_core.data.dataset import Dataset, load_dataset
from ti_core.data.item import Item
from ti_core.data.masks import cut_mask, weights_of
from ti_core.data.pictures import list_images, masks_among, open_alpha


def ramp(width: int, height: int) -> Image.Image:
    """Black on the left, white on the right."""
    row = np.linspace(0, 255, width).round().astype(np.uint8)
    return Image.fromarray(np.tile(row, (height, 1)))


def corner(width: int, height: int) -> Image.Image:
    """White in the upper left quarter alone."""
    image = Image.new("L", (width, height))
    image.paste(255, (0, 0, width // 2, height // 2))
    return image


def with_alpha(path: Path, alpha: Image.Image) -> Path:
    image = Image.new("RGB", alpha.size, "red")
    image.putalpha(alpha)
    image.save(path)
    return path


def load(folder: Path, **options: Any) -> Dataset:
    config = DataConfig(train_data_dir=str(folder), masked_loss=True, **options)
    return load_dataset(config, "cat", 64)


def only(folder: Path, **options: Any) -> Item:
    (item,) = load(folder, **options).items
    return item


def seen(item: Item) -> torch.Tensor:
    found = item.seen_mask(8)
    assert found is not None
    return found


def test_a_square_picture_s_alpha_weighs_as_in_a1111(tmp_path: Path) -> None:
    """`dataset.py`: the alpha resized to the latent's size, minus its least, over its mean."""
    alpha = ramp(64, 64)
    with_alpha(tmp_path / "a.png", alpha)
    theirs = torch.tensor(np.array(alpha.resize((8, 8))).astype(np.float32))
    theirs -= theirs.min()
    theirs /= theirs.mean()
    assert torch.equal(weights_of(seen(only(tmp_path))), theirs)
    assert theirs[0].tolist() == pytest.approx(
        [0, 0.26, 0.57, 0.85, 1.15, 1.43, 1.74, 2.0], abs=0.03
    )


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_alpha_without_shades_counts_everywhere_alike(tmp_path: Path, value: int) -> None:
    """Defect (a): A1111 divides by zero, and the embedding becomes NaN."""
    with_alpha(tmp_path / "a.png", Image.new("L", (64, 64), value))
    assert (weights_of(seen(only(tmp_path))) == 1).all()


def test_the_transparency_of_a_palette_is_seen(tmp_path: Path) -> None:
    """Defect (b): A1111 ignores it."""
    image = Image.new("P", (64, 64), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (0, 0, 32, 64))
    image.save(tmp_path / "a.png", transparency=0)
    weights = weights_of(seen(only(tmp_path)))
    assert weights[:, :3].min() == 2
    assert weights[:, 5:].max() == 0


@pytest.mark.parametrize("size", [(128, 64), (64, 128)])
def test_the_mask_of_a_picture_that_is_not_square_is_not_scrambled(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """Defect (c): A1111 takes height for width, and reshapes."""
    with_alpha(tmp_path / "a.png", corner(*size))
    found = seen(only(tmp_path, resolution=size))
    assert found.shape == (size[1] // 8, size[0] // 8)
    high, wide = found.shape[0] // 2, found.shape[1] // 2
    assert found[: high - 1, : wide - 1].min() == 255
    assert found[high + 1 :].max() == found[:, wide + 1 :].max() == 0


def test_what_lies_under_transparent_parts_is_not_shown(tmp_path: Path) -> None:
    """Defect (d): in A1111 the colours under them are learned."""
    with_alpha(tmp_path / "a.png", corner(64, 64))
    pixels = only(tmp_path).pixels()
    assert pixels[:, 40:, 40:].min() == 1
    assert pixels[1, :24, :24].max() == -1


def test_a_mask_file_wins_over_alpha_and_is_no_picture(tmp_path: Path) -> None:
    with_alpha(tmp_path / "a.png", corner(64, 64))
    ramp(64, 64).save(tmp_path / "a_mask.png")
    item = only(tmp_path)
    assert item.mask == tmp_path / "a_mask.png"
    assert seen(item)[0, 7] > 230
    assert len(list_images(tmp_path)) == 1


def test_a_picture_that_is_called_mask_is_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "venetian_mask.png")
    assert len(list_images(tmp_path)) == 1
    assert masks_among(tmp_path.iterdir()) == {}


def test_a_mask_may_be_of_another_kind_and_size_than_its_picture(tmp_path: Path) -> None:
    Image.new("RGB", (128, 64)).save(tmp_path / "a.jpg")
    corner(32, 16).convert("RGB").save(tmp_path / "a_mask.webp", lossless=True)
    found = seen(only(tmp_path, resolution=(128, 64)))
    assert found[:3, :7].min() > 240
    assert found[5:].max() < 15


def test_transparent_parts_of_a_mask_file_are_black(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with_alpha(tmp_path / "a_mask.png", corner(64, 64))
    assert seen(only(tmp_path))[5:].max() == 0


def test_a_mask_is_cut_like_its_picture(tmp_path: Path) -> None:
    Image.new("RGB", (128, 64)).save(tmp_path / "a.png")
    half = Image.new("L", (128, 64))
    half.paste(255, (64, 0, 128, 64))
    half.save(tmp_path / "a_mask.png")
    for mode, share in (("cover", 0.5), ("stretch", 0.5), ("pad", 0.25)):
        found = seen(only(tmp_path, resize_mode=mode)).float() / 255
        assert found.mean() == pytest.approx(share, abs=0.03), mode
        assert found[4, 0] < 0.1, mode
        assert found[4, 6] > 0.9, mode


def test_with_padding_the_border_counts_nothing(tmp_path: Path) -> None:
    with_alpha(tmp_path / "a.png", ramp(128, 64))
    found = seen(only(tmp_path, resize_mode="pad"))
    assert max(found[:2].max(), found[6:].max()) < 4
    assert found[3, 7] > 200


def test_a_mirrored_picture_has_its_mask_mirrored(tmp_path: Path) -> None:
    with_alpha(tmp_path / "a.png", ramp(64, 64))
    item = only(tmp_path)
    assert torch.equal(seen(item.mirrored), seen(item).flip(1))


def test_a_picture_without_mask_has_none(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert only(tmp_path).seen_mask(8) is None
    assert open_alpha(tmp_path / "a.png") is None


def test_kohya_s_scale_takes_white_as_one() -> None:
    values = torch.tensor([[0, 51], [102, 255]], dtype=torch.uint8)
    assert weights_of(values, "none").flatten().tolist() == pytest.approx([0, 0.2, 0.4, 1])
    half = torch.full((2, 2), 51, dtype=torch.uint8)
    assert weights_of(half, "none").flatten().tolist() == pytest.approx([0.2] * 4)
    assert (weights_of(torch.zeros(2, 2, dtype=torch.uint8), "none") == 1).all()


def test_the_mean_of_a_stretched_mask_is_one() -> None:
    values = torch.arange(64, dtype=torch.uint8).view(8, 8) + 100
    weights = weights_of(values)
    assert weights.mean().item() == pytest.approx(1)
    assert weights.min() == 0


def test_a_mask_is_upright_like_its_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    corner(64, 64).convert("RGB").save(tmp_path / "a_mask.png", exif=exif)
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    found = seen(only(tmp_path))
    assert found[:3, 5:].min() > 240  # a quarter turn to the right brings it to the upper right
    assert found[:, :3].max() == 0


def test_without_the_option_no_mask_is_read(tmp_path: Path) -> None:
    with_alpha(tmp_path / "a.png", corner(64, 64))
    config = DataConfig(train_data_dir=str(tmp_path))
    assert load_dataset(config, "cat", 64).items[0].seen_mask(8) is None


def test_a_bucket_s_crop_is_the_mask_s_too(tmp_path: Path) -> None:
    Image.new("RGB", (150, 64)).save(tmp_path / "a.png")
    mask = Image.new("L", (150, 64))
    mask.paste(255, (0, 0, 11, 64))  # what is cut away on the left
    mask.save(tmp_path / "a_mask.png")
    item = only(tmp_path, sizes=BucketConfig(varsize=True))
    assert item.size.target == (64, 144)
    assert seen(item)[:, 2:].max() == 0
    assert cut_mask(mask, item.size, 8, item.mode, item.resized).shape == (8, 18)


def test_a_mask_that_cannot_be_read_is_told_before_training(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{name}.png")
    (tmp_path / "a_mask.png").write_bytes(b"no mask")
    dataset = load(tmp_path)
    assert [item.path.name for item in dataset.items] == ["b.png"]
    assert [error.what for _, error in dataset.skipped] == ["a_mask.png is skipped"]
