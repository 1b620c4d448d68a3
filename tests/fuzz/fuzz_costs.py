"""Searches for small files that cost much: coverage-guided, and a higher cost counts as coverage.

    pip install atheris
    python -m tests.fuzz.fuzz_costs pickle --seconds 300 --keep FOLDER

Whatever takes a reader longer, or more memory, than any file before is kept by the fuzzer and
changed further, as if it had reached new code; so it climbs. What breaks a promise, or raises
anything but an error with a name, is written to `--keep`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.files.hostile.promises import Peak
from ti_core.errors import TIError
from ti_core.files import torch_pickle

from .targets import TARGETS, Target

MOST_SECONDS, MOST_BYTES = 4.0, 250 * 2**20
"""Of processor time and memory, as docs/formats.md promises it of embeddings."""
_FREE_SECONDS, _FREE_BYTES = 0.02, 8 * 2**20
_SECONDS_PER_UNIT = 600e-9
"""Of what a pickle has paid, ten times what docs/formats.md allows, since counting the branches
slows everything down as much; with some seconds for nothing, since the clock is coarse."""
_RUNGS = 64
_LONGEST = 60_000


class Cost(NamedTuple):
    """What reading one file took."""

    seconds: float
    memory: int
    unpaid: float
    """The larger of seconds and memory, as a share of what its pickles have paid for."""


class Ladder:
    """Costs as coverage: a rung of a ladder counts as a place in the code."""

    def __init__(self, fuzzer: Any) -> None:
        self._reach = fuzzer._trace_branch
        self._rungs = [[fuzzer._reserve_counter() for _ in range(_RUNGS)] for _ in Cost._fields]

    def climb(self, cost: Cost) -> None:
        """Four rungs where the cost doubles, from a millisecond, 256 kB, and a tenth on."""
        shares = (cost.seconds / 1e-3, cost.memory / 2**18, cost.unpaid / 0.1)
        for rungs, share in zip(self._rungs, shares, strict=True):
            if share > 1:
                self._reach(rungs[min(_RUNGS - 1, int(4 * math.log2(share)))])


class Paid:
    """What the pickles have paid since the last look."""

    def __init__(self) -> None:
        self._machines: list[tuple[int, Any]] = []
        make = torch_pickle._unpickler

        def noted(file: Any, storages: Any, path: Path, checkpoint: bool) -> Any:
            machine = make(file, storages, path, checkpoint)
            self._machines.append((machine._left, machine))
            return machine

        torch_pickle._unpickler = noted

    def take(self) -> int:
        """In units of the budget."""
        paid = sum(min(budget - machine._left, budget) for budget, machine in self._machines)
        self._machines.clear()
        return paid


class Report:
    """The worst so far, and what broke a promise."""

    def __init__(self, name: str, keep: Path) -> None:
        self.name, self.keep = name, keep
        self.outcomes, self.done = Counter[str](), 0
        self.worst, self.found = Cost(0, 0, 0), set[str]()

    def take(self, data: bytes, outcome: str, cost: Cost, trace: str) -> None:
        """One file that was read."""
        self.done += 1
        self.outcomes[outcome] += 1
        seconds, memory, unpaid = map(max, self.worst, cost)
        self.worst = Cost(seconds, int(memory), unpaid)
        if trace and trace not in self.found:
            self._keep(data, trace)
        for what, broken in (
            ("slow", cost.seconds > MOST_SECONDS),
            ("large", cost.memory > MOST_BYTES),
            ("unpaid", cost.unpaid > 1),
        ):
            if broken and f"{what} {outcome}" not in self.found:
                self._keep(data, f"{what} {outcome}", cost)

    def _keep(self, data: bytes, what: str, cost: Cost | None = None) -> None:
        self.found.add(what)
        path = self.keep / f"{self.name}-{len(self.found)}"
        path.write_bytes(data)
        self.say(f"{path}: {what} {cost or ''}")

    def say(self, text: str) -> None:
        """On standard output, at once."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def end(self) -> None:
        """The figures, as JSON."""
        worst, minutes = self.worst._asdict(), time.process_time() / 60
        figures = {"target": self.name, "files": self.done, "minutes": minutes, "worst": worst}
        self.say(json.dumps({**figures, "outcomes": self.outcomes, "found": len(self.found)}))


def costs(target: Target, path: Path, paid: Paid) -> tuple[str, Cost, str]:
    """(what became of it, what it cost, the traceback of an error that has no name)"""
    Path("/proc/self/clear_refs").write_text("5")
    peak, start, trace = Peak(), time.process_time(), ""
    try:
        target.read(path)
        outcome = "read"
    except TIError as error:
        outcome = type(error).__name__
    except Exception as error:
        outcome = type(error).__name__
        trace = "".join(traceback.format_tb(error.__traceback__)[-2:])
    seconds, memory, units = time.process_time() - start, peak.above_start(), paid.take()
    unpaid = max(
        seconds / (_FREE_SECONDS + units * _SECONDS_PER_UNIT), memory / (_FREE_BYTES + units)
    )
    return outcome, Cost(seconds, memory, unpaid if target.pays else 0.0), trace


def fuzz(fuzzer: Any, target: Target, report: Report, folder: Path, seconds: float) -> None:
    """Until the processor time is up. Never returns: libFuzzer ends the process."""
    ladder, paid, path = Ladder(fuzzer), Paid(), folder / f"f{target.ending}"

    def one(data: bytes) -> None:
        if time.process_time() > seconds:
            report.end()
            os._exit(bool(report.found))
        path.write_bytes(target.made(data))
        outcome, cost, trace = costs(target, path, paid)
        if cost.seconds > MOST_SECONDS or cost.unpaid > 1:  # other programs run, too
            outcome, cost, trace = costs(target, path, paid)
        ladder.climb(cost)
        report.take(data, outcome, cost, trace)

    seeds = folder / "seeds"
    seeds.mkdir(exist_ok=True)
    for number, data in enumerate(target.seeds(folder)):
        (seeds / str(number)).write_bytes(data)
    (folder / "words").write_text("\n".join(map(_word, target.words)))
    flags = [f"-max_len={_LONGEST}", f"-dict={folder / 'words'}", "-timeout=300", "-verbosity=0"]
    limits = ["-rss_limit_mb=6000", "-malloc_limit_mb=6000", "-len_control=0", "-detect_leaks=0"]
    mutator = _mutator(fuzzer)
    fuzzer.Setup([sys.argv[0], *flags, *limits, str(seeds)], one, custom_mutator=mutator)
    fuzzer.Fuzz()


def _mutator(fuzzer: Any) -> Callable[[bytes, int, int], bytes]:
    """libFuzzer's changes; and one in five times some bytes are repeated, since that costs."""

    def change(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if not data or dice.random() > 0.2:
            return bytes(fuzzer.Mutate(data, most))  # it is another one once the search runs
        start = dice.randrange(len(data))
        piece = data[start : start + int(2 ** dice.uniform(0, 8))]
        times = min(int(2 ** dice.uniform(1, 14)), (most - len(data)) // len(piece))
        return data[:start] + piece * max(times, 0) + data[start:]

    return change


def _word(word: bytes) -> str:
    """As libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def main() -> None:
    """Options, then the search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=300, help="of processor time")
    parser.add_argument("--keep", type=Path, required=True)
    options = parser.parse_args()
    fuzzer = importlib.import_module("atheris")
    target = TARGETS[options.target]
    for module in target.instrumented:
        _instrument(fuzzer, module)
    options.keep.mkdir(parents=True, exist_ok=True)
    folder = options.keep / f"{options.target}-work"
    folder.mkdir(exist_ok=True)
    fuzz(fuzzer, target, Report(options.target, options.keep), folder, options.seconds)


def _instrument(fuzzer: Any, name: str) -> None:
    """Every function and method of a module."""
    module = importlib.import_module(name)
    for kind in [module, *(each for each in vars(module).values() if isinstance(each, type))]:
        for found in list(vars(kind).values()):
            if getattr(found, "__module__", None) == name and hasattr(found, "__code__"):
                fuzzer.instrument_func(found)


if __name__ == "__main__":
    main()
