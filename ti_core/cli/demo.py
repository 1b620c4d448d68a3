"""`ti demo`: the bundled model learns a word while you watch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..options import make_config
from .options import OptionParser
from .standalone import DEMO, ModelConfig, open_host
from .telling import answer, remark

_ABOUT = """Try textual inversion without a graphics card or a download: a small bundled model
learns a concept that it has no word for, from five images."""


def run(argv: Sequence[str]) -> int:
    """Run the demonstration; returns the exit code."""
    from ..demo.job import DemoConfig, run_demo
    from ..train.control import Control
    from .interrupt import stop_on_signals
    from .progress import TrainingBar

    parser = OptionParser("ti demo", _ABOUT, DemoConfig)
    config = make_config(DemoConfig, parser.read(argv))
    host = open_host(ModelConfig(DEMO))
    control = Control()
    with stop_on_signals(control.finish) as stop, TrainingBar() as progress:
        report = run_demo(config, host, progress, control, remark)
    if report is None:
        return 128 + (stop.signal or 0)
    if report.score_before is not None and report.score_after is not None:
        answer(
            f"concept score of '{report.concept}': {report.score_before:.0%} before, "
            f"{report.score_after:.0%} after {report.steps} steps, {report.seconds:.0f} s in all"
        )
    folder = Path(config.out)
    for name in (report.embedding, "sheet.png", "loss.png", "report.html", "report.json"):
        answer(folder / name)
    return 0
