"""Kill -9 while latents are written: nothing half-written is ever used.

`python -m tests.data.latent_cache.test_kill 50` kills fifty times and tells what it saw.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from tests.data.latent_cache.pictures import CountingSession, Flat, paint, session
from ti_core.data.latent_cache import remembered, store
from ti_core.data.latent_cache.config import CacheConfig
from ti_core.data.latent_cache.fingerprint import vae_facts
from ti_core.data.latent_cache.latents import latent_key, latents_of
from ti_core.data.latent_cache.portions import PORTION_NAME, read_latent, read_portion
from ti_core.data.latent_cache.remembered import RememberedPictures
from ti_core.data.latent_cache.tidying import tidy
from ti_core.data.picture_facts import read_facts
from ti_core.files import atomic

ROOT = Path(__file__).parents[3]
PICTURES, SIDE = 24, 64
_TEMPORARY = re.compile(r"\.(.+)\.[^.]{8}")
POINTS = ("fsync", "chmod", "replace")
"""Calls that a write consists of; a run is killed before one of them."""


class Seen(NamedTuple):
    """What lies in a cache."""

    latents: int
    leftovers: int


def use(pictures: list[Flat], cache: Path, seed: int) -> CountingSession:
    """One start of a run, with the VAE of this seed; portions of five pictures."""
    store._BYTES_A_PORTION = 5 * 2 * 4 * 8 * 8 * 4
    remembered._CLOCK_NS = 0
    look, lent = RememberedPictures(cache), session(seed)
    for picture in pictures:
        look(picture.path)
    look.save()
    config = CacheConfig(cache_latents_to_disk=True, latent_cache_dir=str(cache))
    latents_of(pictures, lent, config)
    return lent


def use_for_ever(pictures: list[Flat], cache: Path, first_seed: int) -> None:
    """One start after another, each with a VAE of its own."""
    for seed in range(first_seed, sys.maxsize):
        use(pictures, cache, seed)


def killed(work: Callable[[], object], seconds: float) -> None:
    """Do work in a process of its own and kill it after so long, unless it kills itself before."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)  # the work has no end
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def dying(point: str, number: int) -> None:
    """From now on this process kills itself before call `number` of a function of `os`."""
    real, calls = getattr(os, point), iter(range(sys.maxsize))

    def call(*args: Any) -> Any:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    setattr(atomic.os, point, call)  # type: ignore[attr-defined]


class Expected:
    """What the latents have to be, by the VAE's fingerprint and the key."""

    def __init__(self, pictures: list[Flat]) -> None:
        self.pictures = pictures
        self.known: dict[str, dict[str, torch.Tensor]] = {}
        self.seeds = iter(range(sys.maxsize))

    def of(self, fingerprint: str) -> dict[str, torch.Tensor]:
        """Of the pictures, by the key of their latents."""
        while fingerprint not in self.known:
            lent = session(next(self.seeds))
            made = latents_of(self.pictures, lent, CacheConfig())
            name = f"vae-{vae_facts(lent).fingerprint}"
            self.known[name] = {latent_key(key): made[key] for key in made}
        return self.known[fingerprint]


def inspect(cache: Path, expected: Expected) -> Seen:
    """Count, and raise for anything under a good name that is not whole and right to the bit."""
    latents = leftovers = 0
    for path in (each for each in cache.rglob("*") if each.is_file()):
        if _TEMPORARY.fullmatch(path.name):
            leftovers += 1
        elif PORTION_NAME.fullmatch(path.name):
            found = {key: read_latent(place) for key, place in read_portion(path).items()}
            right = expected.of(path.parent.name)
            assert all(torch.equal(latent, right[key]) for key, latent in found.items())
            latents += len(found)
        else:
            assert remembered.INDEX_NAME.fullmatch(path.name), path
            facts = {name: seen.facts for name, seen in remembered._read(path).items()}
            assert facts == {p.path.name: read_facts(p.path) for p in expected.pictures}
    return Seen(latents, leftovers)


def kill(folder: Path, times: int, seed: int) -> Iterator[Seen]:
    """Kill so many runs, every third one beside another that goes on, and look at what is left."""
    draw, pictures = random.Random(seed), paint(folder / "in", range(PICTURES), SIDE)
    expected, cache = Expected(pictures), folder / "cache"
    for number in range(times):
        first = draw.randrange(40)

        def work(first: int = first, number: int = number) -> None:
            if number % 2:
                dying(draw.choice(POINTS), draw.randrange(12))
            use_for_ever(pictures, cache, first)

        def two(first: int = first, work: Callable[[], None] = work) -> None:
            if os.fork():
                work()
            signal.alarm(1)  # ends the other one
            use_for_ever(pictures, cache, first)

        killed(two if number % 3 == 0 else work, draw.random() * 0.5)
        yield inspect(cache, expected)
    time.sleep(1.1)
    counted = use(pictures, cache, 0)
    assert counted.encoded <= 1 + PICTURES
    assert use(pictures, cache, 0).encoded == 1
    swept(cache)


def swept(cache: Path) -> None:
    """Leftovers go when they are old."""
    for path in cache.rglob(".*"):
        os.utime(path, (0, 0))
    tidy(cache, 10**12)
    assert list(cache.rglob(".*")) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_kill_at_any_moment_leaves_only_whole_latents() -> None:
    """In a process of its own: one that has threads must not fork."""
    command = [sys.executable, "-m", "tests.data.latent_cache.test_kill", "4"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "4 kills, nothing half-written in use" in run.stdout


def _many(times: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        seen = list(kill(Path(folder), times, seed=4))
    left = sum(after.leftovers > before.leftovers for before, after in pairwise(seen))
    sys.stdout.write(
        f"{times} kills, nothing half-written in use: {left} in the middle of a file, "
        f"{seen[-1].latents} latents looked at in the end\n"
    )


if __name__ == "__main__":
    _many(int(sys.argv[1]))
