"""Where and in what things are computed."""

from __future__ import annotations

import torch

cpu = device = torch.device("cpu")
dtype = dtype_unet = torch.float32
unet_needs_upcast = False


def torch_gc() -> None:
    """Nothing to free here."""
