"""Images → latents with their spread, which ComfyUI's VAE encode leaves out."""

from __future__ import annotations

import torch
from comfy.sd import VAE
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def encode(vae: VAE, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (B, C, h, w), unscaled, of (B, 3, H, W) in [-1, 1].

    The spread is zero where there is none to be had: in TAESD, and in the tiles that ComfyUI falls
    back to when memory is short (they add in place, which works in inference mode only).
    """
    seen: list[Tensor] = []
    handle = _watch(vae.first_stage_model, seen)
    try:
        with torch.inference_mode():
            mean = vae.encode((pixels.float().cpu() / 2 + 0.5).movedim(1, -1)).float()
            spread = _spread(seen, mean)
    finally:
        handle.remove()
    return mean.clone(), spread.clone()


def _watch(network: nn.Module, seen: list[Tensor]) -> RemovableHandle:
    """Keep the moments that the posterior is made of; the handle ends it."""

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].detach())

    posterior = getattr(network, "regularization", None)
    return (network if posterior is None else posterior).register_forward_pre_hook(keep)


def _spread(seen: list[Tensor], mean: Tensor) -> Tensor:
    """σ of a diagonal Gaussian (Kingma & Welling 2014); the log variance is cut as in training."""
    batch, channels, *size = mean.shape
    if sum(len(part) for part in seen) != batch or any(
        list(part.shape[1:]) != [2 * channels, *size] for part in seen
    ):
        return torch.zeros_like(mean)
    log_variance = torch.cat(seen).float().chunk(2, dim=1)[1].clamp(-30, 20)
    return (0.5 * log_variance).exp().to(mean.device)
