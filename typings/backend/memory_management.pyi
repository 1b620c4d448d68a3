from collections.abc import Sequence

import torch

from .patcher.base import ModelPatcher

class LoadedModel:
    model: ModelPatcher

    def model_unload(self) -> object: ...

current_loaded_models: list[LoadedModel]

def get_torch_device() -> torch.device: ...
def load_models_gpu(models: Sequence[ModelPatcher], memory_required: float = ...) -> None: ...
def soft_empty_cache() -> None: ...
