"""What a model can compute in on a device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from ...errors import ConfigError, UnsupportedModelError, setting
from ...port.session import Precision

HALF_DTYPES: dict[Precision, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}
"""Precision → dtype; "no" is not among them: plain fp32."""


_FIRST_WITH_BF16 = 8
"""Major number of NVIDIA's compute capability; AMD's cards have higher ones."""


def usual_precision(device: torch.device) -> Precision:
    """What kohya and A1111 advise: fp32 on a CPU; on a graphics card bf16 where it computes in it,
    else fp16, which halves the memory and the time."""
    if device.type != "cuda":
        return "no"
    major, _ = torch.cuda.get_device_capability(device)
    return "bf16" if major >= _FIRST_WITH_BF16 else "fp16"


def check_precision(precision: Precision, device: torch.device) -> None:
    """Try a tiny layer forwards and backwards: support differs by device and torch version.

    Raises UnsupportedModelError if the device cannot compute in `precision`, ConfigError if it is
    unknown.
    """
    if precision == "no":
        return
    if precision not in HALF_DTYPES:
        raise ConfigError(f"there is no precision {precision!r}", "", "choose no, fp16 or bf16")
    try:
        with torch.autocast(device.type, dtype=HALF_DTYPES[precision]), torch.enable_grad():
            pixels = torch.zeros(1, 4, 4, 4, device=device, requires_grad=True)
            kernel = torch.zeros(4, 4, 3, 3, device=device)
            torch.conv2d(pixels, kernel).sum().backward()
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        fix = f"use {setting('mixed_precision')} no or bf16"
        what = f"{device.type} cannot compute in {precision}"
        raise UnsupportedModelError(what, why, fix) from error


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """While open, layers compute in `precision`; "no" turns autocast off."""
    dtype = HALF_DTYPES.get(precision)
    if dtype is None:  # older torch has no autocast for MPS, not even a disabled one
        is_mps = device.type == "mps"
        return nullcontext() if is_mps else torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=dtype)


def cpu_autocast_dtype() -> torch.dtype | None:
    """What layers on the CPU compute in by `autocast`, while that is open."""
    if hasattr(torch, "get_autocast_dtype"):  # torch 2.4
        return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
    return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
