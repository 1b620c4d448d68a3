"""Running out of memory, in whatever words a backend says so."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import HostMemoryError


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turns every backend's way of running out of memory into HostMemoryError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise HostMemoryError(
            "the model ran out of memory",
            str(error).splitlines()[0] if str(error) else "",
            "use a smaller batch size or image size, or close other programs on the GPU",
        ) from error


def free_memory() -> None:
    """Give back what no one refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch's error says so; only CUDA has a class for it."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return any(sign in text for sign in ("out of memory", "allocate memory", "not enough memory"))
