"""The loss of a training as its node draws it: while it runs, at its end, and after a reload."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from ..ti_core.train.plot import loss_range, moving_average

_MOST_POINTS = 240
"""Of a drawing on a node; more cannot be seen there."""
_MOST_KEPT = 64
_kept: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()
"""(workflow, node) → the curve that was drawn last; the oldest is forgotten first."""


Points = Sequence[tuple[int, float]]
"""(step, number), steps rising."""


def curve_of(
    points: Sequence[tuple[int, float, float]], strengths: Points = (), drifts: Points = ()
) -> dict[str, Any] | None:
    """(step, loss, rate) of updates as JSON values: `steps`, `losses` and their moving average
    `means`, at most 240 of each, and the range `low` to `high` to draw them in; and as many pairs
    of the greatest `strengths` and `drifts`, from 0 to `top`.

    None with fewer than two updates.
    """
    shown = [(step, loss) for step, loss, _ in points if math.isfinite(loss)]
    if len(shown) < 2:
        return None
    losses = [loss for _, loss in shown]
    low, high = loss_range(losses)
    every = math.ceil(len(shown) / _MOST_POINTS)
    last = _spread(len(shown), every)
    means = moving_average(losses, 0.9 if len(losses) < 200 else 0.97)
    return {
        "steps": [shown[i][0] for i in last],
        "losses": [_mean(losses[max(0, i - every + 1) : i + 1]) for i in last],
        "means": [means[i] for i in last],
        "low": max(0.0, low),
        "high": high,
        "strengths": _few(strengths),
        "drifts": _few(drifts),
        "top": max((number for _, number in (*strengths, *drifts)), default=0.0),
    }


def _few(points: Points) -> Points:
    return [points[i] for i in _spread(len(points), math.ceil(len(points) / _MOST_POINTS) or 1)]


def _spread(count: int, every: int) -> range:
    """Every so many of them, the last among them."""
    return range(count - 1, -1, -every)[::-1]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def workflow_of(extra: object) -> str:
    """The number of the graph that ComfyUI's hidden `extra_pnginfo` holds; "" without a browser."""
    workflow = extra.get("workflow") if isinstance(extra, Mapping) else None
    return str(workflow.get("id", "")) if isinstance(workflow, Mapping) else ""


def keep_curve(workflow: str, node: str, curve: dict[str, Any]) -> None:
    """For pages that are opened later."""
    _kept[workflow, node] = curve
    _kept.move_to_end((workflow, node))
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)


def kept_curve(workflow: str, node: str) -> dict[str, Any] | None:
    """What was drawn last on a node of a graph."""
    return _kept.get((workflow, node))
