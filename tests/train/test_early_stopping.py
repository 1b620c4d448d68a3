"""A run ends by itself when its validation loss no longer falls, and tells why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ti_core.events import Notice
from ti_core.files.reading import read_embedding
from ti_core.port.session import Conditioning
from ti_core.train.early_stopping import ending, settled
from ti_core.train.events import EndChanged, Finished, Started, StepDone, Validated
from ti_core.train.loop import train
from ti_core.train.run_folder import RunFolder
from ti_core.train.runs import resumable
from ti_core.train.validation_config import ValidationConfig
from ti_core.train.validations import Found

from ..conftest import Configure
from .spoiled import Log, SpoiledHost, StopAfter


def first_stop(losses: list[float], every: int = 1, **changes: Any) -> int | None:
    """The step at which a run with these validations ends."""
    options = ValidationConfig(validate_every_n_steps=every, early_stopping=True, **changes)
    found = [Found(number * every, loss) for number, loss in enumerate(losses)]
    for count in range(1, len(found) + 1):
        if at := settled(found[:count], options):
            return at.step
    return None


def falling(count: int, rest: float = 60.0, noise: float = 0.01) -> list[float]:
    """Losses that fall to a plateau."""
    luck = np.random.default_rng(0).normal(size=count)
    return [0.2 + 0.3 * math.exp(-n / rest) + noise * luck[n] for n in range(count)]


def test_it_ends_where_the_mean_of_the_last_steps_is_as_that_of_those_before() -> None:
    losses = falling(1000)
    expected = next(
        n - 1
        for n in range(400, 1001)
        if np.mean(losses[n - 200 : n]) > 0.997 * np.mean(losses[n - 400 : n - 200])
    )
    assert first_stop(losses) == expected


def test_a_steep_start_does_not_hide_what_is_learned_later() -> None:
    """The loss of a run that was ended at step 220 by DVAR's test, and learned until 1,100."""
    losses = [8.0, *[1.5 - n / 1000 for n in range(400)], *[1.1] * 400]
    found = first_stop(losses)
    assert found is not None
    assert found > 600


@pytest.mark.parametrize("every", [2, 5, 10])
def test_the_window_counts_steps_whatever_the_interval(every: int) -> None:
    losses = falling(1000, noise=0.0)
    whole = first_stop(losses)
    assert whole is not None
    assert first_stop(losses[::every], every) == pytest.approx(whole, abs=3 * every)


@pytest.mark.parametrize(
    ("losses", "why"),
    [
        (falling(150), "it is too short"),
        ([0.5] * 399, "it could still begin to fall"),
        ([0.5 - n / 1000 for n in range(450)], "it still falls"),
        ([], "there are none"),
    ],
)
def test_it_waits_while(losses: list[float], why: str) -> None:
    assert first_stop(losses) is None, why


def test_few_validations_in_a_window_are_not_believed() -> None:
    losses = [0.5, 0.2, *[0.1] * 20]
    assert first_stop(losses, every=100) == 900, "two times four, once the first two are past"


def test_held_out_pictures_decide_where_there_are_some() -> None:
    options = ValidationConfig(validate_every_n_steps=1, early_stopping=True)
    trained = falling(1000, noise=0.0)
    found = [Found(n, loss, 0.5 - n / 2000) for n, loss in enumerate(trained)]
    assert not any(settled(found[:n], options) for n in range(400, 800, 50))
    assert settled([one._replace(held_out=None) for one in found[:800]], options)


def test_without_an_interval_it_validates_four_times_for_a_mean() -> None:
    assert ValidationConfig(early_stopping=True).every == 50
    assert ValidationConfig(early_stopping=True, early_stopping_patience=7).every == 1
    assert ValidationConfig().every == 0


# --- in a run -----------------------------------------------------------------------------------

SHORT = {
    "max_train_steps": 60,
    "validate_every_n_steps": 1,
    "early_stopping": True,
    "early_stopping_patience": 8,
    "overwrite": True,
}


def rests_after(steps: int) -> SpoiledHost:
    """A host on which the validation loss falls for so many steps, and then stays."""
    seen: list[int] = []

    def change(number: int, output: Tensor, _: Conditioning) -> Tensor:
        if torch.is_grad_enabled():
            return output
        seen.append(number)
        return torch.full_like(output, 100.0 * max(0, steps + 1 - len(seen)))

    return SpoiledHost(change)


def test_a_run_ends_early_as_one_that_is_finished(configure: Configure, tmp_path: Path) -> None:
    log = Log()
    path = train(configure(**SHORT), rests_after(10), log)
    finished, notices = log.of(Finished)[0], log.of(Notice)
    assert 10 < finished.step < 30
    assert (finished.reason, read_embedding(path).step) == ("done", finished.step)
    assert notices[-1].what == f"training ended at step {finished.step} of 60"
    assert "the mean validation loss of steps" in notices[-1].why
    assert "`early_stopping`" in notices[-1].fix
    assert list(resumable(tmp_path / "log")) == []


def test_its_file_is_that_of_a_run_of_so_many_steps(configure: Configure) -> None:
    path = train(configure(**SHORT), rests_after(10))
    early = read_embedding(path)
    plain = read_embedding(
        train(configure(overwrite=True, max_train_steps=early.step), rests_after(10))
    )
    assert torch.equal(early.vectors["emb_params"], plain.vectors["emb_params"])
    assert early.metadata["ti.config"] != plain.metadata["ti.config"], "the file tells"


def test_a_run_that_ended_stays_ended_until_it_is_told_to_train_on(configure: Configure) -> None:
    log, again, further = Log(), Log(), Log()
    path = train(configure(**SHORT), rests_after(10), log)
    folder, content = RunFolder(log.of(Started)[0].run_folder), path.read_bytes()
    path.unlink()
    assert train(configure(**SHORT), rests_after(10), again, resume=folder).read_bytes() == content
    assert again.of(StepDone) == again.of(Validated) == []
    assert any("ended at step" in notice.what for notice in again.of(Notice))
    train(configure(**{**SHORT, "early_stopping": False}), rests_after(0), further, resume=folder)
    assert further.steps[-1] == 60


@pytest.mark.parametrize("steps", [3, 9])
def test_a_resumed_run_ends_where_the_whole_one_does(configure: Configure, steps: int) -> None:
    whole, first, second = Log(), Log(), Log()
    expected = train(configure(**SHORT), rests_after(10), whole).read_bytes()
    host = rests_after(10)
    train(configure(**SHORT), host, first, StopAfter(first, steps))
    folder = RunFolder(first.of(Started)[0].run_folder)
    assert train(configure(**SHORT), host, second, resume=folder).read_bytes() == expected
    assert second.steps[-1] == whole.steps[-1]


# --- with a rate that decays --------------------------------------------------------------------

DECAYS = {**SHORT, "lr_scheduler": "linear"}


def test_the_rate_falls_only_when_nothing_more_is_learned(configure: Configure) -> None:
    log = Log()
    train(configure(**DECAYS), rests_after(10), log)
    rates = [done.rate for done in log.of(StepDone)]
    last = log.of(Finished)[0].step
    assert rates[: last - 8] == [0.005] * (last - 8)
    assert rates[last - 8 :] == pytest.approx([0.005 * left / 8 for left in range(8, 0, -1)])
    told = [notice for notice in log.of(Notice) if notice.what.startswith("the learning rate")]
    assert [notice.what for notice in told] == [f"the learning rate falls to 0 by step {last}"]
    assert f"to {last - 8} is" in told[0].why
    assert log.of(EndChanged) == [EndChanged(last - 8, last)]


def test_the_rate_is_at_0_in_time_where_the_loss_falls_to_the_end(configure: Configure) -> None:
    log = Log()
    train(configure(**DECAYS), rests_after(100), log)
    rates = [done.rate for done in log.of(StepDone)]
    assert rates[:52] == [0.005] * 52
    assert rates[52:] == pytest.approx([0.005 * left / 8 for left in range(8, 0, -1)])
    assert log.of(Finished)[0].step == 60
    assert not any("ended at step" in notice.what for notice in log.of(Notice))


@pytest.mark.parametrize("before_the_end", [3, 8, 11])
def test_a_run_resumed_while_the_rate_falls_makes_the_same_file(
    configure: Configure, before_the_end: int
) -> None:
    whole, first, second = Log(), Log(), Log()
    expected = train(configure(**DECAYS), rests_after(10), whole).read_bytes()
    last, host = whole.steps[-1], rests_after(10)
    train(configure(**DECAYS), host, first, StopAfter(first, last - before_the_end))
    folder = RunFolder(first.of(Started)[0].run_folder)
    assert train(configure(**DECAYS), host, second, resume=folder).read_bytes() == expected
    assert second.steps[-1] == last
    known = before_the_end <= 8
    assert second.of(Started)[0].max_steps == (last if known else 60)


def test_what_nan_undoes_is_learned_again_at_a_rate_that_does_not_fall_yet(
    configure: Configure,
) -> None:
    """The last good state is that of the start."""
    whole, log, spoiled = Log(), Log(), rests_after(10)
    train(configure(**DECAYS), rests_after(10), whole)
    last, passes, change = whole.steps[-1], list[int](), spoiled.change
    assert change

    def nan_in_the_decay(number: int, output: Tensor, conditioning: Conditioning) -> Tensor:
        if torch.is_grad_enabled():
            passes.append(number)
            if len(passes) == last - 4:
                return output * float("nan")
        return change(number, output, conditioning)

    spoiled.change = nan_in_the_decay
    train(configure(**DECAYS), spoiled, log)
    end = log.of(Finished)[0].step
    assert [one.max_steps for one in log.of(EndChanged)] == [last, 60, end]
    undone = log.index(log.of(EndChanged)[1])
    rates = [done.rate for done in log[undone:] if isinstance(done, StepDone)]
    assert len(rates) > 8
    assert set(rates[:-8]) == {0.0025}
    assert rates[-8:] == pytest.approx([0.0025 * left / 8 for left in range(8, 0, -1)])


def test_a_run_that_was_told_to_train_on_ends_when_its_loss_rests_again(
    configure: Configure,
) -> None:
    config = configure(**SHORT)
    found = [Found(n, 0.5) for n in range(16)] + [Found(16 + n, 0.5 - n / 100) for n in range(20)]
    assert ending(found, config).fall.end == 15
    assert ending(found, config, 30).fall.end == 60
    rests = [Found(36 + n, 0.3) for n in range(20)]
    assert ending([*found, *rests], config, 30).fall.end == 51
