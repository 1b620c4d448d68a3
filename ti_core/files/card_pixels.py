"""A1111's code for data in the margins of an image (its `image_embedding.py`).

The payload, a zlib stream, is cut into half bytes: the lower halves fill a margin left of the
image, the upper ones a margin right of it, three to a pixel, row by row, repeated until the
margin is full. A black column stands between margin and image. Only the lower four bits of a
margin's colours count, veiled by a fixed sequence of random numbers; the upper four draw a
pattern of dots. So a card outlives programs that drop metadata, as long as no pixel changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Bytes = NDArray[np.uint8]

_STRIDE = 1 << 16
"""States of the generator that are made at once."""
_FACTOR, _SUMMAND, _MODULUS = 1_664_525, 1_013_904_223, 2**32
"""Of the generator; Numerical Recipes, chapter 7.1."""
_DOT, _DOT_STEP = 6, 8
"""Pixels: a dot's width, and from dot to dot."""


def hidden_in(pixels: Bytes) -> bytes | None:
    """The payload in the margins of an image, with its repetitions behind it.

    `pixels` is (height, width, 3). None when the image has no such margins.
    """
    halves = _without_black_border(pixels) & 0x0F
    if halves.size == 0:
        return None
    black = np.flatnonzero(~halves.any(axis=(0, 2)))
    if len(black) < 2:
        return None
    left, right = halves[:, : black[0]], halves[:, black[-1] + 1 :]
    if left.size == 0 or left.shape != right.shape:
        return None
    noise = _noise(left.size).reshape(left.shape)
    return bytes(((right ^ noise) << 4 | left ^ noise).tobytes())


def _without_black_border(pixels: Bytes) -> Bytes:
    lit = (pixels > 0).all(axis=2)
    rows, columns = (np.flatnonzero(np.any(lit, axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return pixels[:0]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def with_margins(picture: Image.Image, payload: bytes, shades: Bytes) -> Image.Image:
    """The image (RGB) between two margins that hold the payload.

    `shades` (at least one, 0 to 255) are the brightness of the dots, left from the first on,
    right from the last on.
    """
    stream = np.frombuffer(payload, np.uint8)
    left = _margin(stream & np.uint8(0x0F), picture.height, shades)
    right = _margin(stream >> np.uint8(4), picture.height, shades[::-1])
    card = Image.new("RGB", (picture.width + left.width + right.width + 2, picture.height))
    card.paste(left, (0, 0))
    card.paste(picture, (left.width + 1, 0))
    card.paste(right, (card.width - right.width, 0))
    return card


def _margin(halves: Bytes, height: int, shades: Bytes) -> Image.Image:
    """A1111 always adds something, even where the halves fill the columns exactly."""
    column = 3 * height
    count = len(halves) + height - len(halves) % height
    count += column - count % column
    block = np.resize(halves, count) ^ _noise(count)
    block = block.reshape(height, -1, 3)
    dots = np.asarray(_dots(block.shape[1], height, shades)) & 0xF0
    return Image.fromarray((block | dots).astype(np.uint8))


def _noise(count: int) -> Bytes:
    """The lower four bits of `count` numbers of A1111's generator.

    A state is linear in the one `n` before: many are made at once by one multiplication.
    """
    states, factor, summand = _first_states()
    noise = np.empty(count, np.uint8)
    for start in range(0, count, _STRIDE):
        part = noise[start : start + _STRIDE]
        part[:] = (states % 255 & 0x0F)[: len(part)]
        states = (states * factor + summand) % _MODULUS
    return noise


def _first_states() -> tuple[NDArray[np.uint64], np.uint64, np.uint64]:
    """`_STRIDE` states, and the factor and summand of a jump over as many."""
    factor, summand = _FACTOR, _SUMMAND
    states = np.array([_SUMMAND], np.uint64)
    while len(states) < _STRIDE:
        further = (states * np.uint64(factor) + np.uint64(summand)) % _MODULUS
        states = np.concatenate([states, further])
        factor, summand = factor * factor % _MODULUS, (factor * summand + summand) % _MODULUS
    return states, np.uint64(factor), np.uint64(summand)


def _dots(width: int, height: int, shades: Bytes) -> Image.Image:
    """Rows of dots, every second one shifted by half a step."""
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    places = [
        (x + (_DOT_STEP // 2 if number % 2 == 0 else 0), y)
        for x in range(-_DOT, width, _DOT_STEP)
        for number, y in enumerate(range(-_DOT, height, _DOT_STEP))
    ]
    for (x, y), shade in zip(places, np.resize(shades, len(places)).tolist(), strict=True):
        draw.ellipse((x, y, x + _DOT, y + _DOT), fill=(shade, shade, shade))
    return picture
