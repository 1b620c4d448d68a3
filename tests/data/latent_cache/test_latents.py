"""In memory, on the disk or made anew: the same latents, to the last bit."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ti_core.data.latent_cache import latents as module
from ti_core.data.latent_cache.config import CacheConfig
from ti_core.data.latent_cache.latents import Latents, latent_key, latents_of
from ti_core.events import Notice

from .pictures import CountingSession, Flat, paint, session

PROBE = 1


def on_disk(tmp_path: Path, **more: Any) -> CacheConfig:
    return CacheConfig(cache_latents_to_disk=True, latent_cache_dir=str(tmp_path / "cache"), **more)


def all_of(latents: Latents, pictures: Sequence[Flat]) -> list[Tensor]:
    return [latents[picture.key] for picture in pictures]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_three_ways_give_the_same_bits(tmp_path: Path) -> None:
    pictures = paint(tmp_path / "in", range(6))
    memory = all_of(latents_of(pictures, session(), CacheConfig()), pictures)
    assert memory[0].shape == (2, 4, 4, 4)
    assert len({tuple(latent.flatten().tolist()) for latent in memory}) == 6
    each_time = latents_of(pictures, session(), CacheConfig(cache_latents=False))
    assert same(all_of(each_time, pictures), memory)
    for _ in range(2):
        kept = latents_of(pictures, session(), on_disk(tmp_path))
        assert same(all_of(kept, pictures), memory)


def test_pictures_of_many_sizes_live_together(tmp_path: Path) -> None:
    pictures = [p for side in (16, 24, 64) for p in paint(tmp_path / str(side), range(2), side)]
    latents_of(pictures, session(), on_disk(tmp_path))
    warm = session()
    found = all_of(latents_of(pictures, warm, on_disk(tmp_path)), pictures)
    assert [latent.shape[-1] for latent in found] == [2, 2, 3, 3, 8, 8]
    assert warm.encoded == PROBE


def test_how_often_pictures_are_encoded(tmp_path: Path) -> None:
    pictures = paint(tmp_path / "in", range(5))
    for config, at_start, after_two_looks in (
        (CacheConfig(), 5, 5),
        (CacheConfig(cache_latents=False), 0, 10),
        (on_disk(tmp_path), 5 + PROBE, 5 + PROBE),
        (on_disk(tmp_path), PROBE, PROBE),
        (on_disk(tmp_path, cache_latents=False), PROBE, PROBE),
    ):
        counted = session()
        latents = latents_of(pictures, counted, config)
        assert counted.encoded == at_start
        for _ in range(2):
            all_of(latents, pictures)
        assert counted.encoded == after_two_looks


def test_only_what_is_new_is_encoded(tmp_path: Path) -> None:
    pictures = paint(tmp_path / "in", range(4))
    latents_of(pictures[:3], session(), on_disk(tmp_path))
    counted = session()
    latents_of(pictures, counted, on_disk(tmp_path))
    assert counted.encoded == 1 + PROBE


def test_the_same_picture_under_two_names_is_encoded_once(tmp_path: Path) -> None:
    picture = paint(tmp_path / "in", [0])[0]
    twice = [picture, picture]
    for config in (CacheConfig(), on_disk(tmp_path)):
        counted = session()
        assert len(latents_of(twice, counted, config)) == 1
        assert counted.encoded <= 1 + PROBE


def test_another_vae_finds_nothing(tmp_path: Path) -> None:
    pictures = paint(tmp_path / "in", range(3))
    latents_of(pictures, session(seed=1), on_disk(tmp_path))
    counted = session(seed=2)
    found = all_of(latents_of(pictures, counted, on_disk(tmp_path)), pictures)
    assert counted.encoded == 3 + PROBE
    assert same(found, all_of(latents_of(pictures, session(2), CacheConfig()), pictures))


def test_another_version_of_what_decodes_pictures_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = latent_key("k")
    monkeypatch.setattr("PIL.__version__", "999")
    assert latent_key("k") != before


def test_whatever_is_damaged_in_the_middle_of_a_run_is_made_anew(tmp_path: Path) -> None:
    pictures = paint(tmp_path / "in", range(4))
    expected = all_of(latents_of(pictures, session(), CacheConfig()), pictures)
    counted = session()
    latents = latents_of(pictures, counted, on_disk(tmp_path))
    for spoil in (lambda p: p.write_bytes(b""), lambda p: p.unlink(), damage):
        for path in (tmp_path / "cache").rglob("*.safetensors"):
            spoil(path)
        assert same(all_of(latents, pictures), expected)
    assert "vae" in counted.released
    whole = session()
    latents_of(pictures, whole, on_disk(tmp_path))
    assert same(all_of(latents_of(pictures, session(), on_disk(tmp_path)), pictures), expected)


def damage(path: Path) -> None:
    """Change some bytes of every part of a file."""
    data = bytearray(path.read_bytes())
    for place in range(0, len(data), 100):
        data[place] ^= 0x40
    path.write_bytes(data)


def test_a_cache_that_cannot_be_written_is_done_without_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file, not a folder")
    pictures, told = paint(tmp_path / "in", range(3)), list[Notice]()
    found = latents_of(pictures, session(), on_disk(tmp_path), tell=told.append)
    expected = all_of(latents_of(pictures, session(), CacheConfig()), pictures)
    assert same(all_of(found, pictures), expected)
    assert [notice.level for notice in told] == ["warning"]


def test_much_memory_is_mentioned_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, told = paint(tmp_path / "in", range(3)), list[Notice]()
    latents_of(pictures, session(), CacheConfig(), tell=told.append)
    assert told == []
    monkeypatch.setattr(module, "_MUCH_MEMORY", 3 * 512 - 1)
    latents_of(pictures, session(), CacheConfig(), tell=told.append)
    (notice,) = told
    assert "latents of 3 images" in notice.what
    assert "`cache_latents_to_disk`" in notice.fix


@pytest.mark.parametrize("to_disk", [False, True])
def test_encoding_tells_how_far_it_is_and_can_be_ended(tmp_path: Path, to_disk: bool) -> None:
    pictures, told = paint(tmp_path / "in", range(4)), list[tuple[int, int]]()

    def progress(done: int, total: int) -> bool:
        told.append((done, total))
        return done < 2

    counted: CountingSession = session()
    config = on_disk(tmp_path) if to_disk else CacheConfig()
    latents = latents_of(pictures, counted, config, progress)
    assert told == [(1, 4), (2, 4)]
    assert counted.encoded == 2 + PROBE * to_disk
    expected = all_of(latents_of(pictures, session(), CacheConfig()), pictures)
    assert same(all_of(latents, pictures), expected)


def test_space_is_bounded_by_what_was_used_least_recently(tmp_path: Path) -> None:
    old, new = paint(tmp_path / "old", range(3), 512), paint(tmp_path / "new", range(9, 12), 512)
    config = on_disk(tmp_path, latent_cache_gb=0.1)
    latents_of(old, session(), config)
    (portion,) = (tmp_path / "cache").rglob("*.safetensors")
    day_ago = time.time() - 86400
    with portion.open("ab") as file:
        file.truncate(200_000_000)
    os.utime(portion, (day_ago, day_ago))
    latents_of(new, session(), config)
    assert not portion.exists()
    counted = session()
    latents_of(new, counted, config)
    assert counted.encoded == PROBE
