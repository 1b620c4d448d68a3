"""The benchmark of early stopping finds the copies that it scores."""

from __future__ import annotations

from pathlib import Path

from benchmarks.stopping import EVERY, Case, settings_of, steps_of, summary
from ti_core.hosts.fake import FakeHost
from ti_core.train.validation_config import ValidationConfig
from ti_core.train.validations import Found


def found(*losses: float) -> list[Found]:
    return [Found(number * EVERY, loss) for number, loss in enumerate(losses)]


def test_a_run_would_end_where_its_loss_no_longer_falls() -> None:
    """The loss rests from step 200 to 550, and falls once more."""
    steps = steps_of(found(9, 5, 4, 3, *[2.0] * 8, 1), ValidationConfig())
    assert steps == {"stop": 550, "best until stop": 200, "best": 600, "last": 600}


def test_a_run_that_still_falls_has_all_its_steps() -> None:
    steps = steps_of(found(*range(20, 0, -1)), ValidationConfig())
    assert set(steps.values()) == {19 * EVERY}


def test_the_whole_preset_is_trained_with_a_copy_at_each_validation(tmp_path: Path) -> None:
    config = settings_of(Case("object", "cat", 3), FakeHost(), tmp_path)
    assert (config.optimizer.max_train_steps, config.compute.seed) == (400, 3)
    assert config.output.save_every_n_steps == config.validation.every == EVERY
    assert not config.validation.early_stopping
    assert config.embedding.init_trial_steps == 16


def test_a_summary_is_the_mean_of_all_lines() -> None:
    names = ("stop", "best until stop", "best", "last")
    lines = [
        {"steps": dict.fromkeys(names, step), "scores": dict.fromkeys(names, score)}
        for step, score in ((100, 0.5), (300, 1.0))
    ]
    assert summary(lines).splitlines()[2] == "| stop | 200 | 75.0 % |"
