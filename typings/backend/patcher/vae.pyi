from torch import nn

from .base import ModelPatcher

class _FirstStage(nn.Module):
    """`backend.nn.vae.IntegratedAutoencoderKL`."""

    scaling_factor: float

class VAE:
    first_stage_model: _FirstStage
    patcher: ModelPatcher
