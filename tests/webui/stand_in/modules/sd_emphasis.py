"""What weights do to a chunk."""

from __future__ import annotations

from typing import Any


class Ignore:
    """Nothing."""

    tokens: Any
    multipliers: Any
    z: Any

    def after_transformers(self) -> None:
        """Called when the encoder is done."""


class NoNorm(Ignore):
    """Each position is multiplied."""

    def after_transformers(self) -> None:
        """Called when the encoder is done."""
        self.z = self.z * self.multipliers[..., None].expand(self.z.shape)


class Original(NoNorm):
    """The mean is kept."""

    def after_transformers(self) -> None:
        """Called when the encoder is done."""
        mean = self.z.mean()
        super().after_transformers()
        self.z = self.z * (mean / self.z.mean())


def get_current_option(name: str) -> Any:
    """The class of a setting."""
    return {"Ignore": Ignore, "No norm": NoNorm}.get(name, Original)
