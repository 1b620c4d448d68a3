"""The samplers of preview images, under A1111's names.

In the variables of Karras et al. 2022: x = latent + σ·noise, and a model that tells the latent,
whatever the diffusion. The steps are those of k-diffusion, from which the web UIs have theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ...errors import ConfigError
from ...port.session import ModelFacts, PreviewRequest

Network = Callable[[Tensor, Tensor], Tensor]
"""(1, channels, h, w) as the network wants it, (1,) timestep → its output, (1, …) or with guidance
(2, …), the negative prompt's first."""
Denoise = Callable[[Tensor, Tensor], Tensor]
"""x and σ → the clean latent."""


def check_request(request: PreviewRequest, stride: int) -> None:
    """Raise ConfigError for an image that cannot be made; `stride` is `LatentFormat.stride`."""
    if request.width % stride or request.height % stride:
        why = f"{request.width}×{request.height} are not multiples of {stride}"
        raise ConfigError("this preview size is not possible", why)
    if request.steps < 1 or min(request.width, request.height) < stride:
        raise ConfigError("a preview needs at least one step and a size")


def sample(
    facts: ModelFacts, request: PreviewRequest, seed: int, device: torch.device, network: Network
) -> Tensor:
    """A clean latent (1, channels, h, w); noise comes from a CPU generator of its own."""
    generator = torch.Generator("cpu").manual_seed(seed)
    shape = (1, *facts.latent.shape(request.height, request.width))
    diffusion = facts.diffusion

    def noise() -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        scaled, timestep = x / diffusion.spread(sigma), diffusion.timestep_of(sigma)
        return diffusion.clean(x, _guided(network(scaled, timestep), request.cfg_scale), sigma)

    step, spaced = _SAMPLERS[request.sampler]
    sigmas = spaced(diffusion.sigmas(), request.steps).to(device)
    x: Tensor = noise() * diffusion.spread(sigmas[0])
    return step(denoise, x, sigmas, noise) / diffusion.spread(sigmas[-1])


def _guided(output: Tensor, cfg_scale: float) -> Tensor:
    """Away from the negative prompt (Ho & Salimans 2022)."""
    if len(output) == 1:
        return output
    negative, positive = output.chunk(2)
    return negative + cfg_scale * (positive - negative)


# --- σ, step by step -----------------------------------------------------------------------------


def _even(known: Tensor, steps: int) -> Tensor:
    """Evenly spaced in time, from the last timestep to the first ("Automatic")."""
    times = torch.linspace(len(known) - 1, 0, steps)
    low = times.long().clamp(max=len(known) - 2)
    logs = known.log()
    return _to_zero(torch.lerp(logs[low], logs[low + 1], times - low).exp())


def _karras(known: Tensor, steps: int) -> Tensor:
    """Karras et al. 2022, eq. 5, with ρ = 7."""
    low, high = (float(known[i]) ** (1 / 7) for i in (0, -1))
    return _to_zero((high + torch.linspace(0, 1, steps) * (low - high)) ** 7)


def _leading(known: Tensor, steps: int) -> Tensor:
    """Timesteps 1, 1 + n/steps, 1 + 2n/steps …, ending at the first of all (CompVis' DDIM)."""
    times = torch.arange(steps) * max(1, len(known) // steps) + 1
    return torch.cat([known[times.clamp(max=len(known) - 1)].flip(0), known[:1]])


def _to_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, torch.zeros(1)])


# --- the samplers --------------------------------------------------------------------------------

Noise = Callable[[], Tensor]


def _euler(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Tensor:
    for now, then in _pairs(sigmas):
        x = x + (x - denoise(x, now)) / now * (then - now)
    return x


def _euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Tensor:
    for now, then in _pairs(sigmas):
        clean = denoise(x, now)
        up = torch.minimum(then, (then**2 * (now**2 - then**2) / now**2).sqrt())
        down = (then**2 - up**2).sqrt()
        x = x + (x - clean) / now * (down - now)
        if then > 0:
            x = x + noise() * up
    return x


def _heun(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Tensor:
    for now, then in _pairs(sigmas):
        slope = (x - denoise(x, now)) / now
        euler = x + slope * (then - now)
        if then > 0:
            slope = (slope + (euler - denoise(euler, then)) / then) / 2
        x = x + slope * (then - now)
    return x


def _dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022)."""
    before: tuple[Tensor, Tensor] | None = None
    for now, then in _pairs(sigmas):
        clean = direction = denoise(x, now)
        step = now.log() - then.log()
        if before is not None and then > 0:
            ratio = (before[1].log() - now.log()) / step
            direction = clean + (clean - before[0]) / (2 * ratio)
        x = then / now * x - torch.expm1(-step) * direction
        before = clean, now
    return x


def _pairs(sigmas: Tensor) -> Sequence[tuple[Tensor, Tensor]]:
    return list(pairwise(sigmas))


_SAMPLERS = {
    "Euler": (_euler, _even),
    "Euler a": (_euler_ancestral, _even),
    "Heun": (_heun, _even),
    "DPM++ 2M": (_dpmpp_2m, _even),
    "DPM++ 2M Karras": (_dpmpp_2m, _karras),
    "DDIM": (_euler, _leading),  # with η = 0 the two are one (Song et al. 2021, eq. 14)
}
