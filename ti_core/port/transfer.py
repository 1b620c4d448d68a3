"""Tensors on their way to an accelerator."""

from __future__ import annotations

import torch
from torch import Tensor

_QUEUED = frozenset({"cuda"})


def is_queued(device: torch.device) -> bool:
    """Whether it works behind the program: what is computed there is queued, and the program waits
    only where it reads a number."""
    return device.type in _QUEUED


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`. From main memory to a device with a queue it is copied from pinned
    memory, behind what is queued: an ordinary copy would wait for all of that."""
    if tensor.device.type == device.type or not is_queued(device):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
