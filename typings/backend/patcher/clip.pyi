from torch import nn

from .base import ModelPatcher

class CLIP:
    cond_stage_model: nn.Module
    patcher: ModelPatcher
