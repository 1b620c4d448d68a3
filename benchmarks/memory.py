"""Peak memory of loading a model and of one step, by family, size, precision and batch.

    python benchmarks/memory.py                                        # SD 1.5, random weights
    python benchmarks/memory.py --families sd1 sdxl --precisions bf16 --pixels 512 1024 --batches 1

Each case is a process of its own, which opens the model, encodes an image and a prompt, and makes
one step with gradients to the vectors. On a graphics card the meter is
`torch.cuda.max_memory_allocated`. On a CPU it is the most memory that the process ever held
(`ru_maxrss`), less what it held after its imports. That counts weights, what the backward pass
keeps, and the pages of the checkpoint that are mapped, which the system can take back at any time.
It only rises, so "step" is never below "loaded".
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from random_models import FAMILIES, model_file
from step import Step

from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.port.session import Precision

_KILOBYTE = 1 if sys.platform == "darwin" else 1024
"""What `ru_maxrss` is counted in, in bytes."""
_GIGABYTE = 1e9


@dataclass(frozen=True)
class Case:
    """What is measured."""

    model: str
    family: str
    pixels: int
    batch: int
    precision: Precision
    checkpointing: bool = False


class Meter:
    """Bytes at most since it was made; see above."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._began = device, 0
        self._began = self.peak

    @property
    def peak(self) -> int:
        """Bytes."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._began
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE - self._began


def measured(case: Case) -> dict[str, int]:
    """Stage → bytes, in this process."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    meter, found = Meter(device), {}
    host = open_host(ModelConfig(case.model))
    found["opened"] = meter.peak
    with host.session(case.precision) as session:
        if case.checkpointing:
            session.save_memory("checkpointing")
        side = 64
        session.encode_images(torch.zeros(1, 3, side, side))
        session.release("vae")
        session.token_embeddings_of("a")
        step = Step(host, session, case.pixels, case.batch)
        step.warm_up()
        found["loaded"] = meter.peak
        step.train()
        found["step"] = meter.peak
    return found


def in_a_process(case: Case) -> dict[str, int]:
    """The same in a process of its own. Raises RuntimeError with what it said when it failed."""
    command = [sys.executable, __file__, "--one", json.dumps(asdict(case))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuntimeError(last)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(cases: list[Case]) -> Iterator[str]:
    """A table in Markdown, line by line; a case that fails says why."""
    yield "| model | pixels | batch | precision | opened | loaded | step |"
    yield "|---|---|---|---|---|---|---|"
    for case in cases:
        note = " + checkpointing" if case.checkpointing else ""
        about = f"| {case.family} | {case.pixels} | {case.batch} | {case.precision}{note} |"
        try:
            found = in_a_process(case)
        except RuntimeError as error:
            yield f"{about} failed: {error} | | |"
            continue
        cells = " | ".join(f"{size / _GIGABYTE:.2f} GB" for size in found.values())
        yield f"{about} {cells} |"


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--families", nargs="+", default=["sd1"], choices=FAMILIES)
    options.add_argument("--precisions", nargs="+", default=["no"], choices=("no", "fp16", "bf16"))
    options.add_argument("--pixels", type=int, nargs="+", default=[64, 256])
    options.add_argument("--batches", type=int, nargs="+", default=[1])
    options.add_argument("--checkpointing", action="store_true")
    options.add_argument("--stored", default="fp16", choices=("fp16", "fp32"), help="in the file")
    options.add_argument("--models", type=Path, help="folder that keeps the random checkpoints")
    options.add_argument("--one", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        print(json.dumps(measured(Case(**json.loads(given.one)))))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = given.models or Path(made)
        cases = [
            Case(str(path), family, pixels, batch, precision, given.checkpointing)
            for family in given.families
            for path in [model_file(folder, family, given.stored)]
            for precision in given.precisions
            for pixels in given.pixels
            for batch in given.batches
        ]
        for row in rows(cases):
            print(row, flush=True)


if __name__ == "__main__":
    main()
