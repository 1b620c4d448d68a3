"""Which VAE is this? Told by what it does to a small image, on this very machine.

Hosts need not know a file's hash: a VAE may come from a checkpoint, a file of its own, a node or a
patch, and compute in another precision. Equal answers to the last bit mean that latents which were
kept are what would be computed again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from ...port.session import Session
from ...randomness import generator

_SIDE = 64


@dataclass(frozen=True)
class VaeFacts:
    """What the cache needs to know of a VAE."""

    fingerprint: str
    """16 hexadecimal digits."""
    channels: int
    """Of its latents: 4 for SD."""
    factor: int
    """Pixels a side that become one place of a latent: 8 for SD."""

    def shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Mean and standard deviation of an image's latent, stacked; sizes in pixels."""
        return 2, self.channels, height // self.factor, width // self.factor


def vae_facts(session: Session) -> VaeFacts:
    """Encode an image of noise, which leaves no weight out, and look at every bit."""
    noise = torch.rand(1, 3, _SIDE, _SIDE, generator=generator(0, "vae"))
    found = session.encode_images(noise * 2 - 1)
    told = torch.stack([found.mean[0], found.std[0]]).float().cpu().contiguous()
    digest = hashlib.sha256(repr(tuple(told.shape)).encode() + told.numpy().tobytes())
    _, channels, height, _ = told.shape
    return VaeFacts(digest.hexdigest()[:16], channels, _SIDE // height)
