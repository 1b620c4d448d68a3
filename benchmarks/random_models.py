"""Checkpoints of full size with random numbers: what they cost is what real ones cost.

Files are kept in a folder, and made once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.checkpoints import Family, full, write_single_file

FAMILIES: tuple[Family, ...] = get_args(Family)
DTYPES = {"fp16": torch.float16, "fp32": torch.float32}


def model_file(folder: Path, family: Family, stored: str = "fp16") -> Path:
    """The checkpoint of this family, whose numbers are stored as fp16 or fp32."""
    path = folder / f"random-{family}-{stored}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        write_single_file(part, full(family), dtype=DTYPES[stored]).replace(path)
    return path
