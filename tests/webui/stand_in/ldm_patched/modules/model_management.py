"""What is on the device, and whose LoRAs are in its weights."""

from __future__ import annotations

from typing import Any

import torch

current_loaded_models: list[Any] = []


class ModelPatcher:
    """Around a network; a clone of one with a LoRA shares it."""

    load_device = torch.device("cpu")
    offload_device = torch.device("meta")
    """Another place; nothing is moved here."""

    def __init__(self, model: torch.nn.Module, lora: float = 0.0) -> None:
        self.model, self.lora = model, lora
        self.loads = self.unloads = 0


class LoadedModel:
    """An entry of the list."""

    def __init__(self, model: ModelPatcher) -> None:
        self.model = model

    def model_unload(self) -> None:
        """To main memory, without the LoRA."""
        self.model.unloads += 1
        _add(self.model, -self.model.lora)


def load_models_gpu(models: list[ModelPatcher], memory_required: float = 0) -> None:
    """Those that are not there yet; another patcher of the same network makes room for them."""
    for model in models:
        if any(entry.model is model for entry in current_loaded_models):
            continue
        for entry in [entry for entry in current_loaded_models if entry.model.model is model.model]:
            current_loaded_models.remove(entry)
            _add(entry.model, -entry.model.lora)
        _move(model.model)
        _add(model, model.lora)
        current_loaded_models.append(LoadedModel(model))
        model.loads += 1


def _move(network: torch.nn.Module) -> None:
    """To the device: its weights are other tensors then, of the mode that is on."""
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for tensor in tensors.values():
                if tensor is not None:
                    tensor.data = tensor.data.clone()


def _add(patcher: ModelPatcher, strength: float) -> None:
    if strength:
        with torch.no_grad():
            for parameter in patcher.model.parameters():
                parameter.add_(strength)


def get_torch_device() -> torch.device:
    """Where the networks compute."""
    return torch.device("cpu")


def soft_empty_cache() -> None:
    """Nothing to free here."""
