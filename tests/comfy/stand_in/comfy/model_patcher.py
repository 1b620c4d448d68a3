"""A model with patches; clones share the model, and what undoes the patches."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import torch
from torch import nn


def _parent(model: nn.Module, key: str) -> tuple[nn.Module, str]:
    path, _, name = key.rpartition(".")
    return model.get_submodule(path), name


class ModelPatcher:
    """See ComfyUI's class of this name."""

    def __init__(self, model: Any, parent: ModelPatcher | None = None) -> None:
        self.model, self.parent = model, parent
        self.load_device = self.offload_device = torch.device("cpu")
        self.patches: dict[str, list[Any]] = {}
        self.object_patches: dict[str, Any] = {}
        self.model_options: dict[str, Any] = {"transformer_options": {}}
        self.backup: dict[str, Any] = {} if parent is None else parent.backup
        self.object_backup: dict[str, Any] = {} if parent is None else parent.object_backup
        self.patches_uuid = uuid.uuid4()
        self.force_cast_weights = False
        if not hasattr(model, "current_weight_patches_uuid"):
            model.current_weight_patches_uuid = None

    def clone(self) -> ModelPatcher:
        """Another patcher of the same model."""
        return self._twin(type(self)(self.model, self))

    def _twin(self, twin: ModelPatcher) -> ModelPatcher:
        twin.patches = {key: list(value) for key, value in self.patches.items()}
        twin.object_patches = dict(self.object_patches)
        twin.model_options = copy.deepcopy(self.model_options)
        twin.patches_uuid = self.patches_uuid
        twin.force_cast_weights = self.force_cast_weights
        return twin

    def is_clone(self, other: Any) -> bool:
        """Whether it is of the same model."""
        return getattr(other, "model", None) is self.model

    def get_model_object(self, name: str) -> Any:
        """A part of the model, patched or not."""
        return self.object_patches.get(name, getattr(self.model, name, None))

    def memory_required(self, input_shape: Any) -> float:
        """Bytes of one sampling step."""
        return float(self.model.memory_required(input_shape))

    def add_patches(self, patches: dict[str, Any], strength: float = 1.0) -> list[str]:
        """Of the kind ("diff", (tensor,))."""
        known = [key for key in patches if key in self.model.state_dict()]
        for key in known:
            self.patches.setdefault(key, []).append((strength, patches[key][1][0]))
        self.patches_uuid = uuid.uuid4()
        return known

    def set_model_attn1_patch(self, patch: Any) -> None:
        """Called before the keys and values of self-attention are made."""
        self._set_model_patch(patch, "attn1_patch")

    def set_model_attn2_patch(self, patch: Any) -> None:
        """Likewise for cross-attention."""
        self._set_model_patch(patch, "attn2_patch")

    def _set_model_patch(self, patch: Any, name: str) -> None:
        patches = self.model_options["transformer_options"].setdefault("patches", {})
        patches[name] = [*patches.get(name, []), patch]

    def model_patches_to(self, place: torch.device | torch.dtype) -> None:
        """Bring patches to where, or to what precision, is computed."""
        for patches in self.model_options["transformer_options"].get("patches", {}).values():
            patches[:] = [each.to(place) if hasattr(each, "to") else each for each in patches]

    def set_model_compute_dtype(self, dtype: torch.dtype) -> None:
        """Weights are cast at each call from the next load on."""
        self.object_patches["manual_cast_dtype"] = dtype
        self.force_cast_weights = True
        self.patches_uuid = uuid.uuid4()

    def load(self) -> None:
        """Patch, and move to the device: here a copy of every weight stands for the move."""
        self.model_patches_to(self.load_device)
        self.model_patches_to(next(self.model.parameters()).dtype)
        if self.model.current_weight_patches_uuid == self.patches_uuid:
            return
        self.detach()
        for name, value in self.object_patches.items():
            self.object_backup[name] = getattr(self.model, name)
            setattr(self.model, name, value)
        for module in self.model.modules():
            if hasattr(module, "prev_comfy_cast_weights"):
                module.comfy_cast_weights = module.prev_comfy_cast_weights
                del module.prev_comfy_cast_weights
            if hasattr(module, "comfy_cast_weights"):
                module.weight_function, module.bias_function = [], []
                if self.force_cast_weights:
                    module.prev_comfy_cast_weights = module.comfy_cast_weights
                    module.comfy_cast_weights = True
        for parameter in self.model.parameters():
            parameter.data = parameter.data.clone()
        for key in self.patches:
            self._patch(key)
        self.model.current_weight_patches_uuid = self.patches_uuid

    def _patch(self, key: str) -> None:
        module, name = _parent(self.model, key)
        weight = module._parameters[name]
        assert weight is not None
        self.backup[key] = weight
        changed = weight.to(torch.float32, copy=True)
        for strength, difference in self.patches[key]:
            changed += strength * difference.to(changed)
        module._parameters[name] = nn.Parameter(changed.to(weight.dtype), requires_grad=False)

    def detach(self, unpatch_all: bool = True) -> None:
        """Undo; with `unpatch_all` weights, too. Flags of casts stay until the next load."""
        self.model_patches_to(self.offload_device)
        for name, value in self.object_backup.items():
            setattr(self.model, name, value)
        self.object_backup.clear()
        if not unpatch_all:
            return
        for key, weight in self.backup.items():
            module, name = _parent(self.model, key)
            module._parameters[name] = nn.Parameter(weight, requires_grad=False)
        self.backup.clear()
        self.model.current_weight_patches_uuid = None


class NewerModelPatcher(ModelPatcher):
    """Since DynamicVRAM came."""

    def is_dynamic(self) -> bool:
        """Whether weights move."""
        return False

    def get_clone_model_override(self) -> tuple[Any, tuple[Any, ...]]:
        """The model, and what undoes the patches."""
        return self.model, (self.backup, self.object_backup)

    def clone(self, disable_dynamic: bool = False, model_override: Any = None) -> ModelPatcher:
        """Another patcher of the same model."""
        return self._twin(type(self)(self.model, self))


class ModelPatcherDynamic(NewerModelPatcher):
    """Weights and their patches are brought to the layers at each call."""

    def __init__(self, model: Any, parent: Any = None, again: Any = None) -> None:
        super().__init__(model, parent)
        self.cached_patcher_init = again
        """What loads the model a second time: (function, inputs)."""

    def is_dynamic(self) -> bool:
        """Whether weights move."""
        return True

    def clone(self, disable_dynamic: bool = False, model_override: Any = None) -> ModelPatcher:
        """Another patcher, of another model if weights shall not move."""
        if not disable_dynamic:
            return self._twin(ModelPatcherDynamic(self.model, self, self.cached_patcher_init))
        if model_override is None:
            if self.cached_patcher_init is None:
                raise RuntimeError("cached_patcher_init is not initialized.")
            read, inputs = self.cached_patcher_init
            model_override = read(*inputs, disable_dynamic=True).get_clone_model_override()
        still = NewerModelPatcher(model_override[0])
        still.backup, still.object_backup = model_override[1]
        still.parent = self
        return self._twin(still)

    def load(self) -> None:
        """Nothing is loaded before it is needed."""
        self.detach()
        for name, value in self.object_patches.items():
            self.object_backup[name] = getattr(self.model, name)
            setattr(self.model, name, value)
        for path, module in self.model.named_modules():
            if hasattr(module, "comfy_cast_weights"):
                module.moves = self.patches.get(f"{path}.weight", [])
        self.model.current_weight_patches_uuid = self.patches_uuid
