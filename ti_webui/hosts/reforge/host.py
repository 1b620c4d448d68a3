"""reForge's loaded checkpoint as a host: A1111's shell with ComfyUI's networks and loading inside.

host = ReforgeHost()
with host.session("fp16") as session:    # in reForge's main thread, with the queue lock held
    ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from ldm_patched.modules import model_management
from modules import sd_models

from ti_core.errors import HostError
from ti_core.hosts.common.precision import check_precision
from ti_core.port.session import ModelFacts, Precision

from ..a1111.embeddings import refresh
from ..base import WebUIHost, exclusive_session
from ..loading import Loading
from ..session import WebUISession
from ..text import Encoder
from .model import encoders_of, facts_of, host_networks
from .state import prepared_for_training


class ReforgeHost(WebUIHost):
    """Fulfils `port.Host` for whatever checkpoint reForge has loaded at the time."""

    name = "reForge"

    def describe(self) -> ModelFacts:
        """Facts about the loaded model. Raises HostError when there is none, or of another kind."""
        return facts_of(loaded_model())

    @contextmanager
    def session(self, precision: Precision = "no") -> Iterator[WebUISession]:
        """Lend the model; only one session at a time in the process.

        Raises HostError when a session is open, there is no model that can be trained, or the
        device cannot compute in `precision`.
        """
        check_precision(precision, model_management.get_torch_device())
        with ExitStack() as stack:
            stack.enter_context(exclusive_session())
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            model = loaded_model()
            facts_of(model)  # refuses at once what cannot be trained
            stack.enter_context(prepared_for_training(model))
            loading = Loading(model_management, model.forge_objects_original)
            lent = host_networks(model, loading, lambda: _check_loaded(model))
            session = WebUISession(lent, precision, moves=False)
            stack.callback(session.close)
            yield session

    def embedding_saved(self, path: Path) -> None:
        """The next picture uses what was written, without a reload."""
        refresh(path)

    def _encoder(self) -> Encoder:
        return encoders_of(loaded_model())[0]


def loaded_model() -> Any:
    """The checkpoint in use. Raises HostError when there is none (yet)."""
    model = sd_models.model_data.sd_model
    if getattr(model, "forge_objects_original", None) is None:
        fix = "wait until it is loaded, or choose one at the top left of the page"
        raise HostError("no checkpoint is loaded", "", fix)
    return model


def _check_loaded(model: Any) -> None:
    """Raise HostError if reForge has gone over to another checkpoint, or unloaded this one."""
    now = sd_models.model_data.sd_model
    if now is not model:
        info = getattr(now, "sd_checkpoint_info", None)
        name = getattr(info, "name_for_extra", "none")
        fix = "load the one that the training began with, and resume"
        raise HostError("the checkpoint was changed", f"reForge has {name} loaded now", fix)
