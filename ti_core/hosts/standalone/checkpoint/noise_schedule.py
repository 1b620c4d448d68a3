"""The noise that a model was trained with: ᾱ_t for every timestep (Ho et al. 2020, eq. 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from ....errors import CheckpointError
from ....options import SettingValues

_SMALLEST_ALPHA = 2.0**-24
"""Below it all samplers see the same noise."""


def stable_diffusion_alphas(zero_terminal_snr: bool = False) -> Tensor:
    """(1000,) ᾱ of every Stable Diffusion: "scaled linear" betas from 0.00085 to 0.012."""
    return _alphas(_scaled_linear(0.00085, 0.012, 1000), zero_terminal_snr)


def alphas_from_config(config: SettingValues) -> Tensor:
    """(T,) ᾱ of a diffusers `scheduler_config.json`, read by `read_config`.

    Raises CheckpointError when nothing of an image is left long before the last timestep.
    """
    trained = config.get("trained_betas")
    start, end = config.get("beta_start", 0.00085), config.get("beta_end", 0.012)
    steps, name = config.get("num_train_timesteps", 1000), config.get("beta_schedule")
    if trained is not None:
        betas = torch.tensor(trained, dtype=torch.float64)
    elif name == "scaled_linear":
        betas = _scaled_linear(start, end, steps)
    elif name == "linear":
        betas = torch.linspace(start, end, steps, dtype=torch.float64)
    else:
        raise CheckpointError(f"the noise schedule '{name}' of this model is not supported")
    alphas = _alphas(betas, bool(config.get("rescale_betas_zero_snr", False)))
    if len(alphas) < 2 or alphas[-2] < _SMALLEST_ALPHA:
        why = "images are pure noise before the last of its timesteps"
        raise CheckpointError("the noise schedule of this model cannot be used", why)
    return alphas


def _scaled_linear(start: float, end: float, steps: int) -> Tensor:
    return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2


def _alphas(betas: Tensor, zero_terminal_snr: bool) -> Tensor:
    alphas = torch.cumprod(1 - betas, 0)
    return _rescale(alphas) if zero_terminal_snr else alphas


def _rescale(alphas: Tensor) -> Tensor:
    """Shift and stretch √ᾱ so that the last step is pure noise (Lin et al. 2023, algorithm 1)."""
    root = alphas.sqrt()
    first, last = root[0], root[-1]
    return ((root - last) * first / (first - last)) ** 2
