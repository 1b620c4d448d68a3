"""What a run's numbers depend on besides its settings: device, threads, versions."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping

import torch

from .. import __version__
from ..events import Notice
from ..port.session import Session

_PACKAGES = ("torch", "PIL", "diffusers", "transformers")
"""Those that compute something of a run, where they are used."""


def surroundings(session: Session) -> dict[str, str]:
    """Name → value of each, as it is now for a run in this session."""
    device = session.device
    found = {"version": __version__, "device": _device_name(device)}
    if device.type == "cpu":  # elsewhere nothing that is learned is summed up by threads
        found["threads"] = str(torch.get_num_threads())
        found["weights"] = "packed" if session.packs_weights else "plain"
    modules = {name: sys.modules[name] for name in _PACKAGES if name in sys.modules}
    return found | {name: str(module.__version__) for name, module in modules.items()}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
    return f"{device.type} ({platform.machine()})"


def changed_surroundings(before: Mapping[str, str], now: Mapping[str, str]) -> list[Notice]:
    """What to tell of a run that was made in one way and continues in another. A run of version 0.2
    noted nothing, of which nothing can be told."""
    changes = [
        f"{name} {before[name]} → {now[name]}"
        for name in sorted(now)
        if name in before and before[name] != now[name]
    ]
    if not changes:
        return []
    what = f"the run continues in another environment: {', '.join(changes)}"
    why = "other ones round sums otherwise, and the last digits of the result may differ"
    fix = "for the same bytes as in one go, resume it as it was (OMP_NUM_THREADS sets the threads)"
    return [Notice("warning", what, why, fix)]
