"""What every host does alike; a host adds the hooks at the end of `BaseHost`."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...errors import HostBusyError
from ...port.session import Features, ModelFacts, Precision
from .packing import packing_on
from .precision import check_precision, usual_precision
from .session import BaseSession
from .text import TextEncoder, check_ids


class BaseHost(ABC):
    """Fulfils `port.Host` but for the hooks."""

    name: str
    busy: threading.Lock
    """Held while a session is open: one for each host, or for all in a process."""

    def features(self) -> Features:
        """What can be asked of this host."""
        return self._with_device(Features())

    def _with_device(self, features: Features) -> Features:
        """And what follows from where the model computes."""
        packs, room = packing_on(self._device())
        usual = self._usual_precision()
        return replace(features, precision=usual, packs=packs, room_for_packing=room)

    def tokenize(self, text: str) -> list[tuple[int, str]]:
        """(id, spelling) of every token, read literally, by the first text encoder."""
        encoder = self._encoder()
        return [(number, encoder.token_string(number)) for number in encoder.tokenize(text)]

    def token_strings(self, ids: Sequence[int]) -> list[str]:
        """How tokens are written by the first text encoder's vocabulary; `</w>` ends a word."""
        encoder = self._encoder()
        check_ids(encoder, ids)
        return [encoder.token_string(number) for number in ids]

    @contextmanager
    def session(self, precision: Precision = "no") -> Iterator[BaseSession]:
        """Claim the model, also out of the inference mode that some programs run in.

        Raises:
            HostBusyError: a session is open.
            NoModelError: no model is loaded.
            UnsupportedModelError: the model cannot be trained, or the device cannot compute in
                `precision`.
        """
        with ExitStack() as stack:
            stack.enter_context(_claimed(self.busy))
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            check_precision(precision, self._device())
            session = self._open(precision, stack)
            stack.callback(session.close)
            yield session

    @abstractmethod
    def describe(self) -> ModelFacts:
        """Facts about the loaded model."""

    @abstractmethod
    def embeddings_dir(self) -> Path:
        """Where embeddings are looked for."""

    @abstractmethod
    def embedding_saved(self, path: Path) -> None:
        """Refresh the program's list of embeddings, if it keeps one."""

    def hypernetworks_dir(self) -> Path:
        """Beside the folder of embeddings, unless the program has one of its own."""
        return self.embeddings_dir().parent / "hypernetworks"

    def hypernetworks_dirs(self) -> Sequence[Path]:
        """That folder, unless the program looks into more."""
        return [self.hypernetworks_dir()]

    def hypernetwork_saved(self, path: Path) -> None:
        """Refresh the program's list of hypernetworks; most keep none."""
        return

    def _usual_precision(self) -> Precision:
        """See `Features.precision`."""
        return usual_precision(self._device())

    @abstractmethod
    def _encoder(self) -> TextEncoder[Any]:
        """The first text encoder of the model."""

    @abstractmethod
    def _device(self) -> torch.device:
        """Where the model computes."""

    @abstractmethod
    def _open(self, precision: Precision, stack: ExitStack) -> BaseSession:
        """A session; what must hold until after its end is entered into `stack`."""


@contextmanager
def _claimed(lock: threading.Lock) -> Iterator[None]:
    if not lock.acquire(blocking=False):
        raise HostBusyError("the model is busy", "another session is open", "wait for its end")
    try:
        yield
    finally:
        lock.release()
