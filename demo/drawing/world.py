"""The world of the demo model: draws the image of a scene.

Everything is drawn from a `Scene` alone, so an image is a function of a few words and a seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ti_core.demo import lexicon as words
from ti_core.demo.scene import SIZE, Scene

from .outlines import Numbers, outline
from .styles import Mask, Style, finished, grown, moved, soft_field, style
from .textures import texture

_RADII = {"small": 19.0, "medium": 28.0, "big": 37.0}
_WAYS = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "centre": (0, 0)}
_LAYOUTS = {
    "one": ((0.0, 0.0, 1.0),),
    "two": ((-22.5, 0.0, 20.0), (22.5, 0.0, 20.0)),
    "three": ((-23.0, 14.0, 18.0), (23.0, 14.0, 18.0), (0.0, -23.0, 18.0)),
}


def _second_tone(colour: str) -> tuple[int, int, int]:
    """The other colour of a texture: a light tint of dark colours, a dark shade of light ones."""
    special = {"white": (150, 150, 150), "black": (150, 150, 150), "gray": (230, 230, 230)}
    if colour in special:
        return special[colour]
    own = np.array(words.COLOURS[colour], float)
    light = colour in ("yellow", "orange", "pink", "cyan")
    mixed = own * 0.25 if light else own * 0.25 + 255 * 0.75
    red, green, blue = (int(value) for value in mixed)
    return red, green, blue


def draw(scene: Scene, size: int = SIZE) -> Image.Image:
    """The scene as an RGB image of size x size pixels."""
    rng, drawn = np.random.default_rng(scene.seed), style(scene.style)
    scale = 2 * size / SIZE
    tint = rng.normal(0, 2.5, (2, 3))
    ground = np.array(words.COLOURS[scene.background]) + tint[0]
    canvas = np.empty((2 * size, 2 * size, 3), np.float32)
    canvas[:] = ground
    for x, y, radius, turn in _places(scene, rng):
        mask = _mask(scene.shape, (x, y, radius, turn), drawn.wobble, 2 * size, rng)
        _paint(canvas, mask, scene, drawn, (x, y), tint[1], scale, rng)
    picture = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    return finished(picture, drawn, size)


def _places(scene: Scene, rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """x, y (px from the middle, of 96), radius and turn of every figure of the scene."""
    found = []
    for x, y, radius in _LAYOUTS[scene.count]:
        if scene.count == "one":
            radius = _RADII[scene.size] * rng.uniform(0.94, 1.06)
            room = max(46 - radius, 0)
            x, y = np.array(_WAYS[scene.place]) * room * 0.92 + rng.normal(0, 0.06, 2) * room
        else:
            x, y = np.array([x, y]) + rng.normal(0, 0.8, 2)
        found.append((float(x), float(y), float(radius), float(rng.normal(0, 0.05))))
    return found


def _mask(
    shape: str,
    pose: tuple[float, float, float, float],
    wobble: float,
    pixels: int,
    rng: np.random.Generator,
) -> Mask:
    """The figure as a (pixels, pixels) bool mask."""
    x, y, radius, turn = pose
    scale = pixels / SIZE
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    sheet = Image.new("1", (pixels, pixels))
    pen = ImageDraw.Draw(sheet)
    for ink, points in outline(shape):
        placed = points @ rotation * radius
        if wobble:
            placed = _wobbled(placed, wobble, rng)
        placed = (placed + np.array([x, y]) + SIZE / 2) * scale
        pen.polygon([tuple(point) for point in placed], fill=ink)
    return np.array(sheet)


def _wobbled(points: Numbers, amount: float, rng: np.random.Generator) -> Numbers:
    """The closed line with more points, displaced by a few slow random waves, `amount` px."""
    dense = np.concatenate(
        [_between(a, b) for a, b in zip(points, np.roll(points, -1, 0), strict=True)]
    )
    place = dense / 14.0
    for _ in range(2):
        wave, phase = rng.normal(0, 1, (2, 2)), rng.uniform(0, 6.28, 2)
        dense = dense + amount * 0.45 * np.sin(place @ wave + phase)
    return dense


def _between(a: Numbers, b: Numbers) -> Numbers:
    steps = max(1, int(np.hypot(*(b - a)) / 3))
    return a + (b - a) * np.arange(steps)[:, None] / steps


def _paint(
    canvas: NDArray[np.float32],
    mask: Mask,
    scene: Scene,
    drawn: Style,
    middle: tuple[float, float],
    tint: Numbers,
    scale: float,
    rng: np.random.Generator,
) -> None:
    """One figure onto the (H, W, 3) canvas: shadow, halo, fill, contour."""
    colour = np.array(words.COLOURS[scene.colour]) + tint
    if drawn.shadow_ink:
        dx, dy = (round(value * scale) for value in drawn.shadow)
        base = grown(mask, round(drawn.border * scale / 2))
        canvas[moved(base, dx, dy)] *= 1 - drawn.shadow_ink
    if drawn.halo:
        glow = soft_field(grown(mask, round(scale * 3)), drawn.halo * scale)[..., None] * 0.85
        canvas *= 1 - glow
        canvas += glow * (colour * 0.6 + 255 * 0.4)
    if not drawn.hollow:
        canvas[mask] = _filling(mask, scene, drawn, middle, colour, scale)
    for _ in range(drawn.strokes if drawn.border else 0):
        canvas[_contour(mask, drawn, scale, rng)] = _border_colour(drawn, colour)


def _filling(
    mask: Mask,
    scene: Scene,
    drawn: Style,
    middle: tuple[float, float],
    colour: Numbers,
    scale: float,
) -> Numbers:
    """The (n, 3) colours of the n pixels inside the mask."""
    y, x = np.nonzero(mask)
    px = (x + 0.5) / scale - SIZE / 2 - middle[0]
    py = (y + 0.5) / scale - SIZE / 2 - middle[1]
    share = texture(scene.texture, px, py)[:, None]
    fill = colour * share + np.array(_second_tone(scene.colour)) * (1 - share)
    if drawn.shade:
        depth = (y - y.min()) / max(np.ptp(y), 1) if len(y) else y
        fill = fill * (1 - drawn.shade * depth)[:, None] + 60 * drawn.shade * (1 - depth)[:, None]
    return fill


def _contour(mask: Mask, drawn: Style, scale: float, rng: np.random.Generator) -> Mask:
    """The bool mask of a line along the figure's edge; of several strokes each is shifted."""
    half = max(1, round(drawn.border * scale / 2))
    if drawn.strokes > 1:
        mask = moved(mask, *(int(v) for v in rng.integers(-2, 3, 2) * max(1, round(scale / 2))))
    return grown(mask, half) & ~grown(mask, -half)


def _border_colour(drawn: Style, colour: Numbers) -> Numbers:
    tones = {"black": np.full(3, 15.0), "white": np.full(3, 250.0), "dark": colour * 0.4}
    return tones.get(drawn.border_tone, colour)
