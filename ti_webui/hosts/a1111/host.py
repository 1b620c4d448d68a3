"""AUTOMATIC1111's loaded checkpoint as a host.

host = A1111Host()
with host.session("fp16") as session:    # the caller has the web UI's queue lock
    ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from modules import devices, sd_models

from ti_core.errors import HostError
from ti_core.hosts.common.precision import HALF_DTYPES, check_precision
from ti_core.port.session import ModelFacts, Precision

from ..base import WebUIHost, exclusive_session
from ..session import WebUISession
from ..text import Encoder
from .embeddings import refresh
from .model import facts_of, host_networks
from .state import prepared_for_training


class A1111Host(WebUIHost):
    """Fulfils `port.Host` for whatever checkpoint the web UI has loaded at the time."""

    name = "AUTOMATIC1111"

    def describe(self) -> ModelFacts:
        """Facts about the loaded model. Raises HostError when there is none, or of another kind."""
        return facts_of(loaded_model())

    @contextmanager
    def session(self, precision: Precision = "no") -> Iterator[WebUISession]:
        """Lend the model; only one session at a time in the process.

        Raises HostError when a session is open, there is no model that can be trained, or the
        device cannot compute in `precision`.
        """
        check_precision(precision, devices.device)
        with ExitStack() as stack:
            stack.enter_context(exclusive_session())
            model = loaded_model()
            lent = host_networks(model, lambda: _check_loaded(model))
            stack.enter_context(prepared_for_training(model, HALF_DTYPES.get(precision)))
            session = WebUISession(lent, precision)
            stack.callback(session.close)
            yield session

    def embedding_saved(self, path: Path) -> None:
        """The next picture uses what was written, without a reload."""
        refresh(path)

    def _encoder(self) -> Encoder:
        return host_networks(loaded_model(), lambda: None).encoders[0]


def loaded_model() -> Any:
    """The checkpoint in use. Raises HostError when there is none (yet)."""
    model = sd_models.model_data.sd_model
    if model is None or any(p.is_meta for p in model.parameters()):
        fix = "wait until it is loaded, or choose one at the top left of the page"
        raise HostError("no checkpoint is loaded", "", fix)
    return model


def _check_loaded(model: Any) -> None:
    """Raise HostError if the web UI has gone over to another checkpoint, or unloaded this one."""
    now = sd_models.model_data.sd_model
    if now is model:
        return
    name = "" if now is None else str(now.sd_checkpoint_info.name_for_extra)
    raise HostError(
        "the checkpoint was unloaded in the middle"
        if now is None
        else "the checkpoint was changed",
        f"the web UI has {name} loaded now" if name else "the web UI has none loaded now",
        "load the one that the training began with, and resume",
    )
