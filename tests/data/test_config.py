"""Settings of the dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ti_core.data.config import DataConfig, TagConfig
from ti_core.errors import ConfigError
from ti_core.options import from_dict


@pytest.mark.parametrize("size", [(64, 64), (512, 768), (2048, 64), None])
def test_sizes_in_steps_of_eight_are_taken(size: tuple[int, int] | None) -> None:
    assert DataConfig(resolution=size).resolution == size


@pytest.mark.parametrize(
    "size",
    [
        (0, 64),
        (60, 60),
        (56, 64),
        (2056, 64),
        (65, 64),
        (64,),
        (64, 64, 64),
        (),
        512,
        "ab",
        ("64", "64"),
        (64.5, 64),
    ],
)
def test_other_sizes_are_config_errors(size: Any) -> None:
    with pytest.raises(ConfigError, match="resolution"):
        DataConfig(resolution=size)


def test_a_size_from_json_is_the_same_size() -> None:
    assert from_dict(DataConfig, {"resolution": [64, 128]}) == DataConfig(resolution=(64, 128))


@pytest.mark.parametrize("ending", ["txt", "", ".", "a/b", "./x"])
def test_a_caption_ending_that_no_file_can_have_is_a_config_error(ending: str) -> None:
    with pytest.raises(ConfigError, match="caption_extension"):
        DataConfig(caption_extension=ending)


def test_two_templates_at_once_are_a_config_error() -> None:
    with pytest.raises(ConfigError, match="choose one"):
        DataConfig(use_object_template=True, use_style_template=True)


@pytest.mark.parametrize("name", ["resize_mode", "template_choice", "latent_sampling_method"])
def test_a_choice_that_does_not_exist_is_a_config_error(name: str) -> None:
    with pytest.raises(ConfigError, match="choose one of"):
        from_dict(DataConfig, {name: "else"})


@pytest.mark.parametrize(
    "make",
    [
        lambda text: TagConfig(caption_prefix=text),
        lambda text: TagConfig(caption_separator=text),
        lambda text: DataConfig(filename_join_string=text),
        lambda text: DataConfig(resize_mode=text),
    ],
)
def test_a_text_that_nobody_types_is_refused_in_a_short_message(
    make: Callable[[str], object],
) -> None:
    with pytest.raises(ConfigError, match=r"has 10,001 characters; give at most 10,000") as caught:
        make("x" * 10_001)
    assert len(str(caught.value)) < 100
