"""ComfyUI's loaded model as a host: MODEL, CLIP and VAE of a graph, lent to the core.

    host = ComfyHost(model, clip, vae, name="v1-5")
    with host.session() as session:      # leaves the inference mode that nodes run in
        ...

LoRAs and other weight patches of the graph count, and so does a CLIPSetLastLayer; patches of the
sampling (FreeU, HyperTile …) count in previews only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import folder_paths
import torch

from ...ti_core.errors import HostError
from ...ti_core.hosts.common.precision import check_precision
from ...ti_core.port.session import Features, ModelFacts, Precision
from .autograd import in_training
from .facts import facts_of
from .preview import SAMPLERS
from .session import ComfySession
from .text import encoders_of

_BUSY = threading.Lock()
"""One session in the process: every model shares the same memory manager."""


class ComfyHost:
    """Fulfils `port.Host` for what a graph has loaded.

    Args:
        model, clip, vae: the values of ComfyUI's sockets; without a VAE only words can be encoded.
        name: the checkpoint's name, which the values do not know.
        embeddings_dir: where `embeddings_dir()` points to; ComfyUI's first folder if not given.

    Raises HostError for a model that textual inversion as done here does not fit.
    """

    name = "ComfyUI"

    def __init__(
        self,
        model: Any,
        clip: Any,
        vae: Any = None,
        name: str = "",
        embeddings_dir: Path | None = None,
    ) -> None:
        self._model, self._clip, self._vae, self._checkpoint = model, clip, vae, name
        self._embeddings_dir = embeddings_dir
        self._encoders = encoders_of(clip)
        self._facts  # noqa: B018  (refuses at once what cannot be trained)

    def features(self) -> Features:
        """What can be asked of this host."""
        return Features(exclusive=True, samplers=tuple(SAMPLERS))

    def describe(self) -> ModelFacts:
        """Facts about the model."""
        return self._facts

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """(id, spelling) of every token, read literally, by the first text encoder."""
        ids = self._encoders[0].tokenize(text)
        return list(zip(ids, self.token_strings(ids), strict=True))

    def token_strings(self, ids: Sequence[int]) -> list[str]:
        """How tokens are written by the first text encoder's vocabulary; `</w>` ends a word."""
        encoder = self._encoders[0]
        encoder.check_ids(ids)
        return [encoder.spelling(number) for number in ids]

    @contextmanager
    def session(self, precision: Precision = "no") -> Iterator[ComfySession]:
        """Lend the model; only one session at a time in the process.

        Raises HostError when a session is open, or the device cannot compute in `precision`.
        """
        check_precision(precision, self._model.load_device)
        if not _BUSY.acquire(blocking=False):
            raise HostError("the model is busy", "another session is open", "wait for its end")
        with ExitStack() as stack:
            stack.callback(_BUSY.release)
            if torch.is_inference_mode_enabled():  # nodes run in it; nothing can be learned there
                stack.enter_context(torch.inference_mode(False))
            stack.enter_context(in_training())
            parts = (self._model, self._clip, self._vae, self._encoders)
            session = ComfySession(*parts, self._facts, precision)
            stack.callback(session.close)
            yield session

    def embeddings_dir(self) -> Path:
        """Where ComfyUI looks for `embedding:NAME`."""
        return self._embeddings_dir or Path(folder_paths.get_folder_paths("embeddings")[0])

    def embedding_saved(self, path: Path) -> None:
        """Nothing to refresh: ComfyUI looks at the disk each time a text is encoded."""

    @cached_property
    def _facts(self) -> ModelFacts:
        return facts_of(self._model, self._encoders, self._checkpoint)
