"""Forge's loaded checkpoint as a host.

host = ForgeHost()
with host.session("fp16") as session:    # in Forge's main thread, with the queue lock held
    ...
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from backend import memory_management
from modules import sd_models

from ti_core.hosts.common.autograd import keep_inputs
from ti_core.hosts.common.clip import ClipEncoder
from ti_core.port.session import Features, ModelFacts, Precision

from ..base import WebUIHost, no_checkpoint
from ..loading import Loading
from ..session import WebUISession
from .embeddings import refresh
from .model import encoders_of, facts_of
from .state import without_loras

if TYPE_CHECKING:
    from backend.diffusion_engine.base import ForgeDiffusionEngine


class ForgeHost(WebUIHost):
    """Fulfils `port.Host` for whatever checkpoint Forge has loaded at the time.

    In Forge's main thread the checkpoint that is chosen on the page is loaded when it is needed,
    as for an image; elsewhere the one that is loaded counts.
    """

    name = "Forge"

    def describe(self) -> ModelFacts:
        """Facts about the loaded model. Raises NoModelError or UnsupportedModelError."""
        return self._facts(loaded_model())

    def features(self) -> Features:
        """As everywhere; but this program does not use hypernetworks in its own images."""
        return replace(super().features(), hypernetworks=False)

    def embedding_saved(self, path: Path) -> None:
        """The next image uses what was written, without a reload."""
        refresh(sd_models.model_data.sd_model, path)

    def _encoder(self) -> ClipEncoder:
        return encoders_of(loaded_model())[0]

    def _device(self) -> torch.device:
        return memory_management.get_torch_device()

    def _open(self, precision: Precision, stack: ExitStack) -> WebUISession:
        model = loaded_model()
        facts, encoders = self._facts(model), encoders_of(model)
        loading = Loading(memory_management, model)
        stack.enter_context(self._prepared(model))
        networks = loading.networks(facts, encoders, keep_inputs)
        return WebUISession(networks, precision, moves=False)

    # --- what Forge Neo does in another way -----------------------------------------------------

    def _facts(self, model: ForgeDiffusionEngine) -> ModelFacts:
        """See `describe`."""
        return facts_of(model, model.forge_objects_original.vae.first_stage_model.scaling_factor)

    def _prepared(self, model: ForgeDiffusionEngine) -> AbstractContextManager[None]:
        """While open, the networks that are loaded can be trained with."""
        return without_loras(model)


def loaded_model() -> ForgeDiffusionEngine:
    """The checkpoint in use. Raises NoModelError when there is none (yet)."""
    if threading.current_thread() is threading.main_thread() and _is_chosen():
        sd_models.forge_model_reload()
    model: ForgeDiffusionEngine = sd_models.model_data.sd_model
    if getattr(model, "forge_objects", None) is None:
        fix = "choose one at the top left of the page and press Generate once"
        raise no_checkpoint("it is loaded for the first image", fix)
    return model


def _is_chosen() -> bool:
    return bool(sd_models.model_data.forge_loading_parameters.get("checkpoint_info"))
