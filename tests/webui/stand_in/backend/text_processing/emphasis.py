"""What weights do to a chunk: the same classes as A1111's, or Forge Neo's of autumn 2026."""

from __future__ import annotations

from typing import Any

from modules import sd_emphasis
from torch import Tensor

newer = False
"""Whether the modes are called."""


class Ignore:
    """Gives nothing."""

    def __call__(self, z: Tensor, multipliers: Tensor) -> Tensor | None:
        """Called when the encoder is done."""
        return None


class NoNorm(Ignore):
    """Each position is multiplied."""

    def __call__(self, z: Tensor, multipliers: Tensor) -> Tensor | None:
        """Called when the encoder is done."""
        return z * multipliers[..., None].expand(z.shape)


class Original(Ignore):
    """The mean is kept; everything is done in place."""

    def __call__(self, z: Tensor, multipliers: Tensor) -> Tensor | None:
        """Called when the encoder is done."""
        mean = z.mean()
        z *= multipliers[..., None].expand(z.shape)
        z *= mean / z.mean()
        return z


def get_current_option(name: str) -> Any:
    """The class of a setting."""
    if newer:
        return {"Ignore": Ignore, "No norm": NoNorm}.get(name, Original)
    return sd_emphasis.get_current_option(name)
