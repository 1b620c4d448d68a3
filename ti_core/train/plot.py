"""Images of the loss and of the vectors, drawn with Pillow so that every host can make it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..files.atomic import write_bytes
from ..files.lettering import Font, default_font
from .standing import DRIFT, STRENGTH, Curve, Standing, curves_of, greatest
from .validations import Found, best_of

_SIZE = (960, 480)
_BOX = (80, 40, 920, 410)
"""Left, top, right, bottom of the plot area, in pixels."""
_RAW, _SMOOTH, _RATE = (200, 212, 228), (37, 99, 175), (217, 119, 6)
_PALE = (246, 220, 186)
_VALIDATED, _HELD_OUT = (22, 135, 62), (147, 51, 190)
_GREY, _GRID = (90, 90, 90), (232, 232, 232)


def moving_average(values: Sequence[float], weight: float = 0.97) -> list[float]:
    """Exponential moving average without the pull towards 0 at the start (Kingma & Ba 2015, §3)."""
    mean, share, result = 0.0, 0.0, []
    for value in values:
        mean = weight * mean + (1 - weight) * value
        share = weight * share + (1 - weight)
        result.append(mean / share)
    return result


def draw_loss(
    points: Sequence[tuple[int, float, float]], title: str, validations: Sequence[Found] = ()
) -> Image.Image:
    """Loss of each step, its moving average, the validations with a dot at the best of them, and
    the learning rate below.

    points: (step, loss, rate), steps rising.
    """
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    font = default_font(16)
    _write(draw, font, (_BOX[0], 12), title, fill=(20, 20, 20))
    points = [p for p in points if math.isfinite(p[1])]
    if len(points) < 2:
        _write(draw, font, (_BOX[0], 200), "not enough steps for a plot yet")
        return image
    steps, losses, rates = (list(column) for column in zip(*points, strict=True))
    low, high = loss_range(losses)
    _grid(draw, font, (steps[0], steps[-1]), (low, high))
    _line(draw, steps, losses, (low, high), _RAW, 1)
    _line(draw, steps, rates, (0.0, max(rates) * 4), _RATE, 1)
    _line(draw, steps, moving_average(losses), (low, high), _SMOOTH, 3)
    _legend(draw, font, max(rates))
    shown = [one for one in validations if steps[0] - 1 <= one.step <= steps[-1]]
    if len(shown) > 1:
        _draw_validations(draw, font, (steps[0], steps[-1]), shown)
    return image


def draw_strength(found: Sequence[Standing], title: str) -> Image.Image:
    """How strong each vector is and how far from its beginning, steps rising; bold, the greatest of
    each."""
    image = Image.new("RGB", _SIZE, "white")
    draw, font = ImageDraw.Draw(image), default_font(16)
    _write(draw, font, (_BOX[0], 12), title, fill=(20, 20, 20))
    if len(found) < 2:
        _write(draw, font, (_BOX[0], 200), "not enough steps for a plot yet")
        return image
    steps, curves = (found[0].step, found[-1].step), curves_of(found)
    limits = (0.0, 1.05 * max(value for points in curves.values() for _, value in points) or 1.0)
    _grid(draw, font, steps, limits)
    for name, points in curves.items():
        colour = _RAW if name.startswith(STRENGTH) else _PALE
        _curve(draw, points, limits, colour, 1, steps)
    entries = (
        (_SMOOTH, STRENGTH, "strength: length, 1 is an ordinary word"),
        (_RATE, DRIFT, "drift: distance from the start, same unit"),
    )
    for colour, what, _ in entries:
        if points := greatest(found, what):
            _curve(draw, points, limits, colour, 3, steps)
    _entries(draw, font, [(colour, text) for colour, _, text in entries], 420)
    return image


def _draw_validations(
    draw: ImageDraw.ImageDraw, font: Font, steps: tuple[int, int], found: Sequence[Found]
) -> None:
    """On a scale of their own, which is written at the right: they differ little beside the losses
    of single steps."""
    limits = validation_range(found)
    at = [max(one.step, steps[0]) for one in found]
    lines = [(_VALIDATED, [one.loss for one in found], "validation")]
    held_out = [one.held_out for one in found if one.held_out is not None]
    if len(held_out) == len(found):
        lines.append((_HELD_OUT, held_out, "held out"))
    for number, (colour, losses, text) in enumerate(lines):
        _line(draw, at, losses, limits, colour, 2, steps)
        place = _BOX[2] - 160 * (len(lines) - number) + 30
        draw.line((place - 38, 20, place - 8, 20), fill=colour, width=4)
        _write(draw, font, (place, 20), text, (0, 0.5))
    for value, y in zip(limits, (_BOX[3] - 4, _BOX[1] + 20), strict=True):
        _write(draw, font, (_BOX[2] - 4, y), f"{value:.3g}", (1, 1), lines[-1][0])
    if best := best_of(found):
        _dot(draw, steps, best, limits, lines[-1][0])


def _dot(
    draw: ImageDraw.ImageDraw,
    steps: tuple[int, int],
    best: Found,
    limits: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    x, y = _place(steps, limits, best.step, best.judged_by)
    draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour, outline="white", width=2)


def save_loss_plot(
    path: Path,
    points: Sequence[tuple[int, float, float]],
    title: str,
    validations: Sequence[Found] = (),
) -> None:
    """Draw and write the plot. Raises StorageError."""
    data = io.BytesIO()
    draw_loss(points, title, validations).save(data, "PNG")
    write_bytes(path, data.getvalue())


def save_strength_plot(path: Path, found: Sequence[Standing], title: str) -> None:
    """Draw and write `draw_strength`. Raises StorageError."""
    data = io.BytesIO()
    draw_strength(found, title).save(data, "PNG")
    write_bytes(path, data.getvalue())


def _write(
    draw: ImageDraw.ImageDraw,
    font: Font,
    place: tuple[float, float],
    text: str,
    shift: tuple[float, float] = (0, 0),
    fill: tuple[int, int, int] = _GREY,
) -> None:
    """Text at a place, moved left and up by these shares of its size: the bitmap font knows no
    anchors, and only the letters of Latin-1."""
    if isinstance(font, ImageFont.ImageFont):
        text = text.encode("latin-1", "replace").decode("latin-1")
    _, _, right, bottom = font.getbbox(text)
    place = (place[0] - shift[0] * right, place[1] - shift[1] * bottom)
    draw.text(place, text, fill=fill, font=font)


def loss_range(losses: Sequence[float]) -> tuple[float, float]:
    """The middle 98 %: one outlier must not flatten the curve."""
    ordered = sorted(losses)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    return _with_margin(low, high)


def validation_range(found: Sequence[Found]) -> tuple[float, float]:
    """All of them."""
    losses = [loss for one in found for loss in (one.loss, one.held_out) if loss is not None]
    return _with_margin(min(losses), max(losses))


def _with_margin(low: float, high: float) -> tuple[float, float]:
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def _grid(
    draw: ImageDraw.ImageDraw, font: Font, steps: tuple[int, int], losses: tuple[float, float]
) -> None:
    left, top, right, bottom = _BOX
    for i in range(5):
        y = bottom - (bottom - top) * i / 4
        draw.line((left, y, right, y), fill=_GRID)
        value = losses[0] + (losses[1] - losses[0]) * i / 4
        _write(draw, font, (left - 10, y), f"{value:.3g}", (1, 0.5))
        x = left + (right - left) * i / 4
        step = round(steps[0] + (steps[1] - steps[0]) * i / 4)
        _write(draw, font, (x, bottom + 10), str(step), (0.5, 0))
    draw.line((left, bottom, right, bottom), fill=_GREY)


def _line(
    draw: ImageDraw.ImageDraw,
    steps: Sequence[int],
    values: Sequence[float],
    limits: tuple[float, float],
    colour: tuple[int, int, int],
    width: int,
    ends: tuple[int, int] | None = None,
) -> None:
    """`ends`: the steps at the plot's left and right, where those of the line are not."""
    ends = ends or (steps[0], steps[-1])
    _curve(draw, [*zip(steps, values, strict=True)], limits, colour, width, ends)


def _curve(
    draw: ImageDraw.ImageDraw,
    points: Curve,
    limits: tuple[float, float],
    colour: tuple[int, int, int],
    width: int,
    ends: tuple[int, int],
) -> None:
    places = [_place(ends, limits, step, value) for step, value in points]
    draw.line(places, fill=colour, width=width, joint="curve")


def _place(
    ends: tuple[int, int], limits: tuple[float, float], step: int, value: float
) -> tuple[float, float]:
    left, top, right, bottom = _BOX
    x = left + (right - left) * (step - ends[0]) / max(1, ends[1] - ends[0])
    y = bottom - (bottom - top) * (value - limits[0]) / (limits[1] - limits[0])
    return x, min(bottom, max(top, y))


def _legend(draw: ImageDraw.ImageDraw, font: Font, highest_rate: float) -> None:
    rate = f"learning rate (highest {highest_rate:g})"
    _entries(draw, font, ((_RAW, "loss"), (_SMOOTH, "moving average"), (_RATE, rate)), 240)


def _entries(
    draw: ImageDraw.ImageDraw,
    font: Font,
    entries: Sequence[tuple[tuple[int, int, int], str]],
    width: int,
) -> None:
    """A stroke of each colour and what it means, so many pixels apart."""
    for i, (colour, text) in enumerate(entries):
        x = _BOX[0] + width * i
        draw.line((x, 458, x + 30, 458), fill=colour, width=4)
        _write(draw, font, (x + 38, 458), text, (0, 0.5))
