"""Tensors that are to stay, side by side in large blocks."""

from __future__ import annotations

import torch
from torch import Tensor

_FLOATS_A_BLOCK = 4 * 2**20


class Shelf:
    """Keeps copies of fp32 tensors.

    Kept one by one, in the memory between the much larger images that come and go, each would
    leave a hole that the next image does not fit into (glibc, aligned blocks): 10,000 images of
    256 pixels took 7 GB that way, for 330 MB of latents.
    """

    def __init__(self) -> None:
        self._block = torch.empty(0)
        self._used = 0

    def put(self, tensor: Tensor) -> Tensor:
        """A copy, valid until `clear`."""
        count = tensor.numel()
        if self._used + count > len(self._block):
            self._block = torch.empty(max(count, _FLOATS_A_BLOCK))
            self._used = 0
        place = self._block[self._used : self._used + count].view(tensor.shape)
        self._used += count
        return place.copy_(tensor)

    def clear(self) -> None:
        """Start again in the same block: what was put there is no longer valid."""
        self._used = 0
