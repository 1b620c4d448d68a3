"""Pictures in files, and a VAE that counts what it encodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ti_core.data.images import to_tensor
from ti_core.hosts.fake import FakeHost, FakeSession
from ti_core.port.session import LatentDistribution, PictureSize


@dataclass(frozen=True)
class Flat:
    """A picture file taken as it is."""

    path: Path
    key: str

    @property
    def size(self) -> PictureSize:
        """That of the file."""
        with Image.open(self.path) as image:
            sides = image.height, image.width
        return PictureSize(sides, (0, 0), sides)

    def pixels(self) -> Tensor:
        """Of the file."""
        with Image.open(self.path) as image:
            return to_tensor(image.convert("RGB"))


class CountingSession(FakeSession):
    """A fake session that remembers how many pictures it encoded."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__(host, "no")
        self.encoded = 0
        self.released: list[str] = []

    def encode_images(self, pixels: Tensor) -> LatentDistribution:
        """As the fake session's; the probe of 64 pixels is counted as well."""
        self.encoded += len(pixels)
        return super().encode_images(pixels)

    def release(self, part: str) -> None:
        """Remember it."""
        self.released.append(part)


def session(seed: int = 0) -> CountingSession:
    """A session of a host that came about by this seed."""
    return CountingSession(FakeHost(seed=seed))


def paint(folder: Path, numbers: Iterable[int], side: int = 32) -> list[Flat]:
    """Pictures of noise, one for each number, older than the clock's coarseness."""
    folder.mkdir(exist_ok=True)
    made = []
    for number in numbers:
        values = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
        path = folder / f"{number:05}.png"
        Image.fromarray(values).save(path)
        made.append(Flat(path, f"{number} {side}"))
    return made


def latent(seed: int = 0, side: int = 4) -> Tensor:
    """(2, 4, side, side): some mean, some standard deviation."""
    return torch.rand(2, 4, side, side, generator=torch.Generator().manual_seed(seed))
