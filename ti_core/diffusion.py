"""Noise as a thing: what a network was trained to undo, and how to undo it.

Timesteps are drawn as functions of (seed, step, slot), slot being the place in the update's batch,
on the CPU, so that every host and every resumed run sees the same numbers.

Samplers work in the variables of Karras et al. 2022, x = latent + σ·noise, which every kind of
diffusion can be brought to. A new kind is one more class with the methods of `Diffusion`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

import torch
from torch import Tensor

from .randomness import generator

Prediction = Literal["epsilon", "v_prediction"]
"""What a network trained by denoising diffusion (`Ddpm`) returns."""

_SMALLEST_ALPHA = 2.0**-24
"""With a zero terminal SNR the last sigma would be infinite."""


@dataclass(frozen=True)
class NoisyBatch:
    """Noisy latents, (B, channels, h, w) fp32, and their (B,) timesteps."""

    noisy: Tensor
    timesteps: Tensor
    target: Tensor
    """What the network should return, in the shape of `noisy`."""


class Diffusion(Protocol):
    """The way from a latent to noise that a network was trained on."""

    @property
    def prediction(self) -> str:
        """What the network returns: "epsilon", "v_prediction" or the name of another kind."""

    def draw_timestep(self, seed: int, step: int, slot: int) -> Tensor:
        """A timestep to train at, () in the unit that the network is given."""

    def timesteps_at(self, places: Tensor, parts: int) -> Tensor:
        """The timesteps at `places`, (n,) in [0, parts), when the range is cut in equal parts."""

    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> NoisyBatch:
        """Latents with noise, both (B, channels, h, w), at (B,) timesteps, and their target."""

    def signal_to_noise(self, timesteps: Tensor) -> Tensor:
        """(B,) fp64 ratio of the variances of latent and noise at (B,) timesteps."""

    def sigmas(self) -> Tensor:
        """(T,) fp32 rising σ at evenly spaced timesteps; samplers choose among them."""

    def spread(self, sigma: Tensor) -> Tensor:
        """x is divided by this for the network, and pure noise is multiplied by it for x."""

    def timestep_of(self, sigma: Tensor) -> Tensor:
        """(1,) timestep at which the noise has a scalar σ; it may lie between two of them."""

    def clean(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """The latent that x = latent + σ·noise is made of, if the network returned `output`."""


@dataclass(frozen=True)
class Ddpm:
    """x_t = √ᾱ x + √(1-ᾱ) ε (Ho et al. 2020, eq. 4), with a network that predicts ε or
    v = √ᾱ ε - √(1-ᾱ) x (Salimans & Ho 2022). ᾱ may end at 0 (zero terminal SNR)."""

    alphas_cumprod: tuple[float, ...] = field(repr=False)
    """ᾱ_t for every training timestep, falling from nearly 1."""
    prediction: Prediction = "epsilon"

    @classmethod
    def from_sigmas(cls, sigmas: Tensor, prediction: Prediction, zero_below: float = 0.0) -> Ddpm:
        """From (T,) rising σ, as ᾱ = 1/(1 + σ²); an ᾱ below `zero_below` counts as 0."""
        alphas = (1 / (1 + sigmas.detach().cpu().double() ** 2)).tolist()
        return cls(tuple(0.0 if kept < zero_below else kept for kept in alphas), prediction)

    @cached_property
    def _alphas(self) -> Tensor:
        return torch.tensor(self.alphas_cumprod, dtype=torch.float64)

    @cached_property
    def _sigmas(self) -> Tensor:
        kept = self._alphas.clamp(min=_SMALLEST_ALPHA)
        return ((1 - kept) / kept).sqrt().float()

    def draw_timestep(self, seed: int, step: int, slot: int) -> Tensor:
        """Uniform in [0, T), int64."""
        source = generator(seed, "timestep", step, slot)
        return torch.randint(len(self.alphas_cumprod), (), generator=source)

    def timesteps_at(self, places: Tensor, parts: int) -> Tensor:
        """Whole timesteps in [0, T), int64."""
        count = len(self.alphas_cumprod)
        return (places * count / parts).long().clamp(max=count - 1)

    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> NoisyBatch:
        """See `Diffusion.noised`."""
        kept = self._alphas.float()[timesteps].view(-1, 1, 1, 1)
        signal, spread = kept.sqrt(), (1 - kept).sqrt()
        is_v = self.prediction == "v_prediction"
        target = signal * noise - spread * latents if is_v else noise
        return NoisyBatch(signal * latents + spread * noise, timesteps, target)

    def signal_to_noise(self, timesteps: Tensor) -> Tensor:
        """ᾱ/(1-ᾱ)"""
        kept = self._alphas[timesteps]
        return kept / (1 - kept)

    def sigmas(self) -> Tensor:
        """σ = √((1-ᾱ)/ᾱ) of every timestep."""
        return self._sigmas

    def spread(self, sigma: Tensor) -> Tensor:
        """1/√ᾱ"""
        return (1 + sigma**2).sqrt()

    def timestep_of(self, sigma: Tensor) -> Tensor:
        """Linear in log σ between two timesteps."""
        logs, wanted = self._sigmas.to(sigma.device).log(), sigma.log()
        low = (torch.searchsorted(logs, wanted) - 1).clamp(0, len(logs) - 2)
        share = (wanted - logs[low]) / (logs[low + 1] - logs[low])
        return (low + share.clamp(0, 1)).reshape(1)

    def clean(self, x: Tensor, output: Tensor, sigma: Tensor) -> Tensor:
        """Salimans & Ho 2022, appendix D."""
        if self.prediction == "v_prediction":
            spread = self.spread(sigma)
            return x / spread**2 - output * sigma / spread
        return x - output * sigma
