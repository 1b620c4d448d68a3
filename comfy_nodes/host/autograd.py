"""ComfyUI's networks, made fit for gradients for a while.

Nodes run in inference mode, and so do the loaders: what is in the way of autograd was built there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import comfy.model_management
import torch
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...ti_core.hosts.common.autograd import Inside
from .interrupt import interrupt_kept

_BLOCKS = frozenset({"BasicTransformerBlock", "ResBlock", "CLIPLayer"})
"""Classes that are computed anew for the backward pass where weights are temporary."""


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


def learnable(
    network: nn.Module, device: torch.device, dtype: torch.dtype, inside: Inside
) -> AbstractContextManager[None]:
    """While open, the network can be called and learned through, on `device` and in `dtype`."""
    if torch.is_grad_enabled() and _weights_are_temporary(network, device, dtype):
        return _checkpointed(network, inside)
    return inside(network)


def _weights_are_temporary(network: nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether weights are cast or brought to the device for each call."""
    return any(
        p.is_floating_point() and (p.dtype != dtype or p.device.type != device.type)
        for p in network.parameters()
    )


@contextmanager
def _checkpointed(network: nn.Module, inside: Inside) -> Iterator[None]:
    """While open, blocks are computed anew for the backward pass (Chen et al. 2016).

    Autograd would else keep a copy of every weight that is cast or off-loaded.
    """
    with ExitStack() as stack:
        for module in network.modules():
            if _BLOCKS.intersection(kind.__name__ for kind in type(module).__mro__):
                stack.callback(_checkpoint_block(module, inside))
        yield


def _checkpoint_block(block: nn.Module, inside: Inside) -> Callable[[], None]:
    """Returns what undoes it.

    The second computing comes when everything is undone, so `inside` belongs to each.
    """
    found = vars(block).get("forward")
    compute = block.forward

    def forward(x: Tensor, *args: object, **options: object) -> object:
        def run(x: Tensor, *args: object) -> object:
            with interrupt_kept(), inside(block):
                return compute(x.clone(), *args, **options)  # a text encoder's adds in place

        return checkpoint(run, x, *args, use_reentrant=False, preserve_rng_state=False)

    def undo() -> None:
        if found is None:
            del block.forward
        else:
            block.forward = found

    block.forward = forward
    return undo
