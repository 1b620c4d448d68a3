"""Preview pictures: the samplers that everybody knows, under A1111's names.

In Karras' variables (Karras et al. 2022): x = latent + σ·noise, and a model that tells the latent.
The steps are those of k-diffusion, from which the web UIs have theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ...errors import HostError
from ...port.session import ModelFacts, PreviewRequest

_SMALLEST_ALPHA = 2.0**-24
"""With a zero terminal SNR the first sigma would be infinite."""
_LATENT_PIXEL = 8

Network = Callable[[Tensor, Tensor], Tensor]
"""(1, 4, h, w) scaled for the network, (1,) timestep → its output, (1, …) or with guidance
(2, …), the negative prompt's first."""
Denoise = Callable[[Tensor, Tensor], Tensor]
"""x and σ → the clean latent."""


def check_request(request: PreviewRequest) -> None:
    """Raise HostError for a picture that cannot be made."""
    if request.sampler not in SAMPLERS:
        why = f"there are {', '.join(SAMPLERS)}"
        raise HostError(f"the sampler '{request.sampler}' is unknown", why)
    if request.width % _LATENT_PIXEL or request.height % _LATENT_PIXEL:
        why = f"{request.width}×{request.height} are not multiples of {_LATENT_PIXEL}"
        raise HostError("this preview size is not possible", why)
    if request.steps < 1 or min(request.width, request.height) < _LATENT_PIXEL:
        raise HostError("a preview needs at least one step and a size")


def sample(
    facts: ModelFacts, request: PreviewRequest, seed: int, device: torch.device, network: Network
) -> Tensor:
    """A clean latent (1, 4, h, w); noise comes from a CPU generator of its own."""
    generator = torch.Generator("cpu").manual_seed(seed)
    shape = (1, 4, request.height // _LATENT_PIXEL, request.width // _LATENT_PIXEL)

    def noise() -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    known = _sigmas(facts)
    step, spaced = _SAMPLERS[request.sampler]
    sigmas = torch.cat([spaced(known, request.steps), torch.zeros(1)]).to(device)
    denoise = _Denoiser(facts, known.to(device), network, request.cfg_scale)
    x: Tensor = noise() * (1 + sigmas[0] ** 2).sqrt()
    return step(denoise, x, sigmas, noise)


class _Denoiser:
    """The network's epsilon or v, with guidance, turned into a clean latent."""

    def __init__(
        self, facts: ModelFacts, sigmas: Tensor, network: Network, cfg_scale: float
    ) -> None:
        self._is_v = facts.prediction == "v_prediction"
        self._logs, self._network, self._scale = sigmas.log(), network, cfg_scale

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        spread = (1 + sigma**2).sqrt()
        output = self._guided(self._network(x / spread, self._timestep(sigma)))
        if self._is_v:  # Salimans & Ho 2022, appendix D
            return x / spread**2 - output * sigma / spread
        return x - output * sigma

    def _guided(self, output: Tensor) -> Tensor:
        """Away from the negative prompt (Ho & Salimans 2022)."""
        if len(output) == 1:
            return output
        negative, positive = output.chunk(2)
        return negative + self._scale * (positive - negative)

    def _timestep(self, sigma: Tensor) -> Tensor:
        """(1,), between two timesteps where σ is between theirs."""
        logs, wanted = self._logs, sigma.log()
        low = (torch.searchsorted(logs, wanted) - 1).clamp(0, len(logs) - 2)
        share = (wanted - logs[low]) / (logs[low + 1] - logs[low])
        return (low + share.clamp(0, 1)).reshape(1)


# --- σ, step by step -----------------------------------------------------------------------------


def _sigmas(facts: ModelFacts) -> Tensor:
    """σ of every timestep, rising."""
    kept = torch.tensor(facts.alphas_cumprod, dtype=torch.float64).clamp(min=_SMALLEST_ALPHA)
    return ((1 - kept) / kept).sqrt().float()


def _even(known: Tensor, steps: int) -> Tensor:
    """Evenly spaced in time, from the last timestep to the first ("Automatic")."""
    times = torch.linspace(len(known) - 1, 0, steps)
    low = times.long().clamp(max=len(known) - 2)
    logs = known.log()
    return torch.lerp(logs[low], logs[low + 1], times - low).exp()


def _karras(known: Tensor, steps: int) -> Tensor:
    """Karras et al. 2022, eq. 5, with ρ = 7."""
    low, high = (float(known[i]) ** (1 / 7) for i in (0, -1))
    return (high + torch.linspace(0, 1, steps) * (low - high)) ** 7


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
}
SAMPLERS = tuple(_SAMPLERS)
"""Names that a preview can ask for."""
