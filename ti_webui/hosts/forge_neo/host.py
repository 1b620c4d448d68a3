"""Forge Neo's loaded checkpoint as a host: Forge's, but for what has changed there.

host = ForgeNeoHost()
with host.session("fp16") as session:    # in the main thread, with the queue lock held
    ...
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ti_core.port.session import ModelFacts

from ..forge.host import ForgeHost
from .model import facts_of
from .state import prepare_for_training

if TYPE_CHECKING:
    from backend.diffusion_engine.base import ForgeDiffusionEngine


class ForgeNeoHost(ForgeHost):
    """Fulfils `port.Host` for SD 1 and SDXL; of its other models none takes embeddings."""

    name = "Forge Neo"

    def _facts(self, model: ForgeDiffusionEngine) -> ModelFacts:
        return facts_of(model)

    def _prepared(self, model: ForgeDiffusionEngine) -> AbstractContextManager[None]:
        return prepare_for_training(model)
