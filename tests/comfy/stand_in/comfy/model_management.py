"""Which models are loaded."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from comfy.profile import NEWER

OOM_EXCEPTION = torch.cuda.OutOfMemoryError
interrupted = False
current_loaded_models: list[LoadedModel] = []


if NEWER:
    in_training = False


class InterruptProcessingException(BaseException if NEWER else Exception):  # type: ignore[misc]
    """The user pressed Interrupt."""


class LoadedModel:
    """One patcher in memory; holds it weakly, as a graph may drop it at any time."""

    def __init__(self, patcher: Any) -> None:
        self._patcher = weakref.ref(patcher)
        self.currently_used = True

    @property
    def model(self) -> Any:
        """The patcher, or None."""
        return self._patcher()

    def model_unload(self) -> bool:
        """Off the accelerator, patches undone."""
        self.model.detach()
        return True


def load_models_gpu(models: list[Any], memory_required: float = 0, **options: Any) -> None:
    """Load patchers; a clone of a loaded one takes its place."""
    for patcher in models:
        for entry in [e for e in current_loaded_models if patcher.is_clone(e.model)]:
            current_loaded_models.remove(entry)
            entry.model.detach(unpatch_all=False)
        patcher.load()
        current_loaded_models.insert(0, LoadedModel(patcher))


def loaded_models() -> list[Any]:
    """All that is loaded; dead ones are None."""
    return [entry.model for entry in current_loaded_models]


def soft_empty_cache() -> None:
    """Nothing is cached here."""


def interrupt_current_processing(value: bool = True) -> None:
    """Press Interrupt, or take it back."""
    global interrupted
    interrupted = value


def throw_exception_if_processing_interrupted() -> None:
    """Raise, and forget."""
    if interrupted:
        interrupt_current_processing(False)
        raise InterruptProcessingException
