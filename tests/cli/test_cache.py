"""`ti cache` tells what is kept, and removes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ti_core.cli.main import main
from ti_core.cli.progress import TrainingBar
from ti_core.data.latent_cache.config import CacheConfig, default_folder
from ti_core.train.events import Encoding


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of 3 MB, and a file of the user's in it."""
    folder = tmp_path / "vae-0123456789abcdef"
    folder.mkdir()
    (folder / "0123456789abcdef.safetensors").write_bytes(b"x" * 2_000_000)
    (folder / "mine.txt").write_bytes(b"mine")
    (tmp_path / "pictures-0123456789abcdef.index").write_bytes(b"x" * 1_000_000)
    return tmp_path


def test_it_tells_the_space(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--latent_cache_dir", str(cache)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "pictures 1.0 MB",
        "vae-0123456789abcdef 2.0 MB",
        f"{cache}: 3.0 MB",
    ]


def test_clearing_leaves_what_is_the_user_s(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "--latent_cache_dir", str(cache), "--clear"]) == 0
    assert capsys.readouterr().out == f"{cache}: 3.0 MB removed\n"
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["mine.txt"]


def test_no_cache_is_nothing_to_worry_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert main(["cache"]) == 0
    assert "0.0 MB" in capsys.readouterr().out


def test_without_an_option_it_is_the_folder_that_training_uses(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert CacheConfig().folder == default_folder()
    assert default_folder().parent.parent == cache
    main(["cache"])
    assert str(default_folder()) in capsys.readouterr().out


def test_encoding_is_shown_as_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TrainingBar()
    progress(Encoding(3, 10_000))
    assert "encoding images: 3 of 10000" in capsys.readouterr().err
