"""reForge's loaded checkpoint as a host: A1111's shell with ComfyUI's networks and loading inside.

host = ReforgeHost()
with host.session("fp16") as session:    # in reForge's main thread, with the queue lock held
    ...
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from ldm_patched.modules import model_management
from modules import sd_models

from ti_core.hosts.common.clip import ClipEncoder
from ti_core.port.session import Features, ModelFacts, Precision

from ..base import WebUIHost, no_checkpoint
from ..embeddings import refresh
from ..loading import Loading
from ..session import WebUISession
from .model import encoders_of, facts_of
from .state import prepare_for_training

if TYPE_CHECKING:
    from modules.sd_models_types import WebuiSdModel


class ReforgeHost(WebUIHost):
    """Fulfils `port.Host` for whatever checkpoint reForge has loaded at the time."""

    name = "reForge"

    def describe(self) -> ModelFacts:
        """Facts about the loaded model. Raises NoModelError or UnsupportedModelError."""
        return facts_of(loaded_model())

    def features(self) -> Features:
        """As everywhere; but this program does not use hypernetworks in its own images."""
        return replace(super().features(), hypernetworks=False)

    def embedding_saved(self, path: Path) -> None:
        """The next image uses what was written, without a reload."""
        refresh(path)

    def _encoder(self) -> ClipEncoder:
        return encoders_of(loaded_model())[0]

    def _device(self) -> torch.device:
        return model_management.get_torch_device()

    def _open(self, precision: Precision, stack: ExitStack) -> WebUISession:
        model = loaded_model()
        facts, encoders = facts_of(model), encoders_of(model)
        stack.enter_context(prepare_for_training(model))
        networks = Loading(model_management, model).networks(facts, encoders)
        return WebUISession(networks, precision, moves=False)


def loaded_model() -> WebuiSdModel:
    """The checkpoint in use. Raises NoModelError when there is none (yet)."""
    model: WebuiSdModel = sd_models.model_data.sd_model
    if getattr(model, "forge_objects_original", None) is None:
        raise no_checkpoint()
    return model
