"""Pictures mirrored or in other colours, by chance."""

from __future__ import annotations

import colorsys

import pytest
import torch

from ti_core.data.augment import coloured, draws_colour, draws_flip

PLACES = [(step, slot) for step in range(500) for slot in range(4)]


def flat(red: int, green: int, blue: int) -> torch.Tensor:
    """One colour, 8 pixels a side."""
    return (torch.tensor([red, green, blue]) / 127.5 - 1).view(3, 1, 1).expand(3, 8, 8)


def hue(pixels: torch.Tensor) -> float:
    return colorsys.rgb_to_hsv(*((pixels[:, 0, 0] + 1) / 2).tolist())[0]


def test_half_of_the_pictures_are_mirrored_and_always_the_same() -> None:
    flips = [draws_flip(1, *place) for place in PLACES]
    assert 0.45 < sum(flips) / len(flips) < 0.55
    assert flips == [draws_flip(1, *place) for place in PLACES]
    assert flips != [draws_flip(2, *place) for place in PLACES]


def test_a_third_of_the_pictures_change_either_hue_or_brightness_within_kohya_s_limits() -> None:
    draws = [draws_colour(1, *place) for place in PLACES]
    changes = [draw for draw in draws if draw]
    assert 0.29 < len(changes) / len(draws) < 0.37
    assert all((turn == 0) != (gamma == 1) for turn, gamma in changes)
    assert max(abs(turn) for turn, _ in changes) == pytest.approx(8 / 180, rel=0.05)
    gammas = [gamma for _, gamma in changes if gamma != 1]
    assert 0.95 <= min(gammas) < 0.96
    assert 1.04 < max(gammas) <= 1.05
    assert draws == [draws_colour(1, *place) for place in PLACES]


@pytest.mark.parametrize("turn", [8 / 180, -8 / 180])
def test_the_hue_turns_by_as_much_as_told(turn: float) -> None:
    for colour in ((200, 60, 30), (30, 200, 60), (90, 80, 210)):
        before, after = flat(*colour), coloured(flat(*colour), turn, 1.0)
        assert (hue(after) - hue(before) - turn + 0.5) % 1 - 0.5 == pytest.approx(0, abs=0.01)
        assert after.max().item() == pytest.approx(before.max().item(), abs=0.02)


def test_grey_has_no_hue_to_turn() -> None:
    grey = flat(120, 120, 120)
    assert torch.allclose(coloured(grey, 8 / 180, 1.0), grey, atol=0.01)


def test_brightness_bends_and_black_and_white_stay() -> None:
    assert torch.equal(coloured(flat(0, 0, 0), 0, 0.95), flat(0, 0, 0))
    assert torch.equal(coloured(flat(255, 255, 255), 0, 1.05), flat(255, 255, 255))
    assert coloured(flat(128, 128, 128), 0, 0.95).mean() > flat(128, 128, 128).mean()
    assert coloured(flat(128, 128, 128), 0, 1.05).mean() < flat(128, 128, 128).mean()
