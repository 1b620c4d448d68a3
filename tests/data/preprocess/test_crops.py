"""What becomes of one picture: A1111's treatments, with golden values from its own formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.preprocess.folders import gradient
from ti_core.data.config import ResizeMode
from ti_core.data.preprocess.autosize import auto_sized, best_size
from ti_core.data.preprocess.config import (
    AutosizeConfig,
    FocalConfig,
    Objective,
    PreprocessConfig,
    SplitConfig,
)
from ti_core.data.preprocess.split import MOST_TILES, split
from ti_core.data.preprocess.treatments import treat
from ti_core.errors import ConfigError, DataError
from ti_core.options import about, leaves


def made(image: Image.Image, config: PreprocessConfig) -> list[Image.Image]:
    return [one.image for one in treat(image, config)]


def reds(image: Image.Image) -> tuple[int, int]:
    """Red at the left and the right edge."""
    row = np.asarray(image)[image.height // 2, :, 0]
    return int(row[0]), int(row[-1])


def greens(image: Image.Image) -> tuple[int, int]:
    """Green at the top and the bottom edge."""
    column = np.asarray(image)[:, image.width // 2, 1]
    return int(column[0]), int(column[-1])


# --- the default ------------------------------------------------------------------------------


A1111S_LABELS = (
    "Width · Height · Existing Caption txt Action · Keep original size · Create flipped copies · "
    "Split oversized images · Auto focal point crop · Auto-sized crop · Split image threshold · "
    "Split image overlap ratio · Focal point face weight · Focal point entropy weight · "
    "Focal point edges weight · Create debug image · Dimension lower bound · "
    "Dimension upper bound · Area lower bound · Area upper bound · Resizing objective · "
    "Error threshold"
)


def test_labels_and_defaults_are_those_of_a1111s_tab() -> None:
    labels = {about(item).label for _, item in leaves(PreprocessConfig)}
    assert labels >= set(A1111S_LABELS.split(" · "))
    config = PreprocessConfig()
    assert (config.width, config.height) == (512, 512)
    assert (config.flip, config.keep_original_size) == (False, False)
    assert config.captions.decided(described=True).existing_caption == "ignore"
    split_ = config.split_images
    assert (split_.split, split_.split_threshold, split_.overlap_ratio) == (False, 0.5, 0.2)
    focal = config.focal_point
    weights = focal.focal_crop_face_weight, focal.focal_crop_entropy_weight
    assert (*weights, focal.focal_crop_edges_weight) == (0.9, 0.15, 0.5)
    auto = config.auto_size
    assert (auto.multicrop_mindim, auto.multicrop_maxdim) == (384, 768)
    assert (auto.multicrop_minarea, auto.multicrop_maxarea) == (64 * 64, 640 * 640)
    assert (auto.multicrop_objective, auto.multicrop_threshold) == ("Maximize area", 0.1)
    blip = config.captions
    assert (blip.blip_min_length, blip.blip_max_length, blip.blip_num_beams) == (24, 48, 1)


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (123, 77), (64, 64), (40, 30)])
@pytest.mark.parametrize("target", [(64, 64), (128, 64), (64, 96)])
def test_the_default_scales_to_cover_and_crops_the_centre_as_a1111_did(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    """A1111's resize_image(1, …): resize by LANCZOS to whole pixels, then cut the middle out."""
    image, (width, height) = gradient(*size), target
    wide = width / height > image.width / image.height
    inner = (
        width if wide else image.width * height // image.height,
        image.height * width // image.width if wide else height,
    )
    theirs = Image.new("RGB", target)
    corner = width // 2 - inner[0] // 2, height // 2 - inner[1] // 2
    theirs.paste(image.resize(inner, Image.Resampling.LANCZOS), corner)
    [ours] = made(image, PreprocessConfig(width=width, height=height))
    difference = np.abs(np.asarray(ours, dtype=int) - np.asarray(theirs, dtype=int))
    assert difference.max() <= math.ceil(2 * 255 / min(inner)), "more than a pixel off"


def test_stretch_shows_everything_distorted_and_pad_shows_everything_with_a_border() -> None:
    image = gradient(128, 64)
    [stretched] = made(image, PreprocessConfig(width=64, height=64, resize_mode="stretch"))
    assert (*reds(stretched), *greens(stretched)) == pytest.approx((0, 255, 0, 255), abs=2)
    [padded] = made(image, PreprocessConfig(width=64, height=64, resize_mode="pad"))
    assert padded.size == (64, 64)
    assert reds(padded) == pytest.approx((0, 255), abs=3)
    assert padded.getpixel((0, 0)) == padded.getpixel((63, 63))
    assert padded.getpixel((0, 0)) == pytest.approx((128, 128, 128), abs=1)


@pytest.mark.parametrize(
    ("settings_", "told"),
    [({"width": 500}, "multiples of 8"), ({"width": 32}, "64"), ({"height": 4096}, "2048")],
)
def test_a_size_that_the_model_cannot_take_is_refused(settings_: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        PreprocessConfig(**settings_)


# --- split ------------------------------------------------------------------------------------


def tiles(image: Image.Image, width: int, height: int, **how: Any) -> list[Image.Image]:
    return list(split(image, width, height, SplitConfig(split=True, **how)))


def theirs_starts(
    size: tuple[int, int], target: tuple[int, int], threshold: float, overlap: float
) -> list[int]:
    """The starts by A1111's arithmetic, written anew."""
    (w, h), (tw, th) = size, target
    along_x = h <= w
    ratio = (h * tw) / (w * th) if along_x else (w * th) / (h * tw)
    if not (ratio < 1.0 and ratio <= threshold):
        return []
    scaled = w * th // h if along_x else h * tw // w
    tile = tw if along_x else th
    count = math.ceil((scaled - tile * overlap) / (tile * (1.0 - overlap)))
    return [int((scaled - tile) / (count - 1) * i) for i in range(count)]


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5, 0.9], ids=lambda overlap: f"overlap {overlap}")
@pytest.mark.parametrize("size", [(256, 64), (64, 256), (200, 90), (77, 301), (90, 91)])
@pytest.mark.parametrize("target", [(64, 64), (128, 64), (64, 96)])
def test_tiles_lie_where_a1111_puts_them(
    size: tuple[int, int], target: tuple[int, int], overlap: float
) -> None:
    starts = theirs_starts(size, target, 0.5, overlap)
    found = tiles(gradient(*size), *target, overlap_ratio=overlap)
    assert len(found) == len(starts)
    along_x = size[1] <= size[0]
    scaled = size[0] * target[1] // size[1] if along_x else size[1] * target[0] // size[0]
    for tile, start in zip(found, starts, strict=True):
        assert tile.size == target
        first = (reds if along_x else greens)(tile)[0]
        assert first == pytest.approx(255 * start / scaled, abs=3 + 255 / scaled)


def test_golden_tiles() -> None:
    assert [theirs_starts((192, 64), (64, 64), 0.5, overlap) for overlap in (0.2, 0.0)] == [
        [0, 42, 85, 128],
        [0, 64, 128],
    ]
    assert len(tiles(gradient(128, 64), 64, 64)) == 3
    assert tiles(gradient(100, 64), 64, 64) == []
    assert len(tiles(gradient(100, 64), 64, 64, split_threshold=0.7)) == 2
    assert tiles(gradient(64, 64), 64, 64, split_threshold=1.0) == []


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 1), st.floats(0, 0.9))
@settings(deadline=None, max_examples=60)
def test_tiles_show_the_picture_from_its_start_to_its_end(
    width: int, height: int, threshold: float, overlap: float
) -> None:
    """A1111 divides by zero where one tile is enough."""
    how = {"split_threshold": threshold, "overlap_ratio": overlap}
    try:
        found = tiles(gradient(width, height), 64, 64, **how)
    except DataError:
        assert max(width, height) / min(width, height) > 15
        return
    edge = greens if height > width else reds
    assert all(tile.size == (64, 64) for tile in found)
    if len(found) > 1 and max(width, height) > 60:
        assert edge(found[0])[0] <= 8
        assert edge(found[-1])[1] >= 247


def test_the_rule_of_2022_makes_two_crops_of_pictures_longer_than_one_and_a_third() -> None:
    start, end = tiles(gradient(64, 96), 64, 64, split_rule="two")
    assert greens(start) == pytest.approx((0, 170), abs=5)
    assert greens(end) == pytest.approx((85, 255), abs=5)
    left, right = tiles(gradient(192, 64), 64, 64, split_rule="two")
    assert reds(left) == pytest.approx((0, 85), abs=5)
    assert reds(right) == pytest.approx((170, 255), abs=5)
    assert tiles(gradient(134, 100), 64, 64, split_rule="two") == []
    assert len(tiles(gradient(136, 100), 64, 64, split_rule="two")) == 2


def test_the_rule_of_2022_never_shows_what_is_not_in_the_picture() -> None:
    """A1111 cropped beyond the picture when the target was longer still."""
    assert tiles(gradient(64, 96), 64, 128, split_rule="two") == []
    for tile in tiles(gradient(60, 120), 128, 64, split_rule="two"):
        assert reds(tile) == pytest.approx((0, 255), abs=3)


def test_a_picture_that_would_fill_the_disk_with_tiles_is_refused() -> None:
    with pytest.raises(DataError, match="parts"):
        tiles(Image.new("RGB", (MOST_TILES * 4, 1)), 64, 64)


# --- auto-sized crop --------------------------------------------------------------------------


def theirs_size(
    width: int,
    height: int,
    low: int,
    high: int,
    areas: tuple[int, int],
    goal: Objective,
    most: float,
) -> tuple[int, int] | None:
    """A1111's search, written anew."""
    best: tuple[tuple[float, float], tuple[int, int]] | None = None
    for w in range(low, high + 1, 64):
        for h in range(low, high + 1, 64):
            ratio = width / height / (w / h)
            error = 1 - (ratio if ratio < 1 else 1 / ratio)
            if not (areas[0] <= w * h <= areas[1] and error <= most):
                continue
            worth = (float(w * h), -error) if goal == "Maximize area" else (-error, float(w * h))
            if best is None or worth > best[0]:
                best = worth, (w, h)
    return best and best[1]


@pytest.mark.parametrize(
    ("size", "area_first", "error_first"),
    [
        ((512, 512), (640, 640), (640, 640)),
        ((300, 512), (448, 768), (448, 768)),
        ((1024, 512), (768, 384), (768, 384)),
        ((600, 400), (768, 512), (768, 512)),
        ((1000, 920), (640, 640), (640, 576)),
        ((1920, 1080), (768, 448), (704, 384)),
        ((100, 1000), None, None),
    ],
)
def test_golden_auto_sizes(
    size: tuple[int, int],
    area_first: tuple[int, int] | None,
    error_first: tuple[int, int] | None,
) -> None:
    assert best_size(*size, AutosizeConfig()) == area_first
    assert best_size(*size, AutosizeConfig(multicrop_objective="Minimize error")) == error_first


@given(
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.sampled_from(["Maximize area", "Minimize error"]),
    st.floats(0, 1),
    st.sampled_from([(384, 768), (64, 512), (520, 520)]),
)
@settings(deadline=None, max_examples=60)
def test_auto_sizes_are_those_of_a1111(
    width: int, height: int, goal: Objective, most: float, sides: tuple[int, int]
) -> None:
    config = AutosizeConfig(
        multicrop_mindim=sides[0],
        multicrop_maxdim=sides[1],
        multicrop_objective=goal,
        multicrop_threshold=most,
    )
    theirs = theirs_size(width, height, *sides, (64 * 64, 640 * 640), goal, most)
    assert best_size(width, height, config) == theirs


def test_an_auto_sized_crop_keeps_the_centre_undistorted() -> None:
    found = auto_sized(gradient(400, 200), AutosizeConfig(multicrop_maxdim=448))
    assert found is None, "nothing with sides from 384 to 448 is twice as long"
    found = auto_sized(gradient(420, 200), AutosizeConfig())
    assert found is not None
    assert found.size == (768, 384)
    left, right = reds(found)
    assert left == 255 - right == pytest.approx(255 * 10 / 420, abs=2)


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(ConfigError, match="multicrop_maxdim"):
        AutosizeConfig(multicrop_mindim=512, multicrop_maxdim=448)
    with pytest.raises(ConfigError, match="multicrop_maxarea"):
        AutosizeConfig(multicrop_minarea=300_000, multicrop_maxarea=200_000)


# --- together ---------------------------------------------------------------------------------


def test_treatments_add_up_in_a1111s_order_and_the_default_is_left_out() -> None:
    config = PreprocessConfig(
        width=64,
        height=64,
        keep_original_size=True,
        split_images=SplitConfig(split=True),
        focal_point=FocalConfig(focal_crop=True),
        auto_size=AutosizeConfig(multicrop=True),
    )
    found = made(gradient(192, 96), config)
    assert [image.size for image in found] == [(64, 64)] * 4 + [(768, 384), (192, 96)]
    assert found[-1].tobytes() == gradient(192, 96).tobytes(), "the untouched image as well"


def test_a_square_picture_gets_the_default_when_split_and_focal_crop_do_not_apply() -> None:
    config = PreprocessConfig(
        width=64,
        height=64,
        split_images=SplitConfig(split=True),
        focal_point=FocalConfig(focal_crop=True),
    )
    assert [image.size for image in made(gradient(96, 96), config)] == [(64, 64)]


def test_an_original_alone_is_not_resized() -> None:
    config = PreprocessConfig(keep_original_size=True)
    assert [image.size for image in made(gradient(90, 50), config)] == [(90, 50)]


def test_nothing_is_made_when_no_auto_size_fits() -> None:
    told: list[str] = []
    config = PreprocessConfig(auto_size=AutosizeConfig(multicrop=True))
    assert list(treat(gradient(900, 90), config, note=told.append)) == []
    assert told == ["no auto-sized crop: 900x90 is near to none of the sizes"]


@pytest.mark.parametrize(
    ("size", "mode", "said"),
    [((32, 64), "cover", True), ((32, 64), "pad", False), ((60, 60), "cover", False)],
)
def test_a_picture_that_is_enlarged_is_noted(
    size: tuple[int, int], mode: ResizeMode, said: bool
) -> None:
    told: list[str] = []
    config = PreprocessConfig(width=64, height=64, resize_mode=mode)
    list(treat(gradient(*size), config, note=told.append))
    assert told == (["it has only 32x64 pixels and is enlarged 2.0 times"] if said else [])
