"""Files may hold an average of the vectors; training does not notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.errors import FileError
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.averages import Averages
from ti_core.train.config import TrainConfig
from ti_core.train.loop import train
from ti_core.train.state import latest_state, list_states, read_state, save_state

from ..conftest import Configure
from .test_resume import in_one_go, stopped

AVERAGED: dict[str, Any] = {"ema_decay": 0.9, "learning_rate": "0.1"}
SHOWN: dict[str, Any] = {"sample_every_n_steps": 1, "save_every_n_steps": 1, "sample_steps": 1}


def finished(config: TrainConfig) -> torch.Tensor:
    """What the file of a run holds."""
    path = Path(config.output.output_dir) / "zz-thing.safetensors"
    return read_embedding(path).vectors["emb_params"]


def test_an_average_follows_slowly_and_early_ones_faster() -> None:
    tensor = torch.zeros(1)
    averages = Averages({"a": tensor}, 0.99)
    tensor.fill_(1.0)
    averages.follow(1)
    assert averages.values["a"].item() == pytest.approx(1 - 2 / 11)
    averages.restore({"a": torch.zeros(1)})
    averages.follow(100_000)
    assert averages.values["a"].item() == pytest.approx(0.01)


def test_the_file_holds_the_average_and_the_state_both(configure: Configure) -> None:
    folder = stopped(configure(**AVERAGED), 6)
    state = latest_state(folder.state)
    (average,), (trained,) = state.averages.values(), state.tensors.values()
    assert not torch.equal(average, trained)
    assert torch.equal(finished(configure()), average)


def test_training_is_the_same_with_and_without(configure: Configure) -> None:
    with_average = latest_state(stopped(configure(**AVERAGED), 6).state)
    plain = latest_state(stopped(configure(learning_rate="0.1", overwrite=True), 6).state)
    assert all(torch.equal(plain.tensors[k], v) for k, v in with_average.tensors.items())
    assert not plain.averages


@pytest.mark.parametrize("steps", [1, 7])
def test_a_resumed_run_gives_the_same_bytes(configure: Configure, steps: int) -> None:
    folder = stopped(configure(**AVERAGED), steps)
    resumed = train(configure(**AVERAGED), FakeHost(), resume=folder).read_bytes()
    assert resumed == in_one_go(configure, **AVERAGED)


def test_a_run_without_averages_may_continue_with_them(configure: Configure) -> None:
    folder = stopped(configure(learning_rate="0.1"), 4)
    assert train(configure(**AVERAGED), FakeHost(), resume=folder).exists()
    assert latest_state(folder.state).averages


@pytest.mark.parametrize("optimizer", ["AdamW", "AdamWScheduleFree"])
def test_previews_and_copies_change_nothing(configure: Configure, optimizer: str) -> None:
    if optimizer != "AdamW":
        pytest.importorskip("schedulefree")
    changes = {**AVERAGED, "optimizer_type": optimizer}
    quiet = in_one_go(configure, **changes)
    assert in_one_go(configure, **changes, **SHOWN) == quiet


def test_schedule_free_files_hold_its_mean(configure: Configure) -> None:
    pytest.importorskip("schedulefree")
    changes = {"optimizer_type": "AdamWScheduleFree", "learning_rate": "0.1"}
    folder = stopped(configure(**changes), 6)
    state = latest_state(folder.state)
    ((name, trained),) = state.tensors.items()
    z = state.moments["0.z"]
    assert isinstance(z, torch.Tensor)
    mean = trained.lerp(z, 1 - 1 / 0.9)
    assert torch.allclose(finished(configure()), mean, atol=1e-6)
    assert not torch.allclose(mean, trained, atol=1e-4), name


def test_averages_of_another_shape_are_damage(configure: Configure) -> None:
    folder = stopped(configure(**AVERAGED), 3)
    state = latest_state(folder.state)
    save_state(folder.state, replace(state, averages={"clip_l": torch.zeros(1, 3)}))
    with pytest.raises(FileError, match="is not a saved state"):
        read_state(list_states(folder.state)[-1])
