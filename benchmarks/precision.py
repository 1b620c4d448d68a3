"""What half precision changes: the time of a step, and the error of what it teaches.

    python benchmarks/precision.py                                    # the bundled small model
    python benchmarks/precision.py --model model.safetensors --pixels 256

A processor without instructions for bf16 takes longer in it; a graphics card less than in fp32. The
error is that of the vectors' gradient: the length of the difference from fp32's ÷ the length of
fp32's, and the cosine between both. For text encoders, "linear layers" is what a session
does, and "everything" stores vectors and norms in half precision as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from step import Step, clock_of

from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.hosts.common.precision import HALF_DTYPES
from ti_core.hosts.standalone.host import DiffusersHost
from ti_core.hosts.standalone.weights import Storage
from ti_core.port.session import Precision, Session


def gradient(step: Step) -> Tensor:
    """All numbers of the vectors' gradient in a row."""
    step.train()
    gradients = (vectors.grad for vectors in step.vectors.values())
    return torch.cat([each.flatten().cpu() for each in gradients if each is not None])


def error(found: Tensor, exact: Tensor) -> str:
    """Two cells of a table."""
    found, exact = found.double(), exact.double()
    share = ((found - exact).norm() / exact.norm()).item()
    cosine = torch.nn.functional.cosine_similarity(found, exact, dim=0).item()
    return f"{share:.2e} | {cosine:.6f}"


def rows(
    host: DiffusersHost, precisions: Sequence[Precision], pixels: int, rounds: int
) -> Iterator[str]:
    """A table in Markdown, line by line."""
    yield "| precision | text encoder | ms a step | beside fp32 | error | cosine |"
    yield "|---|---|---|---|---|---|"
    plain, exact = _measured(host, "no", pixels, rounds)
    yield f"| fp32 | fp32 | {plain * 1000:.1f} | 1.00 × | 0 | 1 |"
    for precision in precisions:
        time, found = _measured(host, precision, pixels, rounds)
        cells = f"{time * 1000:.1f} | {time / plain:.2f} × | {error(found, exact)}"
        yield f"| {precision} | linear layers | {cells} |"
        with _stored_whole(host, precision) as session:
            found = gradient(Step(host, session, pixels, 1))
        yield f"| {precision} | everything | | | {error(found, exact)} |"


def _measured(
    host: DiffusersHost, precision: Precision, pixels: int, rounds: int
) -> tuple[float, Tensor]:
    with host.session(precision) as session:
        step, clock = Step(host, session, pixels, 1), clock_of(session.device)
        found = gradient(step)
        return min(step.measured(clock)["step"] for _ in range(rounds)), found


@contextmanager
def _stored_whole(host: DiffusersHost, precision: Precision) -> Iterator[Session]:
    """A session whose text encoders are in half precision throughout."""
    with host.session(precision) as session:
        usual: Any = session
        storage = usual._storage

        def whole(part: str) -> Storage:
            return replace(storage(part), only_linear=False)

        usual._storage = whole
        yield session


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--model", default="demo", help="checkpoint or folder; the bundled one")
    options.add_argument("--precisions", nargs="+", default=["bf16"], choices=list(HALF_DTYPES))
    options.add_argument("--pixels", type=int, default=64)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    host = open_host(ModelConfig(given.model))
    for row in rows(host, given.precisions, given.pixels, given.rounds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
