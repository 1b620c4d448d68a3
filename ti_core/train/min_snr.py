"""How much the loss of a timestep counts: min-SNR-γ (Hang et al. 2023, arXiv 2303.09556)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..diffusion import Diffusion
from ..errors import ConfigError, setting


def min_snr_weights(diffusion: Diffusion, timesteps: Tensor, gamma: float) -> Tensor:
    """(B,) factors for the squared errors at (B,) timesteps: min(SNR, γ)/SNR for networks that
    predict ε, min(SNR, γ)/(SNR + 1) for v (kohya's `apply_snr_weight`)."""
    snr = diffusion.signal_to_noise(timesteps)
    least = torch.full_like(snr, gamma).minimum(snr)
    if diffusion.prediction == "v_prediction":
        return (least / (snr + 1)).float()
    # without any signal the SNR is 0, and so is what min(SNR, γ) leaves of its excess
    return torch.where(snr > 0, least / snr.clamp(min=torch.finfo(snr.dtype).tiny), 1.0).float()


def require_known_snr(diffusion: Diffusion, gamma: float) -> None:
    """Raise ConfigError where a network's loss cannot be weighed so."""
    if gamma and diffusion.prediction not in ("epsilon", "v_prediction"):
        what = f"{setting('min_snr_gamma')} cannot be used with this model"
        why = f"its network predicts neither noise nor v, but {diffusion.prediction}"
        raise ConfigError(what, why, f"leave {setting('min_snr_gamma')} at 0")
