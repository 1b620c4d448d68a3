"""Images that change from step to step: mirrored, or in slightly other colours.

Every draw is a function of (seed, step, slot), as all of training's are.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from ..randomness import generator
from .images import to_image, to_tensor

_HUE, _GAMMA = 8 / 180, 0.05
"""Of the colour circle, and of 1, either way: kohya's limits (`AugHelper.color_aug`)."""
_CHANCE = 0.33
"""Of an image to be changed at all."""


def draws_flip(seed: int, step: int, slot: int) -> bool:
    """Whether the image in this place is shown mirrored: half of the time."""
    return bool(torch.rand(1, generator=generator(seed, "flip", step, slot)) < 0.5)


def draws_colour(seed: int, step: int, slot: int) -> tuple[float, float] | None:
    """(turn of the hue, of the colour circle; gamma) for this place; None is unchanged.

    Either the hue turns or the brightness changes, a third of the time one of them, as in kohya's
    scripts.
    """
    chance, which, amount = torch.rand(
        3, generator=generator(seed, "colour", step, slot), dtype=torch.float64
    ).tolist()
    if chance > _CHANCE:
        return None
    amount = 2 * amount - 1
    return (amount * _HUE, 1.0) if which > 0.5 else (0.0, 1 + amount * _GAMMA)


def coloured(pixels: Tensor, hue: float, gamma: float) -> Tensor:
    """(3, H, W) in [-1, 1] with its hue turned and its brightness bent, in steps of 1/255.

    kohya bends values of 0 to 255, not of 0 to 1, so that its gamma changes the brightness of the
    whole image by a quarter; here black stays black and white stays white.
    """
    if gamma != 1:
        return ((pixels + 1) / 2).clamp(0, 1) ** gamma * 2 - 1
    bands = to_image(pixels).convert("HSV").split()
    turned = bands[0].point([(value + round(hue * 256)) % 256 for value in range(256)])
    return to_tensor(Image.merge("HSV", (turned, *bands[1:])).convert("RGB"))
