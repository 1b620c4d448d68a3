from ..modules.k_model import KModel
from .base import ModelPatcher

class UnetPatcher(ModelPatcher):
    model: KModel
