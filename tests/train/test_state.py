"""What a run needs to go on as if it had never stopped."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pytest
import torch

from ti_core.errors import FileError, StorageError, TrainingError
from ti_core.files.safetensors_file import write_safetensors
from ti_core.train.optimizers import adamw, set_rate
from ti_core.train.state import (
    TrainState,
    latest_state,
    list_states,
    moments_of,
    read_state,
    restore_moments,
    save_state,
)


def state(step: int = 5) -> TrainState:
    vectors = {"clip_l": torch.randn(2, 3, generator=torch.Generator().manual_seed(step))}
    moments = {"0.step": torch.tensor(float(step)), "0.exp_avg": torch.ones(2, 3)}
    return TrainState(step, vectors, moments, 512.0, 7, 0.5, 1, 5, {"model": "käse", "hash": "1"})


def update(vector: torch.Tensor, optimizer: torch.optim.Optimizer, times: int) -> None:
    for i in range(times):
        vector.grad = torch.tensor([float(i + 1), -2.0])
        optimizer.step()


def test_a_state_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    kept = state()
    found = read_state(save_state(tmp_path, kept))
    for item in dataclasses.fields(TrainState):
        one, two = getattr(kept, item.name), getattr(found, item.name)
        if item.name in ("vectors", "moments"):
            assert one.keys() == two.keys()
            assert all(torch.equal(one[key], two[key]) for key in one)
        else:
            assert one == two, item.name


def test_an_optimizer_with_restored_moments_goes_on_as_if_never_stopped() -> None:
    vector = torch.zeros(2, requires_grad=True)
    optimizer = adamw([vector])
    set_rate(optimizer, 0.1)
    update(vector, optimizer, 5)
    moments, values = moments_of(optimizer), vector.detach().clone()
    update(vector, optimizer, 5)

    other = values.clone().requires_grad_()
    fresh = adamw([other])
    restore_moments(fresh, moments)
    set_rate(fresh, 0.1)
    update(other, fresh, 5)
    assert torch.equal(vector, other)


def test_restored_moments_do_not_bring_back_the_old_rate() -> None:
    """A1111's optimizer state overrides the learning rate that the user has just changed."""
    vector = torch.zeros(2, requires_grad=True)
    optimizer = adamw([vector])
    set_rate(optimizer, 0.1)
    update(vector, optimizer, 1)
    moments = moments_of(optimizer)
    set_rate(optimizer, 0.25)
    restore_moments(optimizer, moments)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_moments_are_copies() -> None:
    vector = torch.zeros(2, requires_grad=True)
    optimizer = adamw([vector])
    update(vector, optimizer, 1)
    moments = moments_of(optimizer)
    before = {key: value.clone() for key, value in moments.items()}
    update(vector, optimizer, 1)
    assert all(torch.equal(before[key], moments[key]) for key in moments)


def test_restoring_nothing_forgets_everything() -> None:
    vector = torch.zeros(2, requires_grad=True)
    optimizer = adamw([vector])
    update(vector, optimizer, 1)
    restore_moments(optimizer, {})
    assert moments_of(optimizer) == {}


def test_the_newest_state_and_the_one_before_it_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 1_000_000, 1_000_005):
        save_state(tmp_path, state(step))
    assert [p.name for p in list_states(tmp_path)] == [
        "state-1000000.safetensors",
        "state-1000005.safetensors",
    ]


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("state-x.safetensors", "my-state-1.safetensors", "note.txt"):
        (tmp_path / name).touch()
    for step in (5, 10, 15):
        save_state(tmp_path, state(step))
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_state_falls_back_to_the_one_before_it(tmp_path: Path, share: float) -> None:
    save_state(tmp_path, state(5))
    newest = save_state(tmp_path, state(10))
    content = newest.read_bytes()
    newest.write_bytes(content[: int(len(content) * share)])
    assert latest_state(tmp_path).step == 5


def test_nothing_to_resume_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "state-000005.safetensors").write_bytes(b"rubbish")
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(TrainingError, match="nothing to resume"):
            latest_state(folder)


@pytest.mark.parametrize(
    "metadata", [{}, {"state": "["}, {"state": "[]"}, {"state": "{}"}, {"state": '{"unknown": 1}'}]
)
def test_another_safetensors_file_is_no_state(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = tmp_path / "state-000001.safetensors"
    write_safetensors(path, {"vectors.clip_l": torch.ones(1)}, metadata)
    with pytest.raises(FileError, match="no saved state"):
        read_state(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_state_before_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    save_state(tmp_path, state(5))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StorageError, match="disk is full"):
            save_state(tmp_path, state(10))
    assert latest_state(tmp_path).step == 5
    assert len(list(tmp_path.iterdir())) == 1
