"""Parts of a checkpoint on the device, by the memory manager that Forge has from ComfyUI."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

from ti_core.hosts.common.autograd import Inside, as_it_is, renew_inference_tensors
from ti_core.hosts.common.clip import ClipEncoder
from ti_core.hosts.common.session import Part
from ti_core.port.session import ModelFacts

from .networks import HostNetworks

_ROOM = 3 * 1024**3
"""Bytes of the accelerator that are kept free of weights, for a step with its backward pass."""


class Loading:
    """Which parts are on the device; the program's manager puts them there and knows about it.

    It is called in inference mode, as for images: to make room it may move any other model, and a
    weight that was made in that mode and is moved outside of it is good for nothing any more. What
    is ready is fit for gradients anyway.
    """

    def __init__(self, manager: ModuleType, model: Any) -> None:
        """Loads all three: whatever the program would do to them at first use is done then.

        `manager` is its module for that. LoRAs are patches, which the objects in use here lack.
        """
        self._manager, self._model = manager, model
        objects = model.forge_objects_original
        self._patchers = {
            "unet": objects.unet,
            "text_encoder": objects.clip.patcher,
            "vae": objects.vae.patcher,
        }
        self._wanted: dict[str, Any] = {}
        for part in ("vae", "text_encoder", "unet"):
            self.ready(part)
        self._renew()

    def networks(
        self, facts: ModelFacts, encoders: tuple[ClipEncoder, ...], inside: Inside = as_it_is
    ) -> HostNetworks:
        """What a session needs; for `inside` see `HostNetworks`."""
        unet = self._patchers["unet"]
        return HostNetworks(
            model=self._model,
            facts=facts,
            device=torch.device(unet.load_device),
            unet=unet.model.diffusion_model,
            vae=self._model.forge_objects_original.vae.first_stage_model,
            encoders=encoders,
            ready=self.ready,
            release=self.release,
            inside=inside,
            unet_options=lambda: {"transformer_options": {}},
        )

    def ready(self, part: Part) -> None:
        """Load this part beside those that are loaded already."""
        self._wanted[part] = self._patchers[part]
        if not all(self._is_loaded(patcher) for patcher in self._wanted.values()):
            with torch.inference_mode():
                self._manager.load_models_gpu([*self._wanted.values()], memory_required=_ROOM)
            self._renew()

    def release(self, part: Part) -> None:
        """Send it where the program keeps what is not in use, if that is another place."""
        patcher = self._wanted.pop(part, None)
        if patcher is None or patcher.load_device == patcher.offload_device:
            return
        with torch.inference_mode():
            for loaded in list(self._manager.current_loaded_models):
                if loaded.model is patcher:
                    self._manager.current_loaded_models.remove(loaded)
                    loaded.model_unload()
            self._manager.soft_empty_cache()

    def _is_loaded(self, patcher: object) -> bool:
        loaded = self._manager.current_loaded_models
        return any(entry.model is patcher for entry in loaded)

    def _renew(self) -> None:
        for patcher in self._wanted.values():
            renew_inference_tensors(patcher.model)
