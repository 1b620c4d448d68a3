"""The curve of the loss as an SVG: sharp at any size, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ti_core.train.plot import loss_range, moving_average

_WIDTH, _HEIGHT = 640, 200
_LEFT, _BOTTOM, _TOP = 52, 22, 8
"""Margins, in the SVG's own units."""


def curve(
    points: Sequence[tuple[int, float, float]], segments: Sequence[tuple[int, int, float]] = ()
) -> str:
    """An SVG of (step, loss, rate) points; a line marks where a segment of the schedule ends.

    Empty with fewer than two points.
    """
    shown = [(step, loss) for step, loss, _ in points if math.isfinite(loss)]
    if len(shown) < 2:
        return ""
    steps, losses = [step for step, _ in shown], [loss for _, loss in shown]
    mean = moving_average(losses, 0.9 if len(losses) < 200 else 0.97)
    low, high = loss_range(losses)
    place = _Place(steps[0], max(steps[-1], steps[0] + 1), max(0.0, low), high)
    marks = "".join(_mark(place, end) for _, end, _ in segments if steps[0] < end < steps[-1])
    return (
        f'<svg class="ti-curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="loss {mean[-1]:.4f}">{_axes(place)}{marks}'
        f'<polyline class="ti-raw" points="{place.all(steps, losses)}"/>'
        f'<polyline class="ti-mean" points="{place.all(steps, mean)}"/></svg>'
    )


class _Place:
    """From steps and losses to the SVG's units."""

    def __init__(self, first: int, last: int, low: float, high: float) -> None:
        self.first, self.last, self.low, self.high = first, last, low, high

    def x(self, step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 8) * (step - self.first) / (self.last - self.first)

    def y(self, loss: float) -> float:
        share = (min(self.high, max(self.low, loss)) - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * share

    def all(self, steps: Sequence[int], losses: Sequence[float]) -> str:
        pairs = zip(steps, losses, strict=True)
        return " ".join(f"{self.x(step):.1f},{self.y(loss):.1f}" for step, loss in pairs)


def _axes(place: _Place) -> str:
    parts = []
    for i in range(4):
        loss = place.low + (place.high - place.low) * i / 3
        y = place.y(loss)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{loss:.3g}</text>')
    for step, anchor in ((place.first, "start"), (place.last, "end")):
        x, y = place.x(step), _HEIGHT - 6
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{step:,}</text>')
    return "".join(parts)


def _mark(place: _Place, step: int) -> str:
    x = place.x(step)
    return f'<line class="ti-mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
