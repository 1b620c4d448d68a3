"""Simple statistics of images. None of them knows what an image shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
"""Numbers of any kind."""
Bits = NDArray[np.bool_]

_BLOCK = 512
"""Images that are compared at once."""
SIDE = 32
"""Side of the small images that most statistics are taken from."""
_EDGE = 4
"""Width of what counts as the border of a small image."""
_FLAT = 4.0
"""Below this standard deviation (of 255) a tile shows nothing to judge."""
TINTS_APART = 40.0
"""Difference of the mean colours of images that are nearly the same, of 255."""
ALIKE = 0.85
"""Correlation of their colours: hashes of drawings on white say little."""
_GRAIN = 1.2
"""Power of grain of about 3 (of 255), for each pixel: without it the rounding to whole numbers
would pass for detail in the smoothest images."""
SHARP = 0.022
"""A tile with a larger share of fine detail is sharp. Measured on the 14 photographs of
scikit-image: 0.030 at least when they are scaled down (JPEG of quality 30 included), 0.018 at most
when they are enlarged 2, 3, 4 or 8 times, whatever the filter."""


def grey(pictures: Values) -> Values:
    """(…, 3) colours → (…) brightness, by the weights of ITU-R BT.601."""
    return pictures @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def fine_detail(tile: Values) -> float | None:
    """Power near the finest waves that a (n, n) grey tile can hold, over that of waves of twice
    to four times their length; None for a tile without contrast.

    Photographs lose power evenly towards fine waves (about 1/f², Field 1987); in an image that
    was enlarged the finest are missing.
    """
    if tile.std() < _FLAT:
        return None
    n = len(tile)
    window = np.hanning(n)
    waves = np.fft.rfft2((tile - tile.mean()) * window[:, None] * window)
    power = np.abs(waves) ** 2
    radius = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n))
    middle = power[(radius >= 0.125) & (radius < 0.25)].mean()
    return float(power[(radius >= 0.3) & (radius < 0.5)].mean() / (middle + _GRAIN * n * n))


def is_blurred(tiles: Iterable[Values]) -> bool | None:
    """Whether no tile of an image is sharp; None when none can be judged. A sharp one ends it."""
    judged = False
    for tile in tiles:
        found = fine_detail(tile)
        judged = judged or found is not None
        if found is not None and found >= SHARP:
            return False
    return True if judged else None


def difference_hashes(small: Values) -> Bits:
    """(n, 32, 32, 3) small images → (n, 64) bits: whether it gets brighter to the right, on a
    grid of 8 x 9 (dHash, N. Krawetz 2013)."""
    columns = np.linspace(0, SIDE, 10).round().astype(int)[:-1]
    rows = grey(small).reshape(len(small), 8, SIDE // 8, SIDE).mean(axis=2)
    cells = np.add.reduceat(rows, columns, axis=2) / np.diff([*columns, SIDE])
    bits: Bits = cells[:, :, 1:] > cells[:, :, :-1]
    return bits.reshape(len(small), 64)


def alike(bits: Bits, others: Bits, most: int) -> Iterator[tuple[int, Values]]:
    """For each hash i of `bits`, in order: (i, numbers of those of `others` that differ from it in
    at most `most` places)."""
    left, right = (np.where(b, 1.0, -1.0).astype(np.float32) for b in (bits, others))
    for first in range(0, len(left), _BLOCK):  # a matrix of all pairs could fill the memory
        apart = (64 - left[first : first + _BLOCK] @ right.T) / 2
        for i, row in enumerate(apart, first):
            yield i, np.flatnonzero(row <= most)


def near(one: Values, others: Values) -> Bits:
    """Which of (n, 32, 32, 3) small images have nearly the colours of one in the same places."""
    parts = [others[first : first + _BLOCK] for first in range(0, len(others), _BLOCK)]
    return np.concatenate([_near(one, part) for part in parts] or [np.empty(0, bool)])


def _near(one: Values, others: Values) -> Bits:
    tint, tints = one.mean(axis=(0, 1)), others.mean(axis=(1, 2))
    one, others = one - tint, others - tints[:, None, None]
    products = np.einsum("hwc,nhwc->n", one, others)
    lengths = np.linalg.norm(one) * np.sqrt((others**2).sum(axis=(1, 2, 3)))
    alike: Bits = products >= ALIKE * lengths
    return alike & (np.abs(tints - tint).max(axis=1) <= TINTS_APART)


def border_colours(small: Values) -> Values:
    """(n, 32, 32, 3) → (n, 9): mean colours of the left, right and upper edge. The lower edge is
    left out: there a person's body leaves the image."""
    left, right = small[:, :, :_EDGE], small[:, :, -_EDGE:]
    parts = [part.mean(axis=(1, 2)) for part in (left, right, small[:, :_EDGE])]
    return np.concatenate(parts, axis=1)


def middle_colours(small: Values) -> Values:
    """(n, 32, 32, 3) → (n, 3): mean colour of the middle, a little below the centre."""
    return small[:, 12:28, 10:22].mean(axis=(1, 2))


def share_near_median(values: Values, most: float) -> float:
    """Share of the rows of (n, k) whose root-mean-square distance from the median row is at most
    `most`."""
    apart = np.sqrt(((values - np.median(values, axis=0)) ** 2).mean(axis=1))
    return float((apart <= most).mean())


def layout_likeness(small: Values) -> float:
    """Median correlation of the (n, 32, 32, 3) images' brightness on a grid of 8 x 8, over all
    pairs; 1 is the same layout, 0 is none in common."""
    cells = grey(small).reshape(len(small), 8, 4, 8, 4).mean(axis=(2, 4)).reshape(len(small), 64)
    cells = cells[:: -(-len(cells) // _BLOCK)]  # some of very many tell as much
    cells = cells - cells.mean(axis=1, keepdims=True)
    cells /= np.linalg.norm(cells, axis=1, keepdims=True) + 1e-6
    pairs = (cells @ cells.T)[np.triu_indices(len(cells), 1)]
    return float(np.median(pairs))


def subject_shares(small: Values) -> Values:
    """(n, 32, 32, 3) → (n,): share of an image that differs from its border's colour; NaN where
    the border has no one colour, so that nothing can be said."""
    shares = np.full(len(small), np.nan)
    for i, picture in enumerate(small):
        edge = np.concatenate([picture[:_EDGE].reshape(-1, 3), picture[:, :_EDGE].reshape(-1, 3)])
        edge = np.concatenate([edge, picture[:, -_EDGE:].reshape(-1, 3)])
        colour = np.median(edge, axis=0)
        apart = np.abs(edge - colour).max(axis=1)
        if (apart < 24).mean() >= 0.8:
            shares[i] = (np.abs(picture - colour).max(axis=2) >= 24).mean()
    return shares


def leaning(small: Values) -> float:
    """How much (n, 32, 32, 3) images lean to the same side: the length of their mean difference
    from their mirror images, over the mean length; about 1/n by chance, 1 when all are alike."""
    bright = grey(small)
    apart = (bright - bright[:, :, ::-1]).reshape(len(small), -1)
    total = float((apart**2).sum(axis=1).mean())
    return float((apart.mean(axis=0) ** 2).sum()) / total if total > 0 else 0.0
