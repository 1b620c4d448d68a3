"""The curves of loss and strength as SVGs: sharp at any size, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ti_core.train.plot import loss_range, moving_average, validation_range
from ti_core.train.validations import Found, best_of

_WIDTH, _HEIGHT = 640, 200
_LEFT, _BOTTOM, _TOP = 52, 22, 8
"""Margins, in the SVG's own units."""
Point = tuple[int, float]
"""(step, number)"""


def curve(
    points: Sequence[tuple[int, float, float]],
    segments: Sequence[tuple[int, int, float]] = (),
    validations: Sequence[Found] = (),
) -> str:
    """An SVG of (step, loss, rate) points and of validations; a line marks where a segment of the
    schedule ends.

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
        f'<polyline class="ti-mean" points="{place.all(steps, mean)}"/>'
        f"{_validated(place, validations)}</svg>"
    )


def strength_curve(strengths: Sequence[Point], drifts: Sequence[Point]) -> str:
    """An SVG of (step, number): the greatest length of a vector and the greatest distance from its
    start, on one scale; 1 is the length of an ordinary word.

    Empty with fewer than two points.
    """
    strengths, drifts = _finite(strengths), _finite(drifts)
    if len(strengths) < 2:
        return ""
    first, last = strengths[0][0], max(strengths[-1][0], strengths[0][0] + 1)
    top = 1.05 * max(1.0, *(number for _, number in (*strengths, *drifts)))
    place = _Place(first, last, 0.0, top)
    lines = [_line("ti-strength", place.all(*zip(*strengths, strict=True)), "strength")]
    if len(drifts) > 1:
        shown = place.all(*zip(*drifts, strict=True))
        lines.append(_line("ti-drift", shown, "drift: distance from the start"))
    return (
        f'<svg class="ti-curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="strength {strengths[-1][1]:.2f}">{_axes(place)}{"".join(lines)}</svg>'
    )


def _finite(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point[1])]


def _validated(place: _Place, found: Sequence[Found]) -> str:
    """On a scale of their own, for they differ little beside the losses of single steps; a dot at
    the best."""
    shown = [one for one in found if place.first - 1 <= one.step <= place.last]
    if len(shown) < 2:
        return ""
    own = _Place(place.first, place.last, *validation_range(shown))
    steps = [max(one.step, own.first) for one in shown]
    lines = [_line("ti-validation", own.all(steps, [one.loss for one in shown]), "validation loss")]
    held_out = [one.held_out for one in shown if one.held_out is not None]
    if len(held_out) == len(shown):
        lines.append(_line("ti-held-out", own.all(steps, held_out), "loss of held-out images"))
    if best := best_of(shown):
        x, y, said = own.x(best.step), own.y(best.judged_by), f"best at step {best.step:,}"
        lines.append(
            f'<circle class="ti-best-dot" cx="{x:.1f}" cy="{y:.1f}" r="4">'
            f"<title>{said}: {best.judged_by:.4f}</title></circle>"
        )
    return "".join(lines)


def _line(kind: str, points: str, title: str) -> str:
    return f'<polyline class="{kind}" points="{points}"><title>{title}</title></polyline>'


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
