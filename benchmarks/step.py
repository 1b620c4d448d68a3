"""Where the time of a step goes, with plain and with packed weights, beside its floor.

    python benchmarks/step.py                                          # the bundled small model
    python benchmarks/step.py --model model.safetensors --pixels 256   # one of full size: 12 GB
    python benchmarks/step.py --torch_compile                          # and with compiled blocks

The floor is what no trainer gets below: the network forwards, and backwards to its context alone.
All ways are measured in turn in one process, and the least of all rounds counts: of the processor,
which others may use as well, or on a graphics card of the clock.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from ti_core.cli.standalone import ModelConfig, open_host
from ti_core.port.session import Conditioning, Host, Precision, Session

_NAME = "zz-thing"
_STAGES = ("text encoder", "network", "backward", "step", "floor")
Stages = dict[str, float]
"""Stage → seconds."""


class Step:
    """One step of a training, and its floor, with always the same numbers."""

    def __init__(self, host: Host, session: Session, pixels: int, batch: int) -> None:
        facts, draw = host.describe(), torch.Generator().manual_seed(0)
        side, self._batch = pixels // facts.latent.stride, batch
        self._session = session
        self._noisy = torch.randn(batch, facts.latent.channels, side, side, generator=draw)
        self._times = torch.full((batch,), 500)
        self.vectors: dict[str, Tensor] = {
            key: (torch.randn(2, width, generator=draw) * 0.02).requires_grad_()
            for key, width in facts.widths.items()
        }
        with torch.no_grad():
            self._encoded = self._encode()

    def _encode(self) -> Conditioning:
        prompts = [f"a photo of {_NAME}"] * self._batch
        return self._session.encode_prompts(prompts, {_NAME: self.vectors})

    def _loss(self, encoded: Conditioning) -> Tensor:
        return self._session.predict(self._noisy, self._times, encoded).square().mean()

    def warm_up(self) -> None:
        """The network forwards, for one image of the least size: it is loaded from then on."""
        few = self._encoded.rows(torch.tensor([0], device=self._session.device))
        with torch.no_grad():
            self._session.predict(self._noisy[:1, :, :8, :8], self._times[:1], few)

    def train(self) -> None:
        """The step alone."""
        self._loss(self._encode()).backward()

    def measured(self, clock: Callable[[], float]) -> Stages:
        """Seconds of each stage. The floor is measured after the step."""
        began = clock()
        encoded = self._encode()
        read = clock()
        loss = self._loss(encoded)
        made = clock()
        loss.backward()
        learned = clock()
        leaf = self._encoded.context.clone().requires_grad_()
        fixed = Conditioning(leaf, self._encoded.pooled, self._encoded.time_ids)
        before = clock()
        self._loss(fixed).backward()
        times = (read - began, made - read, learned - made, learned - began, clock() - before)
        return dict(zip(_STAGES, times, strict=True))


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds of the processor, or on a graphics card of the clock once all is computed."""
    if device.type != "cuda":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return now


def compared(
    hosts: Mapping[str, Host], precision: Precision, pixels: int, batch: int, rounds: int
) -> dict[str, Stages]:
    """Way → the least of each stage; each has its host. "packed" is missing where weights are not
    packed."""
    found: dict[str, Stages] = {}
    for _ in range(rounds):
        for way, host in hosts.items():
            with host.session(precision) as session:
                if way == "packed":
                    session.pack_weights()
                    if not session.packs_weights:
                        continue
                step, clock = Step(host, session, pixels, batch), clock_of(session.device)
                step.measured(clock)  # what is made once is made here
                for _ in range(2):
                    now = step.measured(clock)
                    best = found.setdefault(way, now)
                    found[way] = {name: min(best[name], now[name]) for name in _STAGES}
    return found


def table(found: Mapping[str, Stages]) -> str:
    """Milliseconds, in Markdown."""
    lines = [f"| ms | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for name in _STAGES:
        cells = (f"{stages[name] * 1000:.1f}" for stages in found.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--model", default="demo", help="checkpoint or folder; the bundled one")
    options.add_argument("--precision", default="no", choices=("no", "fp16", "bf16"))
    options.add_argument("--pixels", type=int, default=64)
    options.add_argument("--batch", type=int, default=1)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--torch_compile", action="store_true", help="a third way")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    host = open_host(ModelConfig(given.model))
    ways: dict[str, Host] = {"plain": host, "packed": host}
    if given.torch_compile:
        ways["compiled"] = open_host(ModelConfig(given.model, torch_compile=True))
    print(f"{given.model}, {given.pixels} pixels, batch {given.batch}, {given.precision}\n")
    print(table(compared(ways, given.precision, given.pixels, given.batch, given.rounds)))


if __name__ == "__main__":
    main()
