"""A picture of the loss."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from ti_core.train.plot import draw_loss, moving_average, save_loss_plot
from ti_core.train.validations import Found


def test_the_average_starts_at_the_first_value_not_at_zero() -> None:
    """A1111's first display seemed to rise for 32 steps."""
    assert moving_average([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_the_average_stays_within_its_values(values: list[float]) -> None:
    for i, mean in enumerate(moving_average(values), 1):
        assert min(values[:i]) - 1e-3 <= mean <= max(values[:i]) + 1e-3


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [1.0],
        [1.0, 1.0],
        [0.0, 0.0],
        [1.0, math.nan, 2.0],
        [math.nan] * 3,
        [1.0, math.inf],
        [-5.0, 3.0],
        [1e-30, 1e30],
    ],
)
def test_every_curve_can_be_drawn(losses: list[float]) -> None:
    points = [(i + 1, loss, 0.005) for i, loss in enumerate(losses)]
    assert draw_loss(points, "zz").size == (960, 480)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=2, max_size=200))
def test_a_curve_leaves_ink(losses: list[float]) -> None:
    image = draw_loss([(i, loss, 0.1) for i, loss in enumerate(losses)], "zz")
    assert len(image.getcolors(10**6) or []) > 5


HELD = [Found(0, 0.5, 0.6), Found(10, 0.2, 0.3), Found(20, 0.1, 0.4)]


@pytest.mark.parametrize(
    ("found", "green", "purple"),
    [
        ([], False, False),
        ([Found(0, 0.5)], False, False),
        ([Found(0, 0.5), Found(10, 0.2), Found(20, 0.2)], True, False),
        ([Found(0, 0.5), Found(0, 0.5)], True, False),
        (HELD, True, True),
        ([*HELD, Found(90, 0.0, 0.0)], True, True),
        ([Found(0, 0.5), *HELD[1:]], True, False),  # pictures were held out from some step on
    ],
)
def test_validations_have_lines_of_their_own(found: list[Found], green: bool, purple: bool) -> None:
    points = [(step, 0.3, 0.1) for step in range(1, 31)]
    colours = {colour for _, colour in draw_loss(points, "zz", found).getcolors(10**6) or []}
    assert ((22, 135, 62) in colours, (147, 51, 190) in colours) == (green, purple)


def test_the_plot_is_a_png(tmp_path: Path) -> None:
    save_loss_plot(tmp_path / "loss.png", [(1, 1.0, 0.1), (2, 0.5, 0.1)], "käse")
    with Image.open(tmp_path / "loss.png") as image:
        assert image.format == "PNG"


def test_an_older_pillow_with_its_one_bitmap_font_draws_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A1111 and Forge have Pillow 9.5: `load_default` takes no size, and anchors are unknown."""
    font = ImageFont.load_default_imagefont()
    monkeypatch.setattr(ImageFont, "load_default", lambda: font)
    drawn = draw_loss([(i, 0.1 + i / 100, 0.005) for i in range(1, 50)], "a–word")
    label = np.asarray(drawn.crop((10, 20, 80, 420)).convert("L"))
    assert label.min() < 128, "the numbers stand left of the plot"
