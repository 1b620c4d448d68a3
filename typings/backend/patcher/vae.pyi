from torch import nn

from .base import ModelPatcher

class _LatentFormat:
    scale_factor: float

class _FirstStage(nn.Module):
    """`backend.nn.vae.IntegratedAutoencoderKL`."""

    scaling_factor: float
    """Forge's."""
    latent_format: _LatentFormat
    """Forge Neo's."""

class VAE:
    first_stage_model: _FirstStage
    patcher: ModelPatcher
