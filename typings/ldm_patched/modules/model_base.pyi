from torch import nn

from .model_sampling import ModelSamplingDiscrete

class _LatentFormat:
    """`ldm_patched.modules.latent_formats.LatentFormat`."""

    scale_factor: float

class BaseModel(nn.Module):
    diffusion_model: nn.Module
    model_sampling: ModelSamplingDiscrete
    latent_format: _LatentFormat
