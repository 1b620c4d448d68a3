"""The registry of optimisers, and what each entry promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from ti_core.errors import ConfigError, TrainingError
from ti_core.hosts.fake import FakeHost
from ti_core.options import recorded
from ti_core.train.config import TrainConfig
from ti_core.train.loop import train
from ti_core.train.optimizer_arguments import Argument, read_arguments
from ti_core.train.optimizers import OPTIMIZERS, OptimizerEntry, OptimizerName, adamw, set_rate
from ti_core.train.plan import make_plan
from ti_core.train.state import latest_state, save_state

from ..conftest import Configure
from .growing import Growing
from .inversion import loss_after
from .test_resume import in_one_go, stopped

RATES = {
    "AdamW": "0.05",
    "AdamW8bit": "0.05",
    "Prodigy": "1",
    "AdamWScheduleFree": "0.1",
    "DTI": "0.05",
}
"""A row for each entry: a rate that suits it."""


def test_every_entry_is_tested() -> None:
    assert RATES.keys() == OPTIMIZERS.keys() == set(get_args(OptimizerName))


@pytest.fixture(params=[*RATES, "memory in groups"])
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings that choose an optimiser: each entry, and one that keeps its memory in groups,
    which takes AdamW's place."""
    if request.param in RATES:
        package = OPTIMIZERS[request.param].package
        if package:
            pytest.importorskip(package)
        return {"optimizer_type": request.param, "learning_rate": RATES[request.param]}
    monkeypatch.setitem(OPTIMIZERS, "AdamW", OptimizerEntry(Growing, state_size=1))
    return {"learning_rate": "1"}


def test_a_toy_inversion_converges(
    configure: Configure, tmp_path: Path, chosen: dict[str, str]
) -> None:
    """The loss at fixed noise falls: A16's "trains but learns nothing" would stay level. No
    direction of DTI's fixed length is better than 0.979 of it here."""

    def build(**changes: Any) -> TrainConfig:
        return configure(**{**chosen, **changes})

    untrained = loss_after(build, tmp_path, 1, "1e-9")
    trained = loss_after(build, tmp_path, 150, chosen["learning_rate"])
    assert trained < untrained * (0.985 if chosen.get("optimizer_type") == "DTI" else 0.97)


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
    save_state(folder.state, replace(latest_state(folder.state), optimizer="Lion"))
    with pytest.raises(TrainingError, match="with another optimizer") as caught:
        train(configure(), FakeHost(), resume=folder)
    assert "made with Lion, and `optimizer_type` is AdamW" in caught.value.why


def test_a_missing_package_is_told_before_any_time_is_spent(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="the package prodigyopt is missing") as caught:
        make_plan(configure(optimizer_type="Prodigy", learning_rate="1"), FakeHost())
    assert "pip install prodigyopt" in caught.value.fix


@pytest.mark.parametrize(("rate", "told"), [("0.005", True), ("1", False), ("0.5:5, 0.001", False)])
def test_a_rate_of_another_optimiser_gets_a_warning(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, rate: str, told: bool
) -> None:
    growing = OptimizerEntry(Growing, 1, rates=(0.1, 10), rate_means="a factor")
    monkeypatch.setitem(OPTIMIZERS, "AdamW", growing)
    notices = make_plan(configure(learning_rate=rate), FakeHost()).notices
    assert [n.what for n in notices if "unusual" in n.what] == (
        ["the highest learning rate is 0.005, which is unusual for AdamW"] if told else []
    )


@pytest.mark.parametrize(
    ("rate", "decay", "told"),
    [
        ("0.1", "cosine", ""),
        ("0.04", "constant", ""),
        ("0.005", "cosine", "add up to 1,"),
        ("0.005:200, 0.02", "constant", ""),
        ("0.005:200", "constant", "200 steps add up to 1,"),
    ],
)
def test_rates_of_adamw_are_too_low_for_dti(
    configure: Configure, rate: str, decay: str, told: str
) -> None:
    """The preset's optimizer, with the rate that is known from A1111."""
    settings = {"learning_rate": rate, "lr_scheduler": decay, "max_train_steps": 400}
    notices = make_plan(configure(**settings, optimizer_type="DTI"), FakeHost()).notices
    found = [notice.what for notice in notices if "little is learned" in notice.what]
    assert [told in what for what in found] == ([True] if told else [])
    notices = make_plan(configure(**settings), FakeHost()).notices
    assert not any("little is learned" in notice.what for notice in notices)


# --- arguments --------------------------------------------------------------------------------

KNOWN: dict[str, Argument] = {"betas": (0.9, 0.999), "kappa": 0.5, "safe": False}


def test_arguments_are_those_of_kohyas_option() -> None:
    assert read_arguments("", "X", KNOWN) == KNOWN
    text = "betas=0.8,0.99 safe=True kappa=1e-4"
    assert read_arguments(text, "X", KNOWN) == {"betas": (0.8, 0.99), "kappa": 1e-4, "safe": True}
    assert read_arguments("betas=(0.8,0.99)", "X", KNOWN)["betas"] == (0.8, 0.99)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kapa=1", "names 'kapa'"),
        ("kappa", "has kappa="),
        ("kappa=nan", "has kappa=nan"),
        ("kappa=1,2", "has kappa=1,2"),
        ("betas=0.9", "has betas=0.9"),
        ("safe=2", "has safe=2"),
    ],
)
def test_arguments_that_cannot_be_read_are_errors(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_arguments(text, "X", KNOWN)
    assert caught.value.fix


def test_arguments_reach_the_optimiser(configure: Configure) -> None:
    decayed = in_one_go(configure, optimizer_args="weight_decay=0.5", learning_rate="0.05")
    assert decayed != in_one_go(configure, learning_rate="0.05")


def test_an_argument_out_of_its_range_is_told_before_the_start(configure: Configure) -> None:
    with pytest.raises(ConfigError, match=r"cannot be used: betas=0\.9,1\.5") as caught:
        make_plan(configure(optimizer_args="betas=0.9,1.5"), FakeHost())
    assert "AdamW says" in caught.value.why


def test_what_files_name_of_a_default_run_has_not_changed(configure: Configure) -> None:
    assert not {"optimizer_args", "ema_decay", "vector_length"} & recorded(configure()).keys()


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
