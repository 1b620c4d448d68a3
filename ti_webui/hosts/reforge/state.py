"""reForge's global state, made fit for a training and put back after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ldm_patched.ldm.modules import attention

from ..base import set_attribute

if TYPE_CHECKING:
    from modules.sd_models_types import WebuiSdModel

_ATTENTION = ("optimized_attention", "optimized_attention_masked")


@contextmanager
def prepare_for_training(model: WebuiSdModel) -> Iterator[None]:
    """While open, what computes is the checkpoint alone, and autograd can pass it.

    The text encoders load what the last image has used whenever they are called, LoRAs included.
    The attention is torch's own: that for processors works in place once it is cut into pieces.
    """
    with ExitStack() as stack:
        stack.enter_context(set_attribute(model, "forge_objects", model.forge_objects_original))
        for name in _ATTENTION:
            stack.enter_context(set_attribute(attention, name, attention.attention_pytorch))
        yield
