"""Text encoders may have rates of their own, and one may be left as it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ti_core.errors import ConfigError, ScheduleError
from ti_core.families import FAMILIES
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.learning_config import OptimizerConfig
from ti_core.train.loop import train
from ti_core.train.plan import make_plan

from ..conftest import Configure
from .test_resume import stopped

Rows = dict[str, torch.Tensor]


def rows(path: Path) -> Rows:
    return dict(read_embedding(path).vectors)


@pytest.fixture
def learned(configure: Configure) -> Any:
    """SDXL's vectors after a run with these settings."""

    def run(**changes: Any) -> Rows:
        config = configure(overwrite=True, max_train_steps=30, **changes)
        return rows(train(config, FakeHost(family=FAMILIES["sdxl"])))

    return run


@pytest.fixture
def start(configure: Configure) -> Rows:
    with FakeHost(family=FAMILIES["sdxl"]).session() as session:
        return session.token_embeddings_of("tree")


@pytest.mark.parametrize("optimizer", ["AdamW", "DTI"])
@pytest.mark.parametrize(("left", "trained"), [(1, "clip_g"), (2, "clip_l")])
def test_an_encoder_may_stay_bit_for_bit(
    learned: Any, start: Rows, optimizer: str, left: int, trained: str
) -> None:
    found = learned(
        learning_rate="0.05", optimizer_type=optimizer, **{f"learning_rate_te{left}": "0"}
    )
    (still,) = {"clip_l", "clip_g"} - {trained}
    assert torch.equal(found[still], start[still])
    assert not torch.equal(found[trained], start[trained])


def test_equal_rates_are_one_rate(learned: Any) -> None:
    one, both = (
        learned(learning_rate=rate, learning_rate_te1=own, learning_rate_te2=own)
        for rate, own in [("0.02", ""), ("0.5", "0.02")]
    )
    assert all(torch.equal(one[key], both[key]) for key in one)


def test_each_rate_has_warm_up_and_decay() -> None:
    options = OptimizerConfig(
        learning_rate="1",
        learning_rate_te1="4:10, 2",
        lr_scheduler="linear",
        lr_warmup_steps=4,
        max_train_steps=20,
    )
    for step in (0, 3, 9, 10, 19):
        times = 4 if step < 10 else 2
        assert options.encoder_rate(0, step) == pytest.approx(times * options.rate(step))
        assert options.encoder_rate(1, step) == options.rate(step)


def test_a_resumed_run_gives_the_same_bytes(configure: Configure) -> None:
    changes = {"learning_rate_te1": "0.03", "learning_rate_te2": "0"}
    host = FakeHost(family=FAMILIES["sdxl"])
    folder = stopped(configure(**changes), 4, host)
    resumed = train(configure(**changes), host, resume=folder).read_bytes()
    assert resumed == train(configure(overwrite=True, **changes), host).read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate_te2": "0.1"}, "`learning_rate_te2` cannot be used here"),
        ({"learning_rate_te1": "0"}, "no text encoder is trained"),
    ],
)
def test_a_model_with_one_encoder(
    configure: Configure, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make_plan(configure(**changes), FakeHost())
    assert caught.value.fix


def test_errors_name_the_setting() -> None:
    with pytest.raises(ScheduleError, match="learning_rate_te2"):
        OptimizerConfig(learning_rate_te2="fast")
