"""A `ti` that works on the fake host, so that a command takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ti_core.cli.main import main
from ti_core.hosts.fake import FakeHost

_OPENING = (
    *("compare", "create", "from_text", "generate", "hypernetwork", "inspect", "merge", "scale"),
    *("sweep", "train"),
)
"""Commands that open a model."""


@pytest.fixture
def fake_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHost:
    """Whatever model is asked for, the fake host is opened; the working directory is empty."""
    host = FakeHost(tmp_path / "embeddings")
    for name in _OPENING:
        monkeypatch.setattr(f"ti_core.cli.{name}.open_host", lambda config: host)
    monkeypatch.chdir(tmp_path)
    return host


@pytest.fixture
def ti(
    fake_host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `ti …` in this process: (exit code, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run
