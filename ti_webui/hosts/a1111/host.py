"""AUTOMATIC1111's loaded checkpoint as a host.

host = A1111Host()
with host.session("fp16") as session:    # the caller has the web UI's queue lock
    ...
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from modules import devices, sd_models

from ti_core.hosts.common.clip import ClipEncoder
from ti_core.hosts.common.precision import HALF_DTYPES
from ti_core.port.session import ModelFacts, Precision

from ..base import WebUIHost, no_checkpoint
from ..embeddings import refresh
from ..session import WebUISession
from . import hypernetworks
from .model import encoders_of, facts_of, host_networks
from .state import prepare_for_training

if TYPE_CHECKING:
    from modules.sd_models_types import WebuiSdModel


class A1111Host(WebUIHost):
    """Fulfils `port.Host` for whatever checkpoint the web UI has loaded at the time."""

    name = "AUTOMATIC1111"

    def describe(self) -> ModelFacts:
        """Facts about the loaded model. Raises NoModelError or UnsupportedModelError."""
        return facts_of(loaded_model())

    def embedding_saved(self, path: Path) -> None:
        """The next image uses what was written, without a reload."""
        refresh(path)

    def hypernetwork_saved(self, path: Path) -> None:
        """The next prompt uses what was written, without a reload."""
        hypernetworks.refresh(path)

    def _encoder(self) -> ClipEncoder:
        return encoders_of(loaded_model())[0]

    def _device(self) -> torch.device:
        return torch.device(devices.device)

    def _open(self, precision: Precision, stack: ExitStack) -> WebUISession:
        model = loaded_model()
        networks = host_networks(model)
        stack.enter_context(prepare_for_training(model, HALF_DTYPES.get(precision)))
        return WebUISession(networks, precision)


def loaded_model() -> WebuiSdModel:
    """The checkpoint in use. Raises NoModelError when there is none (yet)."""
    model: WebuiSdModel | None = sd_models.model_data.sd_model
    if model is None or any(p.is_meta for p in model.parameters()):
        raise no_checkpoint()
    return model
