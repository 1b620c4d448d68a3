"""Turns a small drawing into a word vector, so that training can talk about nameless things.

Only used while the model is trained: a caption may contain "#s17" or "#t17", a random outline or
texture without a name, and the vector of that "word" is what a describer makes of its glyph. The
word space the model listens to is thereby filled without gaps. Held-out things are never described.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from drawing.outlines import outline
from drawing.textures import texture
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import nn

GLYPH = 32
WORD_SPREAD = 0.1  # standard deviation of a word vector's entries
JITTER = 0.03  # noise on described vectors: near vectors shall mean nearly the same


class Describer(nn.Module):
    """(n, 1, 32, 32) glyphs to (n, width) word vectors of the usual length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.SiLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.SiLU(), nn.Flatten(), nn.Linear(64 * 16, width),
            nn.LayerNorm(width, elementwise_affine=False),
        )  # fmt: skip

    def forward(self, glyphs: torch.Tensor) -> torch.Tensor:
        return self.body(glyphs) * WORD_SPREAD


@lru_cache(maxsize=200_000)
def shape_glyph(name: str) -> NDArray[np.uint8]:
    """The outline as a (32, 32) uint8 silhouette in 0..1."""
    sheet = Image.new("L", (2 * GLYPH, 2 * GLYPH))
    pen = ImageDraw.Draw(sheet)
    for ink, points in outline(name):
        placed = (points * 0.95 + 1) * GLYPH
        pen.polygon([tuple(point) for point in placed], fill=255 * ink)
    small = sheet.resize((GLYPH, GLYPH), Image.Resampling.BOX)
    return np.asarray(small)


@lru_cache(maxsize=200_000)
def texture_glyph(name: str) -> NDArray[np.uint8]:
    """The middle 56 px of a texture as (32, 32) uint8."""
    line = (np.arange(GLYPH) - (GLYPH - 1) / 2) * 56 / GLYPH
    x, y = np.meshgrid(line, line)
    return (texture(name, x, y) * 255).astype(np.uint8)
