"""Outlines of figures: a name or a seed becomes polygons inside the square [-1, 1] x [-1, 1].

An outline is a list of (ink, points) strokes painted one after the other: ink 1 adds, ink 0 cuts
out. y points down, as in images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]]
Outline = list[tuple[int, Numbers]]
_TURN = np.linspace(0, 2 * np.pi, 72, endpoint=False)


def numpy_generator(kind: str, name: str) -> np.random.Generator:
    """A random generator that depends on the two words alone, on every machine."""
    digest = hashlib.sha256(f"{kind}:{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _polar(radius: Numbers | float, turn: Numbers = _TURN) -> Numbers:
    """Points at `radius` for each angle; angle 0 points up, so mirror images share |angle|."""
    return np.stack([radius * np.sin(turn), -radius * np.cos(turn)], 1)


def _ellipse(x: float, y: float, rx: float, ry: float) -> Numbers:
    return np.stack([x + rx * np.cos(_TURN), y + ry * np.sin(_TURN)], 1)


def _polygon(corners: int, first: float = 0.0, inner: float | None = None) -> Numbers:
    """A regular polygon, or a star of `corners` points when `inner` (radius) is given."""
    count = corners if inner is None else 2 * corners
    turn = first + np.arange(count) * 2 * np.pi / count
    radius = np.ones(count)
    if inner is not None:
        radius[1::2] = inner
    return _polar(radius, turn)


def _points(*pairs: float) -> Numbers:
    return np.array(pairs, float).reshape(-1, 2)


def _heart() -> Numbers:
    t = _TURN
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y], 1) / 16


_NAMED: dict[str, Callable[[], Outline]] = {
    "circle": lambda: [(1, _polar(1.0))],
    "square": lambda: [(1, _points(-1, -1, 1, -1, 1, 1, -1, 1))],
    "triangle": lambda: [(1, _points(0, -1, 1, 0.9, -1, 0.9))],
    "star": lambda: [(1, _polygon(5, inner=0.42))],
    "diamond": lambda: [(1, _points(0, -1, 0.72, 0, 0, 1, -0.72, 0))],
    "ring": lambda: [(1, _polar(1.0)), (0, _polar(0.52))],
    "cross": lambda: [
        (1, _points(-0.34, -1, 0.34, -1, 0.34, 1, -0.34, 1)),
        (1, _points(-1, -0.34, 1, -0.34, 1, 0.34, -1, 0.34)),
    ],
    "moon": lambda: [(1, _polar(1.0)), (0, _ellipse(0.5, -0.1, 0.85, 0.85))],
    "hexagon": lambda: [(1, _polygon(6, np.pi / 6))],
    "arrow": lambda: [
        (1, _points(-1, -0.3, 0.05, -0.3, 0.05, -0.85, 1, 0, 0.05, 0.85, 0.05, 0.3, -1, 0.3))
    ],
    "oval": lambda: [(1, _ellipse(0, 0, 1.0, 0.58))],
    "bar": lambda: [(1, _points(-1, -0.4, 1, -0.4, 1, 0.4, -1, 0.4))],
    "pentagon": lambda: [(1, _polygon(5))],
    "drop": lambda: [
        (1, _ellipse(0, 0.35, 0.65, 0.65)),
        (1, _points(0, -1, 0.6, 0.12, -0.6, 0.12)),
    ],
    "flower": lambda: [(1, _polar(0.74 + 0.26 * np.cos(5 * _TURN)))],
    "house": lambda: [
        (1, _points(-0.75, -0.1, 0.75, -0.1, 0.75, 1, -0.75, 1)),
        (1, _points(0, -1, 1, -0.05, -1, -0.05)),
    ],
    "heart": lambda: [(1, _heart())],
    "fish": lambda: [
        (1, _ellipse(-0.25, 0, 0.75, 0.52)),
        (1, _points(0.2, 0, 1, -0.62, 0.84, 0, 1, 0.62)),
    ],
    "cat": lambda: [
        (1, _ellipse(0, 0.2, 0.9, 0.75)),
        (1, _points(-0.88, -1, -0.2, -0.45, -0.85, 0.15)),
        (1, _points(0.88, -1, 0.2, -0.45, 0.85, 0.15)),
    ],
}


def _waves(rng: np.random.Generator) -> Outline:
    """A closed curve whose radius is a few random waves; two in three are mirror symmetric."""
    mirrored = rng.random() < 0.67
    radius = np.ones(len(_TURN))
    for wave in range(1, 7):
        phase = rng.choice([0, np.pi]) if mirrored else rng.uniform(0, 2 * np.pi)
        radius += rng.normal() * 0.42 / wave**0.8 * np.cos(wave * _TURN + phase)
    return [(1, _polar(np.maximum(radius, 0.18)))]


def _super(rng: np.random.Generator) -> Outline:
    """Gielis' superformula with random exponents: pillows, stars, petals."""
    corners, a, b, c = rng.integers(2, 7), *rng.uniform(0.4, 4, 3)
    base = np.abs(np.cos(corners * _TURN / 4)) ** b + np.abs(np.sin(corners * _TURN / 4)) ** c
    return [(1, _polar(np.clip(base ** (-1 / a), 0.15, 4)))]


def _spiky(rng: np.random.Generator) -> Outline:
    """A polygon with random corners, mirror symmetric or not."""
    half = np.sort(rng.uniform(0.15, 3.0, rng.integers(2, 5)))
    turn = np.concatenate([[0], half, [np.pi], 2 * np.pi - half[::-1]])
    radius = rng.uniform(0.3, 1, len(turn))
    if rng.random() < 0.6:
        radius[len(half) + 2 :] = radius[1 : len(half) + 1][::-1]
    return [(1, _polar(radius, turn))]


def _part(rng: np.random.Generator, x: float, y: float) -> Numbers:
    """One ellipse, box or triangle around (x, y)."""
    kind, (w, h) = rng.integers(3), rng.uniform(0.25, 0.75, 2)
    if kind == 0:
        return _ellipse(x, y, w, h)
    if kind == 1:
        return _points(x - w, y - h, x + w, y - h, x + w, y + h, x - w, y + h)
    corners = _polygon(3, rng.uniform(0, 2 * np.pi))
    return corners * [w * 1.2, h * 1.2] + [x, y]


def _composed(rng: np.random.Generator) -> Outline:
    """A body and one to three parts on it, like the silhouettes of everyday things."""
    strokes: Outline = [(1, _part(rng, 0, 0))]
    mirrored = rng.random() < 0.6
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform(-0.8, 0.8, 2)
        ink = int(rng.random() < 0.85)
        part = _part(rng, x, y) * (1 if ink else 0.6)
        strokes.append((ink, part))
        if mirrored:
            strokes.append((ink, part * [-1, 1]))
    return strokes


def _fitted(strokes: Outline) -> Outline:
    """Moved and scaled so that what is added fills [-1, 1] in its longer direction."""
    ink = np.concatenate([points for kind, points in strokes if kind])
    low, high = ink.min(0), ink.max(0)
    middle, half = (low + high) / 2, max((high - low).max() / 2, 1e-3)
    return [(kind, (points - middle) / half) for kind, points in strokes]


@lru_cache(maxsize=4096)
def outline(name: str) -> tuple[tuple[int, Numbers], ...]:
    """The outline of a shape word; any other text (invented names, "#123") gives a random one."""
    if name in _NAMED:
        return tuple(_fitted(_NAMED[name]()))
    rng = numpy_generator("outline", name)
    family = (_waves, _waves, _super, _spiky, _composed, _composed, _composed)[rng.integers(7)]
    return tuple(_fitted(family(rng)))
