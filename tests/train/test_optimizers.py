"""The registry of optimisers, and what each entry promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from ti_core.errors import TrainingError
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import TrainConfig
from ti_core.train.loop import train
from ti_core.train.optimizers import OPTIMIZERS, OptimizerEntry, OptimizerName, adamw, set_rate
from ti_core.train.state import latest_state, save_state

from ..conftest import Configure
from .growing import Growing
from .inversion import loss_after
from .test_resume import in_one_go, stopped

RATES = {"AdamW": "0.05"}
"""A row for each entry: a rate that suits it."""


def test_every_entry_is_tested() -> None:
    assert RATES.keys() == OPTIMIZERS.keys() == set(get_args(OptimizerName))


@pytest.fixture(params=[*RATES, "memory in groups"])
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings that choose an optimiser: each entry, and one that keeps its memory in groups,
    which takes AdamW's place."""
    if request.param in RATES:
        return {"optimizer_type": request.param, "learning_rate": RATES[request.param]}
    monkeypatch.setitem(OPTIMIZERS, "AdamW", OptimizerEntry(Growing, state_size=1))
    return {"learning_rate": "1"}


def test_a_toy_inversion_converges(
    configure: Configure, tmp_path: Path, chosen: dict[str, str]
) -> None:
    """The loss at fixed noise falls: A16's "trains but learns nothing" would stay level."""

    def build(**changes: Any) -> TrainConfig:
        return configure(**{**chosen, **changes})

    untrained = loss_after(build, tmp_path, 1, "1e-9")
    trained = loss_after(build, tmp_path, 150, chosen["learning_rate"])
    assert trained < untrained * 0.97


@pytest.mark.parametrize("steps", [1, 7])
def test_a_resumed_run_gives_the_same_bytes(
    configure: Configure, chosen: dict[str, str], steps: int
) -> None:
    config = configure(**chosen)
    folder = stopped(config, steps)
    resumed = train(config, FakeHost(), resume=folder).read_bytes()
    assert resumed == in_one_go(configure, **chosen)


def test_a_run_does_not_continue_with_another_optimiser(configure: Configure) -> None:
    folder = stopped(configure(), 5)
    save_state(folder.state, replace(latest_state(folder.state), optimizer="Prodigy"))
    with pytest.raises(TrainingError, match="with another optimiser") as caught:
        train(configure(), FakeHost(), resume=folder)
    assert "made with Prodigy, and `optimizer_type` is AdamW" in caught.value.why


# --- AdamW ------------------------------------------------------------------------------------


def test_adamw_holds_exactly_the_vectors_without_decay() -> None:
    vectors = [torch.ones(2, 3, requires_grad=True), torch.ones(2, 5, requires_grad=True)]
    (group,) = adamw(vectors).param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in vectors]
    assert group["weight_decay"] == 0.0
    assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)


def test_without_gradient_nothing_decays() -> None:
    """A1111 before November 2022 pulled the vectors to zero."""
    vector = torch.ones(2, requires_grad=True)
    vector.grad = torch.zeros(2)
    optimizer = adamw([vector])
    set_rate(optimizer, 0.1)
    optimizer.step()
    assert vector.tolist() == [1.0, 1.0]


def test_the_first_update_has_the_size_of_the_rate() -> None:
    vector = torch.zeros(2, requires_grad=True)
    vector.grad = torch.tensor([5.0, -0.01])
    optimizer = adamw([vector])
    set_rate(optimizer, 0.25)
    optimizer.step()
    assert vector.tolist() == pytest.approx([-0.25, 0.25], rel=1e-5)
