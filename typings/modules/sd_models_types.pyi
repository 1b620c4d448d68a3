from modules_forge.forge_loader import ForgeSD
from torch import Tensor, nn

from .sd_hijack_clip import FrozenCLIPEmbedderWithCustomWordsBase
from .sd_models import CheckpointInfo

class _Wrapper(nn.Module):
    """`ldm.models.diffusion.ddpm.DiffusionWrapper`."""

    diffusion_model: nn.Module

class WebuiSdModel(nn.Module):
    """A1111's checkpoint, and reForge's."""

    model: _Wrapper
    first_stage_model: nn.Module
    cond_stage_model: FrozenCLIPEmbedderWithCustomWordsBase
    """SDXL has `conditioner.embedders` instead."""
    parameterization: str
    alphas_cumprod: Tensor
    scale_factor: float
    lowvram: bool
    sd_checkpoint_info: CheckpointInfo
    forge_objects: ForgeSD
    """Only in reForge, as the next."""
    forge_objects_original: ForgeSD
