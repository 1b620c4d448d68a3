import torch

from .model_base import BaseModel

class ModelPatcher:
    model: BaseModel
    """Of the UNet; those of CLIP and VAE are only `nn.Module`s."""
    load_device: torch.device
    offload_device: torch.device
