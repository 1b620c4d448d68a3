"""Tensors side by side."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ti_core.data.latent_cache import shelf as module
from ti_core.data.latent_cache.shelf import Shelf

from .pictures import latent

ROOT = Path(__file__).parents[3]
GROWTH = """
import resource, torch
from ti_core.data.latent_cache.shelf import Shelf

torch.set_num_threads(1)

def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

shelf, kept = Shelf(), []
for number in range(300):
    pixels = torch.rand(3, 256, 256) * 2 - 1
    made = pixels[None].reshape(2, -1, 64).mean(dim=2)[:, :4096]
    kept.append(shelf.put(made))
    if number == 50:
        before = megabytes()
print(megabytes() - before)
"""


def test_copies_stay_as_they_were_put_whatever_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FLOATS_A_BLOCK", 1000)
    shelf = Shelf()
    kept = [shelf.put(latent(number, side=1 + number % 20)) for number in range(100)]
    for number, one in enumerate(kept):
        assert torch.equal(one, latent(number, side=1 + number % 20))


def test_a_cleared_shelf_takes_no_new_memory() -> None:
    shelf = Shelf()
    first = shelf.put(latent(1))
    shelf.clear()
    assert shelf.put(latent(2)).data_ptr() == first.data_ptr()


def test_what_is_put_in_is_copied() -> None:
    given = latent(1)
    kept = Shelf().put(given)
    given.zero_()
    assert torch.equal(kept, latent(1))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
def test_latents_of_many_pictures_take_the_memory_of_latents() -> None:
    run = subprocess.run([sys.executable, "-c", GROWTH], cwd=ROOT, capture_output=True, check=True)
    assert float(run.stdout) < 50  # 8 MB of latents; 190 MB of pictures went by
