from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .model_base import BaseModel
from .model_sampling import ModelSamplingDiscrete

SharedByClones = tuple[nn.Module, tuple[object, ...]]
"""A network, and what undoes the patches on it."""

AttentionPatch = Callable[[Tensor, Tensor, Tensor, object], tuple[Tensor, Tensor, Tensor]]
"""Queries, keys and values, and options → what they are made from."""

class ModelPatcher:
    """What goes along a MODEL cable; CLIP and VAE have one each, too."""

    model: BaseModel
    """Of a MODEL; those of CLIP and VAE are only `nn.Module`s."""
    load_device: torch.device
    offload_device: torch.device

    parent: ModelPatcher | None
    backup: Mapping[str, object]
    """Key of a patched weight → what holds the weight as it was, while the model is loaded."""
    patches: Mapping[str, object]
    object_patches: Mapping[str, object]
    model_options: Mapping[str, object]

    def clone(
        self, disable_dynamic: bool = ..., model_override: SharedByClones | None = ...
    ) -> ModelPatcher:
        """The arguments are newer than 0.3.64."""

    def is_dynamic(self) -> bool:
        """Newer than 0.3.64."""

    def get_clone_model_override(self) -> SharedByClones:
        """Newer than 0.3.64."""

    def is_clone(self, other: object) -> bool: ...
    def get_model_object(self, name: Literal["model_sampling"]) -> ModelSamplingDiscrete: ...
    def set_model_compute_dtype(self, dtype: torch.dtype) -> None: ...
    def memory_required(self, input_shape: Sequence[int]) -> float: ...
    def set_model_attn1_patch(self, patch: AttentionPatch) -> None: ...
    def set_model_attn2_patch(self, patch: AttentionPatch) -> None: ...
