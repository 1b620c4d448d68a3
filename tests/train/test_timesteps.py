"""Timesteps are drawn from where the settings say, and by default as ever."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ti_core.diffusion import Ddpm
from ti_core.errors import ConfigError
from ti_core.hosts.fake import FakeHost
from ti_core.train.learning_config import OptimizerConfig
from ti_core.train.loop import train
from ti_core.train.timesteps import draw_timestep

from ..conftest import Configure
from ..toys.flow import RectifiedFlow
from .test_batches import batches_of
from .test_resume import in_one_go, stopped

THOUSAND, HUNDRED = Ddpm((0.5,) * 1000), Ddpm((0.5,) * 100)


def drawn(diffusion: Any, steps: int = 300, slots: int = 1, **options: Any) -> torch.Tensor:
    """(steps, slots)"""
    config = OptimizerConfig(**options)
    rows = [
        torch.stack([draw_timestep(config, diffusion, 7, step, slot) for slot in range(slots)])
        for step in range(steps)
    ]
    return torch.stack(rows)


def test_by_default_they_are_the_diffusions_own() -> None:
    wanted = [int(THOUSAND.draw_timestep(7, step, 0)) for step in range(300)]
    assert drawn(THOUSAND).flatten().tolist() == wanted


@pytest.mark.parametrize(("diffusion", "parts"), [(THOUSAND, 1), (HUNDRED, 10)])
def test_a_range_is_filled_and_not_left(diffusion: Ddpm, parts: int) -> None:
    times = drawn(diffusion, 2000, min_timestep=500, max_timestep=900).flatten()
    assert times.dtype == torch.int64
    assert int(times.min()) >= 500 // parts
    assert int(times.max()) < 900 // parts
    quarters = torch.histc(times.float(), 4, 500 // parts, 900 // parts)
    assert all(400 < int(count) < 600 for count in quarters)


def test_a_range_of_another_kind_of_diffusion() -> None:
    times = drawn(RectifiedFlow(), min_timestep=500, max_timestep=900)
    assert times.dtype == torch.float32
    assert 500 <= float(times.min()) < float(times.max()) <= 900


def test_a_range_may_widen_as_training_goes() -> None:
    options = {"min_timestep": 600, "final_min_timestep": 200, "max_train_steps": 400}
    times = drawn(THOUSAND, 400, 2, **options)
    for first in (0, 100, 300):
        part = times[first : first + 100]
        lowest = 600 - first - 100
        assert lowest <= int(part.min()) < lowest + 160
        assert int(part.max()) > 980


def test_stratified_draws_take_one_of_each_part() -> None:
    options = {"timestep_sampling": "stratified", "min_timestep": 200, "train_batch_size": 2}
    times = drawn(THOUSAND, 50, 4, gradient_accumulation_steps=2, **options)
    for slot in range(4):
        part = times[:, slot]
        assert int(part.min()) >= 200 + 200 * slot
        assert int(part.max()) < 400 + 200 * slot
    assert len(times[:, 0].unique()) > 30


def test_training_sees_them(configure: Configure) -> None:
    config = configure(min_timestep=900, train_batch_size=4)
    found = torch.cat([batch.noisy.timesteps for batch in batches_of(config, FakeHost(), 3)])
    assert len(found) == 4
    assert int(found.min()) >= 90, "of the fake host's 100"


def test_a_resumed_run_gives_the_same_bytes(configure: Configure) -> None:
    changes = {"min_timestep": 300, "timestep_sampling": "stratified", "train_batch_size": 2}
    folder = stopped(configure(**changes), 4)
    resumed = train(configure(**changes), FakeHost(), resume=folder).read_bytes()
    assert resumed == in_one_go(configure, **changes)


def test_a_range_without_numbers_is_an_error() -> None:
    with pytest.raises(ConfigError, match="`min_timestep` is 600"):
        OptimizerConfig(min_timestep=600, max_timestep=500)
