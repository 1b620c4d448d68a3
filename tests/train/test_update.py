"""One update, and the way back from NaN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from ti_core.errors import NotFiniteError
from ti_core.train.batches import Batches, encode_pictures
from ti_core.train.config import TrainConfig
from ti_core.train.learnable import Learnable
from ti_core.train.plan import make_plan
from ti_core.train.update import Updater

from ..conftest import Configure
from .spoiled import Change, SpoiledHost


@contextmanager
def updating(
    config: TrainConfig, change: Change | None = None
) -> Iterator[tuple[Updater, Batches, Learnable]]:
    host = SpoiledHost(change)
    plan = make_plan(config, host)
    with host.session() as session:
        batches = Batches(plan, encode_pictures(plan, session))
        learnable, _ = plan.kind.start(plan.facts, session, None)
        yield Updater(plan, session, learnable), batches, learnable


def test_clipping_acts_on_unscaled_gradients(configure: Configure) -> None:
    """With a tiny limit the direction of Adam's first step stays; with scaling it would too,
    so the gradient itself is looked at."""
    seen = []
    for precision in ("no", "fp16"):
        config = configure(mixed_precision=precision, clip_grad_mode="value", clip_grad_value="1")
        with updating(config) as (updater, batches, learnable):
            updater.update(batches)
        gradient = learnable.tensors["clip_l"].grad
        assert gradient is not None
        assert gradient.abs().max() < 1, "the true gradient is below the limit"
        seen.append(gradient.clone())
    assert torch.allclose(seen[0], seen[1], rtol=1e-4)


@pytest.mark.parametrize("precision", ["no", "fp16"])
def test_an_update_that_is_not_finite_changes_nothing_but_the_scale(
    configure: Configure, precision: str
) -> None:
    config = configure(mixed_precision=precision)
    with updating(config, lambda number, output, _: output * float("nan")) as parts:
        updater, batches, _ = parts
        before = updater.state()
        assert updater.update(batches) is None
        after = updater.state()
    assert torch.equal(before.tensors["clip_l"], after.tensors["clip_l"])
    assert (after.step, after.moments, after.loss_scale) == (0, {}, 1.0)


def test_a_state_holds_all_that_later_updates_depend_on(configure: Configure) -> None:
    with updating(configure(learning_rate="0.05")) as (updater, batches, learnable):
        first = updater.state()
        losses = [updater.update(batches) for _ in range(4)]
        values = learnable.tensors["clip_l"].tolist()
        updater.restore(first)
        assert [updater.update(batches) for _ in range(4)] == losses
        assert learnable.tensors["clip_l"].tolist() == values


def test_going_back_halves_the_rate_each_time_and_thrice_at_most(configure: Configure) -> None:
    with updating(configure(learning_rate="0.08")) as (updater, batches, _):
        good, rates = updater.state(), []
        for _ in range(3):
            updater.recover(good)
            made = updater.update(batches)
            assert made is not None
            rates.append(made.rate)
        assert rates == pytest.approx([0.04, 0.02, 0.01])
        with pytest.raises(NotFiniteError, match="at step 2"):
            updater.recover(good)
