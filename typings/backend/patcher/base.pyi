import torch
from torch import nn

class ModelPatcher:
    model: nn.Module
    load_device: torch.device
    offload_device: torch.device

    def refresh_loras(self) -> None: ...
