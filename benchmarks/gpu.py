"""Everything that only a graphics card can tell, in less than 8 minutes once its files are there.

    python benchmarks/gpu.py --models FOLDER       # 9 GB of disk for random checkpoints
    python benchmarks/gpu.py --dry-run             # the same parts, small, on a CPU

Time of a step and memory of SD 1.5 and SDXL at half precision, and the error of half precision. The
random checkpoints are made first, unless the folder has them; that takes minutes as well. This
was written on a machine without a graphics card: there the dry run was tried, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from random_models import model_file
from suite import Part, machine, run


def parts(folder: Path) -> list[Part]:
    """Of the real sizes."""
    files = {family: str(model_file(folder, family)) for family in ("sd1", "sdxl")}
    kept = ("--models", str(folder))
    half = ("--precisions", "fp16", "bf16")
    return [
        Part(
            "A step of SD 1.5",
            (
                *("step", "--model", files["sd1"], "--pixels", "512"),
                *("--precision", "fp16", "--torch_compile"),
            ),
            120,
        ),
        Part(
            "A step of SDXL",
            ("step", "--model", files["sdxl"], "--pixels", "1024", "--precision", "bf16"),
            90,
        ),
        Part(
            "Memory of SD 1.5",
            ("memory", *kept, *half, "--pixels", "512", "--batches", "1", "4"),
            100,
        ),
        Part(
            "Memory of SDXL",
            (
                "memory",
                *kept,
                "--families",
                "sdxl",
                "--precisions",
                "bf16",
                "--pixels",
                "1024",
                "--checkpointing",
            ),
            90,
        ),
        Part(
            "Half precision", ("precision", "--model", files["sd1"], *half, "--pixels", "512"), 80
        ),
    ]


def small_parts() -> list[Part]:
    """The same scripts with the bundled model."""
    return [
        Part("A step", ("step", "--rounds", "1"), 60),
        Part("Half precision", ("precision", "--rounds", "1"), 60),
    ]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--models", type=Path, help="folder that keeps the random checkpoints")
    options.add_argument("--dry-run", action="store_true", help="small parts, on any machine")
    given = options.parse_args()
    if not given.dry_run and not torch.cuda.is_available():
        options.error("there is no CUDA device here; try it with --dry-run")
    if given.dry_run:
        run(small_parts())
        return
    print(f"{torch.cuda.get_device_name()}; {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as made:
        run(parts(given.models or Path(made)))


if __name__ == "__main__":
    main()
