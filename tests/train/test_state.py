"""What a run needs to go on as if it had never stopped."""

from __future__ import annotations

import copy
import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.errors import FileError, StorageError, TrainingError
from ti_core.events import Notice
from ti_core.files.safetensors_file import read_safetensors, write_safetensors
from ti_core.train.optimizer_memory import OptimizerMemory, OptimizerValue
from ti_core.train.optimizers import OPTIMIZERS, set_rate
from ti_core.train.state import (
    TrainState,
    latest_state,
    list_states,
    read_state,
    save_state,
)

from .growing import Growing


def state(step: int = 5) -> TrainState:
    tensors = {"clip_l": torch.randn(2, 3, generator=torch.Generator().manual_seed(step))}
    moments: dict[str, OptimizerValue] = {
        "0.step": torch.tensor(float(step)),
        "0.exp_avg": torch.full((2, 3), 0.25),
        "0.exp_avg_sq": torch.full((2, 3), 1e-7),
        "group0.k": 3,
        "group0.d": 1e-7,
        "group0.on": None,
    }
    facts = {"model": "käse", "hash": "1"}
    return TrainState(step, tensors, moments, "AdamW", 512.0, 7, 0.5, 1, 5, facts)


def same(one: object, two: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and one.dtype == two.dtype and torch.equal(one, two)
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return type(one) is type(two) and one == two


def test_a_state_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    kept = state()
    found = read_state(save_state(tmp_path, kept))
    for item in dataclasses.fields(TrainState):
        assert same(getattr(kept, item.name), getattr(found, item.name)), item.name


# --- what an optimiser remembers --------------------------------------------------------------


class Trained:
    """One vector with its optimiser, AdamW unless another one is given."""

    def __init__(self, values: list[float], optimizer: Any = None) -> None:
        self.vector = torch.tensor(values, requires_grad=True)
        self.optimizer = (optimizer or OPTIMIZERS["AdamW"].make)([self.vector])
        self.memory = OptimizerMemory(self.optimizer)
        set_rate(self.optimizer, 0.1)

    def update(self, times: int) -> None:
        for i in range(times):
            self.vector.grad = torch.tensor([float(i + 1), -2.0])
            self.optimizer.step()


@pytest.mark.parametrize("optimizer", [None, Growing])
def test_an_optimizer_with_its_memory_continues_as_if_never_stopped(
    tmp_path: Path, optimizer: Any
) -> None:
    one = Trained([0.0, 0.0], optimizer)
    one.update(5)
    saved = TrainState(5, {"v": one.vector.detach()}, one.memory.save())
    values = one.vector.tolist()
    found = read_state(save_state(tmp_path, saved))
    one.update(5)

    other = Trained(values, optimizer)
    other.memory.restore(found.moments)
    other.update(5)
    assert torch.equal(one.vector, other.vector)
    assert same(one.memory.save(), other.memory.save())


def test_values_of_a_group_that_have_changed_are_remembered_and_no_others() -> None:
    one = Trained([0.0, 0.0], Growing)
    assert one.memory.save() == {}
    one.update(3)
    assert {key for key in one.memory.save() if key.startswith("group")} == {
        "group0.d",
        "group0.total",
        "group0.k",
    }


def test_a_group_returns_to_what_it_was_as_well() -> None:
    """As when training returns to a state because of NaN."""
    one = Trained([0.0, 0.0], Growing)
    first = one.memory.save()
    one.update(3)
    one.memory.restore(first)
    (group,) = one.optimizer.param_groups
    assert (group["d"], "total" in group, group["factor"]) == (1e-3, False, 2.0)
    assert group["params"][0] is one.vector


def test_restored_memory_brings_back_neither_the_old_rate_nor_old_settings() -> None:
    """A1111's optimizer state overrides the learning rate that the user has just changed."""
    one = Trained([0.0, 0.0], Growing)
    one.update(1)
    other = Trained([0.0, 0.0], lambda given: Growing(given, factor=3.0))
    set_rate(other.optimizer, 0.25)
    other.memory.restore(one.memory.save())
    assert other.optimizer.param_groups[0]["lr"] == 0.25
    assert other.optimizer.param_groups[0]["factor"] == 3.0


def test_what_is_remembered_are_copies() -> None:
    one = Trained([0.0, 0.0])
    one.update(1)
    memory = one.memory.save()
    before = copy.deepcopy(memory)
    one.update(1)
    assert same(memory, before)
    one.memory.restore(memory)
    one.update(1)
    assert same(memory, before)


def test_restoring_nothing_forgets_everything() -> None:
    one = Trained([0.0, 0.0])
    one.update(1)
    one.memory.restore({})
    assert one.memory.save() == {}


# --- files ------------------------------------------------------------------------------------


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
        with pytest.raises(TrainingError, match="nothing to resume") as found:
            latest_state(folder)
        assert found.value.fix == "begin a new run"


def test_where_no_state_is_left_the_newest_copy_is_named(tmp_path: Path) -> None:
    copies = tmp_path / "embeddings"
    copies.mkdir()
    for step in (10, 20):
        path = copies / f"cat-{step:06d}.safetensors"
        path.touch()
        os.utime(path, (step, step))
    with pytest.raises(TrainingError) as found:
        latest_state(tmp_path / "state")
    assert found.value.fix.endswith(f"`weights` {path}")


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"state": "["},
        {"state": "[]"},
        {"state": "{}"},
        {"state": '{"unknown": 1}'},
        {"state": '{"step": 1, "moments": 7}'},
    ],
)
def test_another_safetensors_file_is_no_state(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = tmp_path / "state-000001.safetensors"
    write_safetensors(path, {"vectors.clip_l": torch.ones(1)}, metadata)
    with pytest.raises(FileError, match="not a saved state"):
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


# --- damage -----------------------------------------------------------------------------------


def damage(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def unseal(path: Path) -> None:
    """As version 0.2 wrote it."""
    tensors, metadata = read_safetensors(path)
    write_safetensors(path, tensors, {"state": metadata["state"]})


@pytest.mark.slow
def test_every_single_flipped_bit_of_a_state_is_found(tmp_path: Path) -> None:
    path = save_state(tmp_path, state())
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(FileError):
                read_state(path)


def test_a_state_of_version_0_2_has_no_seal_and_is_read(tmp_path: Path) -> None:
    unseal(save_state(tmp_path, state()))
    assert latest_state(tmp_path).step == 5


def test_a_damaged_state_is_told_and_the_one_before_it_is_used(tmp_path: Path) -> None:
    save_state(tmp_path, state(5))
    newest = save_state(tmp_path, state(10))
    damage(newest)
    told: list[Notice] = []
    assert latest_state(tmp_path, told.append).step == 5
    (notice,) = told
    assert (notice.level, newest.name in notice.what) == ("warning", True)
    assert "from step 5" in notice.fix


def test_where_all_states_are_damaged_each_is_named(tmp_path: Path) -> None:
    for step in (5, 10):
        damage(save_state(tmp_path, state(step)))
    with pytest.raises(TrainingError, match="nothing to resume") as found:
        latest_state(tmp_path)
    assert "state-000005" in found.value.why
    assert "state-000010" in found.value.why


@pytest.mark.parametrize(
    "changes",
    [
        {"0.exp_avg": None},
        {"0.exp_avg": torch.zeros(1, 3)},
        {"0.exp_avg": torch.zeros(2, 3, dtype=torch.float16)},
        {"0.exp_avg": torch.full((2, 3), float("nan"))},
        {"0.exp_abg": torch.zeros(2, 3)},
        {"7.exp_avg": torch.zeros(2, 3)},
        {"nonsense": 3},
        {"groupx.d": 3},
        {"0.step": 5},
    ],
)
def test_an_optimizer_s_memory_that_cannot_be_is_damage_not_a_crash(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    save_state(tmp_path, state(5))
    kept = state(10)
    moments = {**kept.moments, **changes}
    if moments["0.exp_avg"] is None:
        del moments["0.exp_avg"]
    unseal(save_state(tmp_path, dataclasses.replace(kept, moments=moments)))
    assert latest_state(tmp_path).step == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "5"},
        {"step": -1},
        {"step": True},
        {"loss_scale": 0.0},
        {"loss_scale": float("nan")},
        {"rate_factor": "1"},
        {"facts": {"model": 7}},
        {"facts": 7},
        {"optimizer": None},
        {"tensors": {}},
        {"tensors": {"clip_l": torch.full((2, 3), float("inf"))}},
        {"tensors": {"clip_l": torch.zeros(2, 3, dtype=torch.int32)}},
    ],
)
def test_values_that_no_run_has_saved_are_damage(tmp_path: Path, changes: dict[str, Any]) -> None:
    values = {**vars(state()), **changes}
    tensors = {f"tensors.{key}": value for key, value in values.pop("tensors").items()}
    del values["moments"]
    path = tmp_path / "state-000005.safetensors"
    write_safetensors(path, tensors, {"state": json.dumps(values)})
    with pytest.raises(FileError, match="not a saved state"):
        read_state(path)


def test_states_after_the_one_that_a_run_went_on_from_are_removed(tmp_path: Path) -> None:
    """They are damaged, and would stand in the place of a good one."""
    for step in (5, 10, 6):
        save_state(tmp_path, state(step))
    assert [path.name for path in list_states(tmp_path)] == [
        "state-000005.safetensors",
        "state-000006.safetensors",
    ]
