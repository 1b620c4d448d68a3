from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from .latent_formats import LatentFormat
from .model_sampling import ModelSamplingDiscrete

class _ModelConfig:
    """`comfy.supported_models_base.BASE`; each kind of model has a class of its own."""

    unet_config: Mapping[str, object]

class BaseModel(nn.Module):
    diffusion_model: nn.Module
    model_config: _ModelConfig
    model_sampling: ModelSamplingDiscrete
    latent_format: LatentFormat
    manual_cast_dtype: torch.dtype | None
    adm_channels: int

    def get_dtype(self) -> torch.dtype: ...
    def concat_cond(
        self, *, noise: Tensor, latent_image: Tensor, device: torch.device
    ) -> Tensor | None: ...
    def memory_required(self, input_shape: Sequence[int]) -> float: ...

class SDXL(BaseModel):
    embedder: nn.Module
