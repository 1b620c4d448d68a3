"""Sizes to train at; golden values are those of kohya's scripts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.data.buckets import Frame, Size, bucket_sizes, frame_of
from ti_core.data.config import BucketConfig, DataConfig
from ti_core.data.images import placed
from ti_core.data.pictures import seen_box
from ti_core.errors import ConfigError, DataError

SD1: dict[str, Any] = {"enable_bucket": True}
SDXL = {"enable_bucket": True, "max_bucket_reso": 2048, "bucket_reso_steps": 32}
SIDES = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def frame(size: Size, resolution: Size = (512, 512), **options: Any) -> Frame:
    mode = options.pop("resize_mode", "cover")
    return frame_of(size, DataConfig(resize_mode=mode, sizes=BucketConfig(**options)), resolution)


@pytest.mark.parametrize(
    ("size", "shrinks_only", "bucket", "resized"),
    [
        ((512, 512), False, (512, 512), (512, 512)),
        ((512, 512), True, (512, 512), (512, 512)),
        ((640, 480), False, (576, 448), (597, 448)),
        ((640, 480), True, (512, 384), (512, 384)),
        ((480, 640), False, (448, 576), (448, 597)),
        ((1920, 1080), False, (640, 384), (683, 384)),
        ((1920, 1080), True, (640, 384), (683, 384)),
        ((1080, 1920), True, (384, 640), (384, 683)),
        ((3000, 2000), False, (640, 384), (640, 427)),
        ((3000, 2000), True, (576, 384), (576, 384)),
        ((257, 1000), False, (256, 1024), (263, 1024)),
        ((257, 1000), True, (256, 960), (257, 1000)),
        ((4000, 700), False, (1024, 256), (1463, 256)),
        ((4000, 700), True, (1088, 192), (1097, 192)),
        ((500, 500), False, (512, 512), (512, 512)),
        ((500, 500), True, (448, 448), (500, 500)),
        ((513, 511), True, (512, 448), (513, 511)),
        ((768, 320), False, (768, 320), (768, 320)),
        ((300, 200), True, (256, 192), (300, 200)),
        ((1000, 999), False, (512, 512), (513, 512)),
        ((333, 777), False, (320, 768), (329, 768)),
        ((333, 777), True, (320, 768), (333, 777)),
    ],
)
def test_pictures_go_into_the_buckets_they_have_in_kohya_s_scripts(
    size: Size, shrinks_only: bool, bucket: Size, resized: Size
) -> None:
    found = frame(size, **SD1, bucket_no_upscale=shrinks_only)
    assert ((found.width, found.height), found.resized) == (bucket, resized)


@pytest.mark.parametrize(
    ("size", "bucket", "resized"),
    [
        ((1500, 1000), (1248, 832), (1248, 832)),
        ((700, 900), (896, 1152), (896, 1152)),
        ((123, 456), (512, 1952), (527, 1952)),
    ],
)
def test_sdxl_s_buckets_are_kohya_s_too(size: Size, bucket: Size, resized: Size) -> None:
    found = frame(size, (1024, 1024), **SDXL)
    assert ((found.width, found.height), found.resized) == (bucket, resized)


def test_the_buckets_are_those_of_kohya_s_scripts() -> None:
    half = [(256, side) for side in (832, 896, 960, 1024)]
    half += [(320, 704), (320, 768), (384, 640), (448, 576)]
    expected = [*half, (512, 512), *((w, h) for h, w in reversed(half))]
    assert bucket_sizes((512, 512), BucketConfig()) == sorted(expected)
    wide = bucket_sizes((768, 512), BucketConfig())
    assert len(wide) == 19
    assert (576, 576) in wide
    assert (512, 768) in wide


@given(SIDES, st.booleans(), st.sampled_from([64, 32, 8]))
def test_a_bucket_is_filled_and_has_about_the_resolution_s_pixels(
    size: Size, shrinks_only: bool, step: int
) -> None:
    try:
        found = frame(size, **SD1, bucket_reso_steps=step, bucket_no_upscale=shrinks_only)
    except DataError:
        assert shrinks_only
        return
    assert found.resized is not None
    assert found.width % step == found.height % step == 0
    assert found.resized[0] >= found.width
    assert found.resized[1] >= found.height
    assert found.width * found.height <= 512 * 512 + 2 * step * max(found.width, found.height)
    if shrinks_only and size[0] * size[1] <= 512 * 512:
        assert found.resized == size


@given(SIDES)
def test_the_crop_that_sdxl_is_told_is_the_one_that_is_made(size: Size) -> None:
    found = frame(size, **SD1)
    told = placed(size, *found)
    left, top, right, bottom = seen_box(size, *found)
    assert found.resized is not None
    assert told.original == (size[1], size[0])
    assert told.target == (found.height, found.width)
    assert told.crop[0] == pytest.approx(top * found.resized[1] / size[1])
    assert told.crop[1] == pytest.approx(left * found.resized[0] / size[0])
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


def test_at_its_own_size_a_picture_loses_less_than_eight_pixels_and_nothing_is_scaled() -> None:
    assert frame((517, 300), varsize=True) == Frame(512, 296, "cover", (517, 300))
    assert seen_box((517, 300), *frame((517, 300), varsize=True)) == (2, 2, 514, 298)


@pytest.mark.parametrize("size", [(63, 500), (500, 63), (2056, 512)])
def test_what_cannot_be_trained_at_its_own_size_is_refused(size: Size) -> None:
    with pytest.raises(DataError, match="own size"):
        frame(size, varsize=True)


def test_a_small_picture_makes_no_bucket_where_none_is_enlarged() -> None:
    with pytest.raises(DataError, match="too small for a bucket"):
        frame((60, 400), **SD1, bucket_no_upscale=True)


def test_a_resolution_outside_of_the_limits_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"2048x512.*limits"):
        frame((500, 500), (2048, 512), **SD1)


def test_without_buckets_every_picture_has_the_resolution() -> None:
    assert frame((3000, 100), (448, 640), resize_mode="pad") == Frame(448, 640, "pad")


def test_other_modes_fill_a_bucket_in_their_own_way() -> None:
    assert frame((640, 480), **SD1, resize_mode="stretch") == Frame(576, 448, "stretch")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"enable_bucket": True, "varsize": True}, "both set"),
        ({"bucket_reso_steps": 12}, "bucket_reso_steps"),
        ({"min_bucket_reso": 512, "max_bucket_reso": 256}, "larger than .max_bucket_reso"),
    ],
)
def test_sizes_that_contradict_each_other_are_errors(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        BucketConfig(**options)
