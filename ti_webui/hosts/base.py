"""What the web UIs' hosts have in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from modules import shared

from ti_core.errors import HostError
from ti_core.hosts.common.sampling import SAMPLERS
from ti_core.port.session import Features

from .text import Encoder

_BUSY = threading.Lock()
"""One session in the process."""


class WebUIHost(ABC):
    """The part of `port.Host` that does not depend on how a program keeps its checkpoint."""

    def features(self) -> Features:
        """What can be asked of this host."""
        return Features(exclusive=True, samplers=SAMPLERS)

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """(id, spelling) of every token, read literally, by the first text encoder."""
        encoder = self._encoder()
        return [(number, encoder.token_string(number)) for number in encoder.ids_of(text)]

    def token_strings(self, ids: Sequence[int]) -> list[str]:
        """How tokens are written by the first text encoder's vocabulary; `</w>` ends a word."""
        encoder = self._encoder()
        encoder.check_ids(ids)
        return [encoder.token_string(number) for number in ids]

    def embeddings_dir(self) -> Path:
        """The program's `--embeddings-dir`."""
        return Path(shared.cmd_opts.embeddings_dir)

    @abstractmethod
    def _encoder(self) -> Encoder:
        """The first text encoder of the checkpoint in use."""


@contextmanager
def exclusive_session() -> Iterator[None]:
    """Nobody else has a session meanwhile. Raises HostError when one is open."""
    if not _BUSY.acquire(blocking=False):
        raise HostError("the model is busy", "another session is open", "wait for its end")
    try:
        yield
    finally:
        _BUSY.release()
