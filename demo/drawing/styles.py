"""Styles of drawing: how a figure's mask and colours become pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .outlines import Numbers, numpy_generator

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Style:
    """One way of drawing. Lengths are pixels of a 96 px image; 0 or "" switches a thing off."""

    hollow: bool = False
    border: float = 0.0
    border_tone: str = ""  # "black", "white", "dark", or "own" for the figure's colour
    shadow: tuple[float, float] = (0.0, 0.0)
    shadow_ink: float = 0.0  # 0 none .. 1 black
    wobble: float = 0.0
    strokes: int = 1  # contours drawn over each other, each with its own wobble
    shade: float = 0.0  # 0 flat .. 1 from light to black, top to bottom
    halo: float = 0.0
    pixel: int = 0
    soft: float = 0.0


NAMED: dict[str, Style] = {
    "flat": Style(),
    "outline": Style(hollow=True, border=4.5, border_tone="own"),
    "pixel": Style(pixel=6),
    "soft": Style(soft=2.6),
    "sketch": Style(hollow=True, border=2.2, border_tone="own", wobble=3.2, strokes=3),
    "shadow": Style(shadow=(6, 6), shadow_ink=0.45),
    "sticker": Style(border=4.0, border_tone="white", shadow=(2, 3), shadow_ink=0.35),
    "shaded": Style(shade=0.75),
    "neon": Style(halo=6.0, border=2.0, border_tone="white"),
    # Held out: a thick black contour and a hard black shadow; apart, both are known to the model.
    "comic": Style(border=3.4, border_tone="black", shadow=(6, 6), shadow_ink=1.0),
}


@lru_cache(maxsize=256)
def style(name: str) -> Style:
    """The style of a word; unknown names give a random style that is never the held-out one."""
    return NAMED[name] if name in NAMED else _random(name)


def _random(name: str) -> Style:
    rng, drawn = numpy_generator("style", name), Style()
    for feature in rng.permutation(6)[: rng.integers(2, 4)]:
        drawn = _with_feature(drawn, int(feature), rng)
    if drawn.shadow_ink and drawn.border_tone == "black":
        drawn = replace(drawn, border_tone="white")
    return drawn


def _with_feature(drawn: Style, feature: int, rng: np.random.Generator) -> Style:
    if feature == 0:
        tone = str(rng.choice(["black", "white", "dark"]))
        return replace(drawn, border=float(rng.uniform(2.2, 4.5)), border_tone=tone)
    if feature == 1:
        way = rng.choice([-1, 1], 2) * rng.uniform(3, 7, 2)
        ink = float(rng.uniform(0.3, 1))
        return replace(drawn, shadow=(float(way[0]), float(way[1])), shadow_ink=ink)
    if feature == 2:
        return replace(drawn, wobble=float(rng.uniform(2, 4)))
    if feature == 3:
        return replace(drawn, shade=float(rng.uniform(0.5, 0.9)))
    if feature == 4:
        return replace(drawn, halo=float(rng.uniform(3, 7)))
    coarse = rng.random() < 0.5
    return replace(drawn, pixel=int(rng.integers(4, 9))) if coarse else replace(drawn, soft=1.8)


def grown(mask: Mask, steps: int) -> Mask:
    """A (H, W) bool mask dilated by `steps` pixels (eroded if negative), roughly round."""
    if steps < 0:
        return ~grown(~mask, -steps)
    padded = np.pad(mask, steps)
    for step in range(steps):
        wide = padded.copy()
        wide[1:] |= padded[:-1]
        wide[:-1] |= padded[1:]
        source = wide.copy() if step % 2 else padded
        wide[:, 1:] |= source[:, :-1]
        wide[:, :-1] |= source[:, 1:]
        padded = wide
    return padded[steps:-steps, steps:-steps] if steps else padded


def soft_field(mask: Mask, radius: float) -> Numbers:
    """A (H, W) mask as a soft field in [0, 1]."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def moved(mask: Mask, dx: int, dy: int) -> Mask:
    """The mask shifted by whole pixels; what leaves the image is lost."""
    canvas, (h, w) = np.zeros_like(mask), mask.shape
    y0, y1, x0, x1 = max(dy, 0), min(h + dy, h), max(dx, 0), min(w + dx, w)
    canvas[y0:y1, x0:x1] = mask[y0 - dy : y1 - dy, x0 - dx : x1 - dx]
    return canvas


def finished(picture: Image.Image, drawn: Style, size: int) -> Image.Image:
    """The supersampled image reduced to `size`, pixelated or blurred if the style says so."""
    if drawn.soft:
        radius = drawn.soft * picture.width / 96
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    if drawn.pixel:
        blocks = max(1, round(96 / drawn.pixel))
        small = picture.resize((blocks, blocks), Image.Resampling.BOX)
        return small.resize((size, size), Image.Resampling.NEAREST)
    return picture.resize((size, size), Image.Resampling.BOX)
