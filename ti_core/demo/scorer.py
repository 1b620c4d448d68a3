"""Judges images of the demo world by their pixels alone; knows nothing of any model.

The background comes from pixel statistics. Colour, shape, texture and style come from a small
convolutional network that was trained on drawings only, of other seeds than the model's, with
"other" as an answer for everything that has no name. The held-out concepts are among its classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ..files.safetensors_file import read_safetensors
from . import lexicon as words
from .scene import SIZE, Concept

UNNAMED = "other"
SHAPES = (*words.NAMED_SHAPES, *words.HELD_OUT_SHAPES, UNNAMED)
TEXTURES = (*words.NAMED_TEXTURES, *words.HELD_OUT_TEXTURES, UNNAMED)
STYLES = (*words.NAMED_STYLES, *words.HELD_OUT_STYLES, UNNAMED)
COLOUR_CLASSES = tuple(words.COLOURS)
HEADS = {"colour": COLOUR_CLASSES, "shape": SHAPES, "texture": TEXTURES, "style": STYLES}


@dataclass(frozen=True)
class Reading:
    """What an image shows, in the world's words; `sure` is the least probable of the network's."""

    colour: str
    background: str
    shape: str
    texture: str
    style: str
    sure: float


class Eye(nn.Module):
    """(n, 3, 96, 96) pixels in 0..1 to one row of logits a head."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in (
            (4, 32, 2), (32, 64, 2), (64, 64, 1), (64, 96, 2), (96, 96, 1), (96, 128, 2),
        ):  # fmt: skip
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({k: nn.Linear(256, len(v)) for k, v in HEADS.items()})

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of each head; (n, classes)."""
        ground = pixels[:, :, :3].flatten(2).median(2).values[..., None, None]
        contrast = (pixels - ground).norm(dim=1, keepdim=True)
        seen = self.body(torch.cat([pixels, contrast], 1))
        flat = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1)
        return {name: head(flat) for name, head in self.heads.items()}


class Scorer:
    """Reads images; `Scorer.load(path)` gives the trained one."""

    def __init__(self, eye: Eye) -> None:
        self.eye = eye.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path) -> Scorer:
        """From the safetensors file that `demo/train_scorer.py` wrote."""
        eye = Eye()
        tensors, _ = read_safetensors(Path(path))
        eye.load_state_dict({name: value.float() for name, value in tensors.items()})
        return cls(eye)

    def read(self, image: Image.Image) -> Reading:
        """What the image shows."""
        pixels = _pixels(image)
        with torch.no_grad():
            batch = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
            told = {name: row[0].softmax(0) for name, row in self.eye(batch).items()}
        best = {name: HEADS[name][int(row.argmax())] for name, row in told.items()}
        sure = min(float(row.max()) for row in told.values())
        return Reading(background=background(pixels), **best, sure=sure)

    def matches(self, image: Image.Image, wanted: Concept | Mapping[str, str]) -> bool:
        """Whether every wanted field (colour, shape, …) is read as wanted."""
        fields = wanted.wanted if isinstance(wanted, Concept) else wanted
        reading = asdict(self.read(image))
        return all(reading[field] == value for field, value in fields.items())

    def concept_score(self, images: Iterable[Image.Image], wanted: Concept) -> float:
        """The share of images, 0..1, that show the concept."""
        found = [self.matches(image, wanted) for image in images]
        return sum(found) / max(len(found), 1)


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    """(96, 96, 3) float32 in 0..255."""
    if image.size != (SIZE, SIZE):
        image = image.resize((SIZE, SIZE), Image.Resampling.BOX)
    return np.asarray(image.convert("RGB"), np.float32)


def background(pixels: NDArray[np.float32]) -> str:
    """The background's colour word: the median of the outermost 3 of (96, 96, 3) pixels, 0..255."""
    sides = (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:])
    ground = np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), 0)
    tones = np.array(list(words.COLOURS.values()), np.float32)
    return list(words.COLOURS)[int(np.linalg.norm(tones - ground, axis=1).argmin())]
