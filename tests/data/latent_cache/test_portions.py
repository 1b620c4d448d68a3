"""Files of latents: whole, exact, and never believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ti_core.data.latent_cache.portions import (
    PORTION_NAME,
    read_latent,
    read_portion,
    write_portion,
)
from ti_core.errors import FileError, StorageError
from ti_core.files.safetensors_file import write_safetensors

from .pictures import latent


def portion(folder: Path) -> Path:
    """A file with three latents."""
    write_portion(folder, {f"{n:032x}": latent(n) for n in range(3)})
    return next(iter(folder.iterdir()))


def test_latents_come_back_bit_for_bit(tmp_path: Path) -> None:
    made = {"a": latent(1), "b": latent(2, side=8), "c": -latent(3).abs()}
    made["c"][1] = torch.tensor(1e-42)  # denormal
    places = write_portion(tmp_path, made)
    assert places == read_portion(places["a"].path)
    for key, place in places.items():
        assert torch.equal(read_latent(place), made[key])


def test_every_portion_has_a_name_of_its_own(tmp_path: Path) -> None:
    for _ in range(5):
        write_portion(tmp_path, {"a": latent()})
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 5
    assert all(PORTION_NAME.fullmatch(name) for name in names)


def test_what_no_program_of_ours_has_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"a": latent()}, {})
    with pytest.raises(FileError, match="contains no latents"):
        read_portion(path)
    write_safetensors(path, {"a": latent()}, {"format": "textual-inversion-latents/1"})
    with pytest.raises(FileError, match="no checksum"):
        read_portion(path)


@pytest.mark.parametrize(
    "wrong", [torch.zeros(4, 8, 8), torch.zeros(3, 4, 8, 8), torch.zeros(2, 4, 8, 8).half()]
)
def test_a_tensor_that_is_no_latent_is_refused(tmp_path: Path, wrong: torch.Tensor) -> None:
    path = tmp_path / "x.safetensors"
    told = {"format": "textual-inversion-latents/1", "a": "00000000"}
    write_safetensors(path, {"a": wrong}, told)
    with pytest.raises(FileError, match="not a latent"):
        read_portion(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_numbers_that_no_vae_gives_are_refused_even_with_a_right_checksum(
    tmp_path: Path, bad: float
) -> None:
    wrong = latent()
    wrong[1, 2, 3, 0] = bad
    place = write_portion(tmp_path, {"a": wrong})["a"]
    with pytest.raises(FileError, match="no finite numbers"):
        read_latent(place)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_an_error_or_changes_nothing(
    tmp_path: Path, place: int, change: int
) -> None:
    folder = tmp_path / "portions"
    path = next(iter(folder.glob("*"))) if folder.exists() else portion(folder)
    whole = bytearray(path.read_bytes())
    whole[place % len(whole)] ^= change
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(whole)
    try:
        found = {key: read_latent(spot) for key, spot in read_portion(damaged).items()}
    except FileError:
        return
    expected = [latent(n) for n in range(3)]
    assert all(any(torch.equal(one, other) for other in expected) for one in found.values())


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = portion(tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError):
            read_portion(path)


def test_a_file_that_changes_after_it_was_looked_at_is_refused(tmp_path: Path) -> None:
    place = write_portion(tmp_path, {"a": latent(1)})["a"]
    whole = place.path.read_bytes()
    place.path.write_bytes(whole[:-1])
    with pytest.raises(FileError, match="damaged"):
        read_latent(place)
    place.path.write_bytes(whole[:-4] + b"\0\0\0\0")
    with pytest.raises(FileError, match="damaged"):
        read_latent(place)
    place.path.unlink()
    with pytest.raises(FileError, match="cannot read"):
        read_latent(place)


@pytest.mark.skipif(os.name == "nt", reason="there are no pipes in folders")
def test_a_pipe_in_place_of_a_file_makes_nobody_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    with pytest.raises(FileError, match="a pipe"):
        read_portion(tmp_path / "x.safetensors")


def test_a_folder_that_cannot_be_written_to_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_portion(tmp_path / "file" / "below", {"a": latent()})
