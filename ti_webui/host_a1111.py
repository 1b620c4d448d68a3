"""AUTOMATIC1111's loaded checkpoint as a host.

host = A1111Host()
with host.session("fp16") as session:    # the caller has the web UI's queue lock
    ...
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from modules import devices, sd_models, shared

from ti_core.errors import HostError
from ti_core.hosts.port import Features, ModelFacts, Precision
from ti_core.hosts.precision import HALF_DTYPES, check_precision

from .host_a1111_embeddings import refresh
from .host_a1111_model import facts_of, lent_by
from .host_a1111_state import made_ready
from .host_sampling import SAMPLERS
from .host_session import WebUISession
from .host_text import Encoder

_BUSY = threading.Lock()
"""One session in the process."""


class A1111Host:
    """Fulfils `port.Host` for whatever checkpoint the web UI has loaded at the time."""

    name = "AUTOMATIC1111"

    def features(self) -> Features:
        """What can be asked of this host."""
        return Features(exclusive=True, samplers=SAMPLERS)

    def describe(self) -> ModelFacts:
        """Facts about the loaded model. Raises HostError when there is none, or of another kind."""
        return facts_of(loaded_model())

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """(id, spelling) of every token, read literally, by the first text encoder."""
        encoder = self._encoder()
        return [(number, encoder.spell(number)) for number in encoder.ids_of(text)]

    def spell(self, ids: Sequence[int]) -> list[str]:
        """How tokens are written by the first text encoder's vocabulary; `</w>` ends a word."""
        encoder = self._encoder()
        encoder.check_ids(ids)
        return [encoder.spell(number) for number in ids]

    @contextmanager
    def session(self, precision: Precision = "no") -> Iterator[WebUISession]:
        """Lend the model; only one session at a time in the process.

        Raises HostError when a session is open, there is no model that can be trained, or the
        device cannot compute in `precision`.
        """
        check_precision(precision, devices.device)
        if not _BUSY.acquire(blocking=False):
            raise HostError("the model is busy", "another session is open", "wait for its end")
        with ExitStack() as stack:
            stack.callback(_BUSY.release)
            model = loaded_model()
            lent = lent_by(model, lambda: _check_loaded(model))
            stack.enter_context(made_ready(model, HALF_DTYPES.get(precision)))
            session = WebUISession(lent, precision)
            stack.callback(session.close)
            yield session

    def embeddings_dir(self) -> Path:
        """The web UI's `--embeddings-dir`."""
        return Path(shared.cmd_opts.embeddings_dir)

    def embedding_saved(self, path: Path) -> None:
        """The next picture uses what was written, without a reload."""
        refresh(path)

    def _encoder(self) -> Encoder:
        return lent_by(loaded_model(), lambda: None).encoders[0]


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
