"""ComfyUI's networks, made fit for gradients for a while.

Nodes run in inference mode, and so do the loaders: what is in the way of autograd was built there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import comfy.model_management
import torch
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor, nn

BLOCKS = frozenset({"BasicTransformerBlock", "ResBlock", "CLIPLayer"})
"""Classes that can be computed again for the backward pass."""


@contextmanager
def in_training() -> Iterator[None]:
    """Tell newer ComfyUI to leave out fused kernels that have no backward pass."""
    manager = comfy.model_management
    if not hasattr(manager, "in_training"):
        yield
        return
    before, manager.in_training = manager.in_training, True
    try:
        yield
    finally:
        manager.in_training = before


def attention_with_backward() -> dict[str, object]:
    """Fresh transformer options in which every attention is torch's own.

    Sage and flash attention have no backward pass, and the sub-quadratic one only while memory is
    plentiful. Fresh, since patches for sampling may write in place.
    """

    def override(chosen: Callable[..., Tensor], *args: object, **options: object) -> Tensor:
        return attention_pytorch(*args, **options)

    return {"optimized_attention_override": override}


def weights_are_temporary(network: nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether weights are cast or brought to the device for each call.

    Autograd would keep a copy of every one of them, so blocks are computed again there.
    """
    return any(
        p.is_floating_point() and (p.dtype != dtype or p.device.type != device.type)
        for p in network.parameters()
    )
