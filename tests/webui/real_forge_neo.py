"""A real Forge Neo in this process, on the processor, with reduced random checkpoints.

`FORGE_NEO_PATH` is its folder; see reduced_forge.py.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import torch

_STORED = {"half": torch.float16, "fp8": torch.float8_e4m3fn}
_FLAGS = "--skip-torch-cuda-test --cpu --force-fp32"


@cache
def start(home: Path) -> None:
    """Import Forge Neo as its launcher does; `home` becomes its data folder."""
    from .real_forge import start_program
    from .reduced_forge import reduce

    start_program(os.environ["FORGE_NEO_PATH"], home, _FLAGS)
    reduce(home)


def load(kind: str, folder: Path, seed: int = 0) -> Any:
    """A checkpoint with random weights, loaded by Forge Neo itself; "-half" or "-fp8" at the end of
    the kind is what "Diffusion in Low Bits" says."""
    from .real_forge import load_random

    start(folder.parent)
    return load_random(kind, folder, seed, _STORED.get(kind.split("-")[-1]))
