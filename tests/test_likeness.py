"""A hint is given where it helps, and nowhere else."""

from __future__ import annotations

import pytest

from ti_core.cli.train import parser
from ti_core.likeness import closest, slips
from ti_core.train.presets import PRESETS

OPTIONS = [n for action in parser()._actions for n in action.option_strings if n[:2] == "--"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lerning_rate", "--learning_rate"),
        ("--token_sting", "--token_string"),
        ("--max_train_step", "--max_train_steps"),
        ("--save_every_steps", "--save_every_n_steps"),
        ("--mixed_precison", "--mixed_precision"),
        ("--train_data_dri", "--train_data_dir"),
        ("--batch_size", "--train_batch_size"),
        ("--max_steps", "--max_train_steps"),
        ("--Seed", "--seed"),
        ("--see", "--seed"),
    ],
)
def test_a_slip_is_told(typed: str, meant: str) -> None:
    assert closest(typed, OPTIONS) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "--lowram",
        "--xformers",
        "--max_data_loader_n_workers",
        "--network_dim",
        "--network_module",
        "--text_encoder_lr",
        "--unet_lr",
        "--beta",
        "--wild",
        "--" + "x" * 5000,
    ],
)
def test_another_thing_gets_no_hint(typed: str) -> None:
    assert closest(typed, OPTIONS) == ""


@pytest.mark.parametrize(
    ("typed", "meant"), [("objekt", "object"), ("fase", "face"), ("sytle", "style"), ("cat", "")]
)
def test_short_names_forgive_one_slip(typed: str, meant: str) -> None:
    assert closest(typed, list(PRESETS)) == meant


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "", 0), ("abc", "", 3), ("abc", "acb", 1), ("abc", "abd", 1), ("kitten", "sitting", 3)],
)
def test_slips_are_counted(one: str, other: str, count: int) -> None:
    assert slips(one, other) == slips(other, one) == count
