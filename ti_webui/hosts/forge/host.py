"""Forge's loaded checkpoint as a host.

host = ForgeHost()
with host.session("fp16") as session:    # in Forge's main thread, with the queue lock held
    ...
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from backend import memory_management
from modules import sd_models

from ti_core.errors import HostError
from ti_core.hosts.common.precision import check_precision
from ti_core.port.session import ModelFacts, Precision

from ..base import WebUIHost, exclusive_session
from ..loading import Loading
from ..session import WebUISession
from ..text import Encoder
from .embeddings import refresh
from .model import encoders_of, facts_of, host_networks
from .state import prepared_for_training


class ForgeHost(WebUIHost):
    """Fulfils `port.Host` for whatever checkpoint Forge has loaded at the time.

    In Forge's main thread the checkpoint that is chosen on the page is loaded when it is needed,
    as for a picture; elsewhere the one that is loaded counts.
    """

    name = "Forge"

    def describe(self) -> ModelFacts:
        """Facts about the loaded model. Raises HostError when there is none, or of another kind."""
        return facts_of(loaded_model())

    @contextmanager
    def session(self, precision: Precision = "no") -> Iterator[WebUISession]:
        """Lend the model; only one session at a time in the process.

        Raises HostError when a session is open, there is no model that can be trained, or the
        device cannot compute in `precision`.
        """
        check_precision(precision, memory_management.get_torch_device())
        with ExitStack() as stack:
            stack.enter_context(exclusive_session())
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            model = loaded_model()
            facts_of(model)  # refuses at once what cannot be trained
            loading = Loading(memory_management, model.forge_objects_original)
            stack.enter_context(prepared_for_training(model))
            lent = host_networks(model, loading, lambda: _check_loaded(model))
            session = WebUISession(lent, precision, moves=False)
            stack.callback(session.close)
            yield session

    def embedding_saved(self, path: Path) -> None:
        """The next picture uses what was written, without a reload."""
        refresh(sd_models.model_data.sd_model, path)

    def _encoder(self) -> Encoder:
        return encoders_of(loaded_model())[0]


def loaded_model() -> Any:
    """The checkpoint in use. Raises HostError when there is none (yet)."""
    if threading.current_thread() is threading.main_thread() and _is_chosen():
        sd_models.forge_model_reload()
    model = sd_models.model_data.sd_model
    if getattr(model, "forge_objects", None) is None:
        fix = "choose one at the top left of the page and press Generate once"
        raise HostError("no checkpoint is loaded", "Forge loads it for the first picture", fix)
    return model


def _is_chosen() -> bool:
    return bool(sd_models.model_data.forge_loading_parameters.get("checkpoint_info"))


def _check_loaded(model: Any) -> None:
    """Raise HostError if Forge has gone over to another checkpoint."""
    now = sd_models.model_data.sd_model
    if now is not model:
        info = getattr(now, "sd_checkpoint_info", None)
        name = getattr(info, "name_for_extra", "none")
        fix = "load the one that the training began with, and resume"
        raise HostError("the checkpoint was changed", f"Forge has {name} loaded now", fix)
