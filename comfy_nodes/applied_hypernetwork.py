"""A MODEL that a hypernetwork changes, as ComfyUI's own Load Hypernetwork makes one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..ti_core.errors import ConfigError
from ..ti_core.events import Notice
from ..ti_core.hypernetworks.applying import Applied
from ..ti_core.hypernetworks.calls import misfit
from ..ti_core.hypernetworks.hypernetwork import Hypernetwork

STRONGEST = 10.0
"""ComfyUI's limit."""
_PLACES = ("attn1_patch", "attn2_patch")
"""Self- and cross-attention, as in A1111."""


class HypernetworkPatch:
    """What ComfyUI calls before the keys and values of an attention are made.

    Computes in fp32, as A1111 does, whatever the model computes in. Clones of a MODEL share it.
    """

    def __init__(self, hypernetwork: Hypernetwork, strength: float) -> None:
        self.hypernetwork, self.strength = hypernetwork, strength
        self._put(torch.device("cpu"))

    def _put(self, device: torch.device) -> None:
        kept = self.hypernetwork.tensors
        tensors = {name: each.to(device) for name, each in kept.items()}
        self._applied = Applied(self.hypernetwork.structure, tensors, self.strength)
        self._device = device

    def __call__(
        self, queries: Tensor, keys: Tensor, values: Tensor, options: object
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, n, width) each; `options` are ComfyUI's."""
        self.to(keys.device)
        return (queries, *self._applied.changed(keys, values))

    def to(self, place: torch.device | torch.dtype) -> HypernetworkPatch:
        """ComfyUI asks for the device before it computes, and for main memory afterwards; it asks
        for the model's precision as well, which changes nothing here."""
        if isinstance(place, torch.device) and place != self._device:
            self._put(place)
        return self

    def __deepcopy__(self, memo: object) -> HypernetworkPatch:
        return self  # 0.3.64 copies all options of a MODEL whenever it is cloned


def with_hypernetwork(
    model: ModelPatcher, hypernetwork: Hypernetwork, strength: float = 1.0
) -> ModelPatcher:
    """A MODEL with the hypernetwork at this strength; the given one stays as it is. Several are
    applied in turn, each to what the one before has made.

    Raises ConfigError for a strength that is not a number of ComfyUI's range.
    """
    if not math.isfinite(strength) or abs(strength) > STRONGEST:
        fix = f"choose one from {-STRONGEST:g} to {STRONGEST:g}"
        raise ConfigError(f"the strength is {strength}", "", fix)
    changed, patch = model.clone(), HypernetworkPatch(hypernetwork, strength)
    changed.set_model_attn1_patch(patch)
    changed.set_model_attn2_patch(patch)
    return changed


def about_fit(model: ModelPatcher, hypernetwork: Hypernetwork) -> list[Notice]:
    """A warning where it was made for another kind of model."""
    context = model.model.model_config.unet_config.get("context_dim")
    if not isinstance(context, int):
        return []
    found = misfit([hypernetwork.name], hypernetwork.widths, context)
    return [found] if found else []


def about_applied(model: ModelPatcher | None) -> Iterator[Notice]:
    """A warning where a MODEL that is to be trained on has hypernetworks, ours or ComfyUI's: they
    are not part of a training."""
    if any(_is_hypernetwork(patch) for patch in _patches(model)):
        what = "the hypernetwork that is applied to this MODEL counts in previews only"
        fix = "connect the MODEL from before it"
        yield Notice("warning", what, "training computes without it", fix)


def _patches(model: ModelPatcher | None) -> Iterator[object]:
    options = getattr(model, "model_options", {}).get("transformer_options", {})
    for place in _PLACES:
        yield from options.get("patches", {}).get(place, [])


def _is_hypernetwork(patch: object) -> bool:
    """ComfyUI's class is made within a function."""
    return isinstance(patch, HypernetworkPatch) or type(patch).__name__ == "hypernetwork_patch"
