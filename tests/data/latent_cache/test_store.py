"""The latents of one VAE: found again, shared, and made anew when something is wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from ti_core.data.latent_cache import store as store_module
from ti_core.data.latent_cache.store import LatentStore
from ti_core.errors import StorageError

from .pictures import latent

SHAPE = (2, 4, 4, 4)


def filled(folder: Path, *seeds: int) -> Path:
    """One portion with a latent for each seed; returns its path."""
    before = set(folder.glob("*"))
    store = LatentStore(folder)
    for seed in seeds:
        store.put(f"{seed:032x}", latent(seed))
    store.flush()
    (path,) = set(folder.glob("*")) - before
    return path


def found(store: LatentStore, seed: int) -> bool:
    kept = store.get(f"{seed:032x}", SHAPE)
    assert kept is None or torch.equal(kept, latent(seed))
    return kept is not None


def test_what_was_put_in_is_there_at_once_and_after_a_new_start(tmp_path: Path) -> None:
    store = LatentStore(tmp_path / "vae")
    store.put("k", latent(5))
    assert store.get("k", SHAPE) is not None
    store.flush()
    for each in (store, LatentStore(tmp_path / "vae")):
        again = each.get("k", SHAPE)
        assert again is not None
        assert torch.equal(again, latent(5))


def test_nothing_is_written_before_there_is_something_to_keep(tmp_path: Path) -> None:
    LatentStore(tmp_path / "vae").flush()
    assert list(tmp_path.iterdir()) == []


def test_portions_are_written_when_they_are_large_or_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_BYTES_A_PORTION", 3 * latent().nbytes)
    store = LatentStore(tmp_path)
    for number in range(7):
        store.put(str(number), latent(number))
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(store_module, "_SECONDS_A_PORTION", 0.0)
    store.put("7", latent(7))
    assert len(list(tmp_path.iterdir())) == 3
    assert all(store.get(str(number), SHAPE) is not None for number in range(8))


def test_two_runs_at_once_add_to_the_same_folder(tmp_path: Path) -> None:
    one, two = LatentStore(tmp_path), LatentStore(tmp_path)
    for number in range(6):
        (one, two)[number % 2].put(f"{number:032x}", latent(number))
        one.put(f"{99:032x}", latent(99))
        two.put(f"{99:032x}", latent(99))
    one.flush()
    two.flush()
    later = LatentStore(tmp_path)
    assert all(found(later, number) for number in (0, 1, 2, 3, 4, 5, 99))


def test_a_damaged_latent_is_not_given_out_and_its_file_is_removed(tmp_path: Path) -> None:
    broken, whole = filled(tmp_path, 1, 2), filled(tmp_path, 3)
    data = broken.read_bytes()
    broken.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    store = LatentStore(tmp_path)
    assert [found(store, seed) for seed in (1, 2, 3)].count(True) < 3
    assert found(store, 3)
    assert not broken.exists()
    assert whole.exists()
    assert not store.has(f"{1:032x}", SHAPE)


@pytest.mark.parametrize("content", [b"", b"no latents", b"\xff" * 100, b"\0" * 5000])
def test_rubbish_under_a_portion_s_name_is_removed_at_the_start(
    tmp_path: Path, content: bytes
) -> None:
    path = filled(tmp_path, 1)
    rubbish = path.with_name("0123456789abcdef.safetensors")
    rubbish.write_bytes(content)
    assert found(LatentStore(tmp_path), 1)
    assert not rubbish.exists()


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "model.safetensors", ".0123456789abcdef.safetensors.abcdefgh"):
        (tmp_path / name).write_bytes(b"mine")
    filled(tmp_path, 1)
    LatentStore(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 4


def test_a_latent_of_another_shape_than_expected_is_damage(tmp_path: Path) -> None:
    path = filled(tmp_path, 1)
    store = LatentStore(tmp_path)
    assert not store.has(f"{1:032x}", (2, 4, 8, 8))
    assert not path.exists()


def test_a_file_that_vanishes_while_it_is_in_use_is_only_missing(tmp_path: Path) -> None:
    path = filled(tmp_path, 1, 2)
    store = LatentStore(tmp_path)
    path.unlink()
    assert not found(store, 1)
    store.put(f"{1:032x}", latent(1))
    assert found(store, 1)


def test_numbers_that_are_not_finite_stay_in_memory(tmp_path: Path) -> None:
    store, bad = LatentStore(tmp_path), latent()
    bad[0, 0, 0, 0] = float("nan")
    store.put("bad", bad)
    store.put("good", latent(1))
    store.flush()
    held = store.get("bad", SHAPE)
    assert held is not None
    assert torch.equal(held.isnan(), bad.isnan())
    later = LatentStore(tmp_path)
    assert later.get("bad", SHAPE) is None
    assert later.get("good", SHAPE) is not None


def test_where_nothing_can_be_written_latents_stay_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = LatentStore(tmp_path / "file" / "vae")
    for number in range(3):
        store.put(f"{number:032x}", latent(number))
        store.flush()
    assert isinstance(store.error, StorageError)
    assert all(found(store, number) for number in range(3))


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    filled(tmp_path, 1)
    store = LatentStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        store.put(f"{2:032x}", latent(2))
        store.flush()
    assert store.error is not None
    assert "full" in store.error.why
    assert found(store, 2)
    assert len(list(tmp_path.iterdir())) == 1
    assert found(LatentStore(tmp_path), 1)


def test_what_is_used_is_touched_once_an_hour(tmp_path: Path) -> None:
    path = filled(tmp_path, 1)
    long_ago = time.time() - 10**6
    os.utime(path, (long_ago, long_ago))
    store = LatentStore(tmp_path)
    assert path.stat().st_mtime < time.time() - 10**5
    assert found(store, 1)
    assert path.stat().st_mtime > time.time() - 100
    os.utime(path, (long_ago, long_ago))
    assert found(store, 1)
    assert path.stat().st_mtime < time.time() - 10**5


def test_what_was_given_out_stays_what_it_is(tmp_path: Path) -> None:
    store = LatentStore(tmp_path)
    given = []
    for number in range(20):
        store.put(str(number), latent(number))
        given.append(store.get(str(number), SHAPE))
        if number % 3 == 0:
            store.flush()
    for number, one in enumerate(given):
        assert one is not None
        assert torch.equal(one, latent(number))
