"""All benchmarks in a row, and the page in docs that shows them: `make bench`.

    make bench                              # everything, in at most 15 minutes on two cores
    make bench ARGS="step startup"          # some of it
    make bench ARGS=--docs                  # and write docs/benchmarks.md and its image

Each part is a process of its own, which is ended after its time. A part that this machine has too
little memory for is skipped, and says so; so is `peers` without the paths that step_peer.py names.
`convergence` and `hypernetwork`, which take hours, are not among them.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ti_core.files.atomic import write_bytes
from ti_core.hosts.common.machine import main_memory

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PICTURE = PAGE.with_suffix(".svg")
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
_GIGABYTE = 10**9


@dataclass(frozen=True)
class Part:
    """A benchmark, how long it may take in seconds, and what memory it needs in GB."""

    title: str
    arguments: tuple[str, ...]
    limit: int
    memory: float = 1

    @property
    def command(self) -> str:
        """As a person types it."""
        return f"python benchmarks/{self.arguments[0]}.py {' '.join(self.arguments[1:])}".strip()


PARTS = {
    "startup": Part("Start", ("startup", "--processes", "2"), 150),
    "step": Part("A step of the bundled model, beside its floor", ("step",), 120),
    "precision": Part("Half precision, on the bundled model", ("precision",), 120),
    "memory": Part("Memory of SD 1.5", ("memory", "--pixels", "64", "256"), 240, 9),
    "library": Part("A library of embeddings", ("library_scan", "--files", "3000"), 60),
    "latents": Part("Latents of a dataset", ("latent_cache", "--pictures", "500"), 90),
    "peers": Part("A step beside diffusers' script", ("step_peer",), 120, 2),
}
"""Together less than 15 minutes."""


@dataclass(frozen=True)
class Outcome:
    """What a part has printed; in `why` what kept it from it."""

    part: Part
    text: str
    seconds: float
    why: str = ""


def outcome(part: Part) -> Outcome:
    """Run a part."""
    if main_memory() and main_memory() < part.memory * _GIGABYTE:
        return Outcome(part, "", 0, f"skipped: it needs {part.memory:g} GB of memory")
    name, *options = part.arguments
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, str(HERE / f"{name}.py"), *options],
            capture_output=True,
            text=True,
            timeout=part.limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(part, "", part.limit, f"ended after {part.limit} seconds")
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Outcome(
        part, done.stdout.strip(), time.perf_counter() - began, last if done.returncode else ""
    )


def shown(found: Outcome) -> str:
    """A section in Markdown; what is not a table keeps its columns as code."""
    part, text = found.part, found.text
    if text and "|---" not in text:
        text = f"```\n{text}\n```"
    body = found.why or text
    took = f" ({found.seconds:.0f} s)" if found.seconds else ""
    return f"### {part.title}\n\n`{part.command}`{took}\n\n{body}"


def machine() -> str:
    """Where and how it was measured."""
    import torch

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{_processor()}, {os.cpu_count()} processors{load} when it began, "
        f"{main_memory() / _GIGABYTE:.0f} GB of memory, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"model name\s*: (.+)", text)
    return found[1] if found else platform.machine()


def page(text: str, where: str, found: Iterable[Outcome]) -> str:
    """The page with other results."""
    before, rest = text.split(BEGIN)
    picture = f"![Every row that is compared with another one]({PICTURE.name})"
    parts = [f"Measured on {where}.", picture, *map(shown, found)]
    return f"{before}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{rest.split(END)[1]}"


_ROW = re.compile(r"\| ([^|]+) \|(?:[^|]*\|)*? ([\d.]+) × \|")


def bars(found: Iterable[Outcome]) -> list[tuple[str, float]]:
    """Name and ratio of every row that has one."""
    return [
        (match[1], float(match[2]))
        for each in found
        for match in map(_ROW.match, each.text.splitlines())
        if match
    ]


def picture(rows: Sequence[tuple[str, float]]) -> str:
    """The ratios as bars, in SVG."""
    high, wide, left = 26, 640, 230
    most = max((ratio for _, ratio in rows), default=1.0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high * len(rows)}">',
        "<style>text { font: 13px sans-serif }</style>",
        f'<rect width="{wide}" height="{high * len(rows)}" fill="white"/>',
    ]
    for number, (name, ratio) in enumerate(rows):
        y, length = number * high, ratio / most * (wide - left - 70)
        lines += [
            f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{name}</text>',
            f'<rect x="{left}" y="{y + 5}" width="{length:.1f}" height="16" fill="#4477aa"/>',
            f'<text x="{left + length + 6:.1f}" y="{y + 17}">{ratio:.2f} ×</text>',
        ]
    return "\n".join([*lines, "</svg>\n"])


def run(parts: Iterable[Part]) -> list[Outcome]:
    """Run them in turn, and print each when it is done."""
    found = []
    for part in parts:
        found.append(outcome(part))
        print(shown(found[-1]), end="\n\n", flush=True)
    return found


def main() -> None:
    """Run the chosen parts, and print their results."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    options.add_argument("--docs", action="store_true", help=f"write {PAGE.name} and its picture")
    given = options.parse_args()
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        options.error(f"there is no part {unknown[0]!r}: choose {', '.join(PARTS)}")
    where = machine()
    found = run(PARTS[name] for name in given.parts or PARTS)
    if given.docs:
        write_bytes(PAGE, page(PAGE.read_text(encoding="utf-8"), where, found).encode())
        write_bytes(PICTURE, picture(bars(found)).encode())


if __name__ == "__main__":
    main()
