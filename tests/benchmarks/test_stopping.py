"""The benchmark of early stopping trains two kinds of runs, and finds what it scores."""

from __future__ import annotations

from pathlib import Path

from benchmarks.stopping import Case, settings_of, summary
from ti_core.hosts.fake import FakeHost


def test_a_whole_run_has_a_copy_wherever_the_other_one_validates(tmp_path: Path) -> None:
    stop, whole = (
        settings_of(Case("object", "cat", 3, kind), FakeHost(), tmp_path, {})
        for kind in ("stop", "whole")
    )
    assert stop.validation.early_stopping
    assert not whole.validation.early_stopping
    assert whole.output.save_every_n_steps == whole.validation.every == stop.validation.every > 0
    assert stop.optimizer == whole.optimizer
    assert stop.embedding.init_trial_steps == 16
    assert stop.output.output_dir != whole.output.output_dir


def test_settings_can_be_changed_for_both(tmp_path: Path) -> None:
    for kind in ("stop", "whole"):
        case = Case("object", "cat", 3, kind)
        config = settings_of(case, FakeHost(), tmp_path, {"max_train_steps": 7})
        assert (config.optimizer.max_train_steps, config.compute.seed) == (7, 3)


def test_a_summary_is_the_mean_of_all_lines() -> None:
    lines = [
        {"steps": {"stop": step}, "scores": {"stop": score}}
        for step, score in ((100, 0.5), (300, 1.0))
    ]
    assert summary(lines).splitlines()[2:] == ["| stop | 2 | 200 | 75.0 % |"]
