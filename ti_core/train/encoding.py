"""The latents of a run's images, with events that tell how far it is."""

from __future__ import annotations

import time

from ..data.latent_cache.latents import Latents
from ..events import Listener
from ..port.session import Session
from .batches import encode_pictures
from .control import Control
from .events import Encoding
from .plan import Plan

_SECONDS_OF_SILENCE = 1.0


def encoded(plan: Plan, session: Session, control: Control, emit: Listener) -> Latents:
    """(2, c, h, w) of every image, mean and deviation. Where the user ends the run meanwhile, what
    is left is encoded when it is needed."""
    latest = time.monotonic()

    def progress(done: int, total: int) -> bool:
        nonlocal latest
        if time.monotonic() - latest > _SECONDS_OF_SILENCE:
            emit(Encoding(done, total))
            latest = time.monotonic()
        return not control.finishing

    return encode_pictures(plan, session, progress, emit)
