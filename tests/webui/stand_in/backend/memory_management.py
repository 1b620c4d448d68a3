"""What is on the device; here everything always is."""

from __future__ import annotations

from typing import Any

import torch

current_loaded_models: list[Any] = []


class LoadedModel:
    """An entry of the list."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def model_unload(self) -> None:
        """To main memory."""
        self.model.unloads += 1


def load_models_gpu(models: list[Any], memory_required: float = 0) -> None:
    """Those that are not there yet; others with the same network give way."""
    for model in models:
        if not any(entry.model is model for entry in current_loaded_models):
            others = [e for e in current_loaded_models if e.model.model is not model.model]
            current_loaded_models[:] = [*others, LoadedModel(model)]
            model.loads += 1
            model.patch()


def get_torch_device() -> torch.device:
    """Where the networks compute."""
    return torch.device("cpu")


def text_encoder_device() -> torch.device:
    """Where the text encoders compute."""
    return torch.device("cpu")


def soft_empty_cache() -> None:
    """Nothing to free here."""
