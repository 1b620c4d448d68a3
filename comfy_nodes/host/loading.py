"""ComfyUI's memory manager, asked for the parts of a model that a session needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import comfy.model_management as manager
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

from ...ti_core.hosts.common.autograd import renew_inference_tensors
from .dynamic import at_rest

_STEP_TO_SAMPLING = 4
"""A step with its backward pass takes about so many times the memory of one sampling step."""


def computing_in(model: ModelPatcher, dtype: torch.dtype) -> ModelPatcher:
    """MODEL whose network computes in `dtype`, whatever its weights are stored in."""
    network = model.model
    if (network.manual_cast_dtype or network.get_dtype()) == dtype:
        return model
    changed = model.clone()
    changed.set_model_compute_dtype(dtype)
    return changed


class Loading:
    """Which patchers are loaded and fit for gradients; puts all back when closed."""

    def __init__(self, *given: ModelPatcher | None) -> None:
        """`given`: patchers of the graph; they or clones of them may be loaded until `close`."""
        self._given = [patcher for patcher in given if patcher is not None]
        self._before = manager.loaded_models()
        self._copies: list[ModelPatcher] = []
        self._frozen: dict[tuple[nn.Module, str], None] = {}
        self._ready: list[ModelPatcher] = []
        self._room = 0.0
        for patcher in self._given:
            self._freeze(patcher.model)

    def at_rest(self, patcher: ModelPatcher) -> ModelPatcher:
        """The patcher itself, or one whose weights stay, which is unloaded in the end."""
        still = at_rest(patcher)
        if still is not patcher:
            self._copies.append(still)
        return still

    def ready(self, *patchers: ModelPatcher, sampling_bytes: float = 0) -> None:
        """Load these beside what is loaded already, with room for a step.

        `sampling_bytes` is what ComfyUI thinks that a step without gradients takes.
        """
        room = max(self._room, sampling_bytes * _STEP_TO_SAMPLING)
        wanted = [*self._ready, *(p for p in patchers if not _has(self._ready, p))]
        if len(wanted) == len(self._ready) and room == self._room:
            return
        _load(wanted, room)
        for patcher in wanted:
            self._freeze(patcher.model)
            renew_inference_tensors(patcher.model, freeze=True)
        self._ready, self._room = wanted, room

    @contextmanager
    def others(self) -> Iterator[None]:
        """ComfyUI loads what it likes inside; what was ready may be gone afterwards."""
        try:
            yield
        finally:
            self._ready = []

    def release(self, patcher: ModelPatcher) -> None:
        """Take a part off the accelerator until it is next asked for."""
        self._ready = [other for other in self._ready if other is not patcher]
        if patcher.load_device != patcher.offload_device:
            _unload(patcher)
            manager.soft_empty_cache()

    def close(self) -> None:
        """Leave everything as found; every step is tried even if one before it fails."""
        with ExitStack() as stack:
            stack.callback(self._thaw)
            for patcher in self._given:
                stack.callback(self._put_back, patcher)
            for patcher in self._copies:
                stack.callback(_unload, patcher)

    def _put_back(self, given: ModelPatcher) -> None:
        """The weights patched and cast as they were before, if they are loaded at all.

        This alone undoes the casts: unloading leaves their flags to the next load.
        """
        before = next((p for p in self._before if given.is_clone(p)), given)
        now = next((p for p in manager.loaded_models() if given.is_clone(p)), None)
        if now is not None and now is not before:
            _load([before])

    def _freeze(self, network: nn.Module) -> None:
        """Without this, backward fills gradients for every weight of the UNet."""
        for module in network.modules():
            for name, parameter in module._parameters.items():
                if parameter is not None and parameter.requires_grad:
                    self._frozen.setdefault((module, name))
                    parameter.requires_grad_(False)

    def _thaw(self) -> None:
        """By their places: weights with patches are other tensors after each load."""
        for module, name in self._frozen:
            parameter = module._parameters[name]
            if parameter is not None:
                with torch.inference_mode(parameter.is_inference()):  # where theirs can be changed
                    parameter.requires_grad_(True)


def _has(patchers: list[ModelPatcher], patcher: ModelPatcher) -> bool:
    return any(other is patcher for other in patchers)


def _load(patchers: list[ModelPatcher], room: float = 0) -> None:
    """As a node does it, in inference mode.

    A weight that was created in it and is moved outside of it is good for nothing any more: even
    sampling fails then ("do not track version counter"), and to make room any model may be moved.
    """
    with torch.inference_mode():
        manager.load_models_gpu(patchers, memory_required=room)


def _unload(patcher: ModelPatcher) -> None:
    loaded = manager.current_loaded_models
    with torch.inference_mode():
        for entry in [entry for entry in loaded if patcher.is_clone(entry.model)]:
            entry.model_unload()
            loaded.remove(entry)
