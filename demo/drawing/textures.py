"""Textures of figures: a name or a seed becomes a field in [0, 1] over pixel coordinates.

1 is the figure's own colour, 0 its second tone. Coordinates are in pixels of a 96 px image with
the origin at the figure's middle, so a texture is equally fine on a small and on a big figure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .outlines import Numbers, numpy_generator

#: Everything below is this much coarser than its numbers say: finer would not survive a VAE that
#: keeps one point in eight.
COARSE = 1.3

Field = Callable[[Numbers, Numbers], Numbers]


def _edge(value: Numbers) -> Numbers:
    """A soft threshold at 0; `value` in pixels of distance from the edge."""
    return np.clip(value + 0.5, 0, 1)


def _wave(x: Numbers, period: float, duty: float = 0.5) -> Numbers:
    """Signed distance (px) to the edge of stripes across x; `duty` is the share of colour."""
    place = np.abs((x / period) % 1 - 0.5) * period
    return place - (1 - duty) * period / 2


def _dots(x: Numbers, y: Numbers, period: float, radius: float) -> Numbers:
    """Round holes on a staggered grid."""
    row = np.floor(y / period)
    dx = ((x + (row % 2) * period / 2) % period) - period / 2
    dy = (y % period) - period / 2
    return np.hypot(dx, dy) - radius


def _checks(x: Numbers, y: Numbers, period: float) -> Numbers:
    return _wave(x, period) * np.sign(_wave(y, period))


def _grid(x: Numbers, y: Numbers, period: float, line: float) -> Numbers:
    duty = 1 - line / period
    return np.minimum(_wave(x, period, duty), _wave(y, period, duty))


def _zigzag(x: Numbers, y: Numbers) -> Numbers:
    return _wave(y + 2.2 * np.abs((x / 7.0) % 2 - 1) * 3.5, 13.0)


def _brick(x: Numbers, y: Numbers) -> Numbers:
    row = np.floor(y / 9.0)
    bed = _wave(y, 9.0, 1 - 2.4 / 9)
    return np.minimum(bed, _wave(x + (row % 2) * 8.0, 16.0, 1 - 2.4 / 16))


_NAMED: dict[str, Field] = {
    "plain": lambda x, y: np.ones_like(x),
    "striped": lambda x, y: _wave(y, 12.0),
    "barred": lambda x, y: _wave(x, 12.0),
    "slanted": lambda x, y: _wave((x + y) * 0.7071, 12.0),
    "dotted": lambda x, y: _dots(x, y, 11.0, 3.4),
    "checkered": lambda x, y: _checks(x, y, 17.0),
    "gridded": lambda x, y: _grid(x, y, 11.0, 3.0),
    "ringed": lambda x, y: _wave(np.hypot(x, y), 12.0),
    "wavy": lambda x, y: _wave(y + 3.2 * np.sin(x * 2 * np.pi / 24), 13.0),
    "zigzag": _zigzag,
    "brick": _brick,
}


def _turned(x: Numbers, y: Numbers, angle: float) -> tuple[Numbers, Numbers]:
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def _random_stripes(rng: np.random.Generator) -> Field:
    """Stripes at any angle, straight or bent in waves."""
    angle, period, duty = rng.uniform(0, np.pi), rng.uniform(9, 16), rng.uniform(0.35, 0.65)
    bend, length = rng.choice([0, 1]) * rng.uniform(2, 5), rng.uniform(16, 34)
    phase = rng.uniform(0, 2 * np.pi)

    def field(x: Numbers, y: Numbers) -> Numbers:
        along, across = _turned(x, y, angle)
        return _wave(across + bend * np.sin(along * 2 * np.pi / length + phase), period, duty)

    return field


def _random_lattice(rng: np.random.Generator) -> Field:
    """Two crossing waves, added, or their lower or higher one: blobs, diamonds, grids, islands."""
    first = rng.uniform(0, np.pi)
    second = first + rng.uniform(0.8, np.pi - 0.8)
    periods, level = rng.uniform(9, 18, 2), rng.uniform(0.4, 0.62)
    join = (np.add, np.minimum, np.maximum, lambda a, b: a * np.sign(b))[rng.integers(4)]

    def field(x: Numbers, y: Numbers) -> Numbers:
        one = _wave(_turned(x, y, first)[0], periods[0], level)
        return join(one, _wave(_turned(x, y, second)[0], periods[1], level))

    return field


def _random_rows(rng: np.random.Generator) -> Field:
    """Rows of holes or blocks, each row shifted against the one above."""
    width, height, angle = *rng.uniform(10, 18, 2), rng.choice([0, np.pi / 2, np.pi / 4])
    shift, size = rng.uniform(0, 0.5), rng.uniform(0.45, 0.75)
    power, invert = rng.choice([1, 2, 6]), rng.choice([-1, 1])

    def field(x: Numbers, y: Numbers) -> Numbers:
        u, v = _turned(x, y, angle)
        row = np.floor(v / height)
        dx = np.abs(((u / width + row * shift) % 1) - 0.5) * 2
        dy = np.abs(((v / height) % 1) - 0.5) * 2
        return invert * ((dx**power + dy**power) ** (1 / power) - size) * min(width, height) / 2

    return field


def _random_round(rng: np.random.Generator) -> Field:
    """Rings or rays around a point near the middle."""
    cx, cy, period = *rng.uniform(-18, 18, 2), rng.uniform(9, 16)
    spokes, twist = rng.choice([0, 0, 5, 6, 8, 9]), rng.uniform(0, 0.12)

    def field(x: Numbers, y: Numbers) -> Numbers:
        radius = np.hypot(x - cx, y - cy)
        if not spokes:
            return _wave(radius, period)
        turn = np.arctan2(y - cy, x - cx) + twist * radius
        return _wave(turn * spokes / (2 * np.pi), 1.0) * 2 * np.pi * radius / spokes

    return field


def _random(name: str) -> Field:
    rng = numpy_generator("texture", name)
    family = (_random_stripes, _random_lattice, _random_rows, _random_rows, _random_round)
    return family[rng.integers(5)](rng)


_CACHE: dict[str, Field] = {}


def texture(name: str, x: Numbers, y: Numbers) -> Numbers:
    """The field of a texture word at pixel coordinates; unknown names give a random texture."""
    if name not in _CACHE:
        _CACHE[name] = _NAMED.get(name) or _random(name)
    return _edge(_CACHE[name](x / COARSE, y / COARSE))
