"""The benchmark of the latent cache runs, and every way gets ready with the same pictures."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.latent_cache import WAYS, Way, draw, measured, overlapped, report
from ti_core.hosts.fake import FakeHost


def test_every_figure_is_there(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 12)
    for name, way in WAYS.items():
        figures = measured(way, tmp_path, 64, 12)
        assert set(figures) == {"start", "busy", "read", "peak"}
        assert figures["start"] > 0
        assert name in report(name, figures, 12)


def test_both_of_ours_are_ready_with_the_same_latents(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 12)
    with FakeHost().session() as session:
        memory, disk = Way(tmp_path, 64).memory(session), Way(tmp_path, 64).disk(session)
        assert all(torch.equal(memory(number), disk(number)) for number in range(12))
        assert len({tuple(memory(number).flatten().tolist()) for number in range(12)}) == 12


def test_kohya_s_way_finds_its_files_again(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 3)
    with FakeHost().session() as session:
        first = Way(tmp_path, 64).kohya(session)(0)
        again = Way(tmp_path, 64).kohya(session)(0)
    assert torch.equal(first, again)
    assert len(list((tmp_path / "pictures").glob("*.npz"))) == 3


def test_photographs_are_encoded_in_both_orders(tmp_path: Path) -> None:
    before, beside = overlapped(tmp_path / "photographs", 64, 2)
    assert before > 0.2  # two images of 100 ms
    assert beside > 0.2
