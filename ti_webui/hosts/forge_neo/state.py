"""Forge Neo's networks, made fit for gradients.

LoRAs need nothing here: its memory manager takes them off when it loads the checkpoint's own
objects, and puts them on again for the next image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import backend.operations

from ..base import set_attribute
from ..forge.state import fit_for_autograd

if TYPE_CHECKING:
    from backend.diffusion_engine.base import ForgeDiffusionEngine


@contextmanager
def prepare_for_training(model: ForgeDiffusionEngine) -> Iterator[None]:
    """While open, autograd can pass the networks.

    `--fast-fp8` multiplies in fp8, which has no backward pass; layers ask it first, and compute as
    without that flag when it answers nothing.
    """
    with fit_for_autograd(model), set_attribute(backend.operations, "fp8_linear", _nothing):
        yield


def _nothing(*_: object) -> None:
    """Of fp8."""
