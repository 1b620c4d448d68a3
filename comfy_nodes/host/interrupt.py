"""ComfyUI's Interrupt while a session computes.

Whatever notices it raises, and clears the flag: samplers between two steps, since 0.28
every layer of every network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_management as manager


def heed_interrupt(*_step: object) -> None:
    """ComfyUI's samplers do not check for it: a step callback has to."""
    manager.throw_exception_if_processing_interrupted()


@contextmanager
def interrupt_kept() -> Iterator[None]:
    """It stays pressed when it was raised inside, so that the run learns why it ends: a failed
    preview alone ends none."""
    try:
        yield
    except manager.InterruptProcessingException:
        manager.interrupt_current_processing(True)
        raise
