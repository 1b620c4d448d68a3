"""The progress bar of `ti train`."""

from __future__ import annotations

import sys

import pytest

from ti_core.cli.progress import TrainingBar
from ti_core.train.events import EndChanged, StepDone

pytest.importorskip("tqdm")


def test_the_bar_counts_to_the_step_at_which_the_run_will_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with TrainingBar() as progress:
        progress.open_bar(800, "step")
        progress(StepDone(20, 0, 20, 0.5, 0.1, 1.0))
        progress(EndChanged(20, 40))
        assert progress.bar is not None
        assert progress.bar.n == 20
    assert "20/40" in capsys.readouterr().err


def test_without_a_terminal_there_is_none_to_change() -> None:
    progress = TrainingBar()
    progress.open_bar(800, "step")
    progress(EndChanged(20, 40))
    assert progress.bar is None
