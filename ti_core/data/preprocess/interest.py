"""Where an image is interesting: corners of edges, and the part with the most different tones.

The two measures of A1111's autocrop, in numpy, so that OpenCV is not needed for them. Its measure
of entropy was another one: the less even the black and white of a dithered copy, the more
"entropy" it saw. This one is Shannon's, of the grey values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Point = tuple[float, float]
"""x, y in pixels"""
_Grid = NDArray[np.float64]

MOST_CORNERS = 100
QUALITY = 0.04
"""Corners weaker than this part of the strongest are dropped."""
APART = 0.06
"""Corners are this far from each other, as a part of the short side."""
WATERMARK = 0.1
"""Nothing in this part at the bottom counts: signatures and dates stand there."""


def corners(image: Image.Image) -> list[Point]:
    """Corners of edges (Shi and Tomasi 1994), the strongest first; none in an even image."""
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    strength = _corner_strength(grey)
    strength[int(grey.shape[0] * (1 - WATERMARK)) :] = 0
    peaks = (strength == _largest_around(strength)) & (strength > QUALITY * strength.max())
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-strength[rows, columns], kind="stable")
    return _spread(columns[order], rows[order], APART * min(image.size))


def _corner_strength(grey: _Grid) -> _Grid:
    """The smaller eigenvalue of the gradients' covariance in 3 x 3 pixels: how far the image
    differs from itself in every direction."""
    down, across = (np.gradient(_sum_around(grey), axis=axis) for axis in (0, 1))
    xx, yy, xy = (_sum_around(part) for part in (across**2, down**2, across * down))
    smaller: _Grid = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return np.maximum(smaller, 0)


def _shifted(values: _Grid) -> list[_Grid]:
    """The nine images that are moved by one pixel at most; the border is repeated."""
    height, width = values.shape
    wide = np.pad(values, 1, mode="edge")
    return [wide[y : y + height, x : x + width] for y in range(3) for x in range(3)]


def _sum_around(values: _Grid) -> _Grid:
    total: _Grid = np.sum(_shifted(values), axis=0)
    return total


def _largest_around(values: _Grid) -> _Grid:
    return np.max(_shifted(values), axis=0)


def _spread(xs: NDArray[np.intp], ys: NDArray[np.intp], apart: float) -> list[Point]:
    """The first `MOST_CORNERS` points that keep their distance from those before them."""
    kept: list[Point] = []
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if all((x - a) ** 2 + (y - b) ** 2 >= apart**2 for a, b in kept):
            kept.append((x, y))
            if len(kept) == MOST_CORNERS:
                break
    return kept


def richest_window(image: Image.Image, width: int, height: int) -> list[Point]:
    """The middle of the window of that size with the highest entropy of grey values; nothing when
    the image is not larger than the window.

    The window is moved along the side that is longer than it.
    """
    grey = np.asarray(image.convert("L"))
    upright = image.height - height > image.width - width
    room = max(image.width - width, image.height - height)
    if room <= 0:
        return []
    lines = grey if upright else grey.T
    size = height if upright else width
    best = int(np.argmax(_entropies(lines, size)))
    along, middle = best + size / 2, (image.width if upright else image.height) / 2
    return [(middle, along) if upright else (along, middle)]


def _entropies(lines: NDArray[np.uint8], size: int) -> _Grid:
    """Entropy in bits of every window of `size` successive lines."""
    places = lines.astype(np.intp) + 256 * np.arange(len(lines))[:, None]
    counts = np.bincount(places.ravel(), minlength=256 * len(lines)).reshape(-1, 256)
    until = np.vstack([np.zeros(256, dtype=np.intp), np.cumsum(counts, axis=0)])
    inside = until[size:] - until[:-size]
    share = inside / inside.sum(axis=1, keepdims=True)
    entropy: _Grid = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)
    return entropy
