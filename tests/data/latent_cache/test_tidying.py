"""The cache folder stays within bounds, and nothing of others is touched."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ti_core.data.latent_cache.tidying import clear, tidy

VAE = "vae-0123456789abcdef"
HOUR = 3600.0


def put(path: Path, size: int = 100, hours: float = 0.0) -> Path:
    """A file of this size, last used so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - hours * HOUR
    os.utime(path, (then, then))
    return path


def portion(cache: Path, number: int, **how: float) -> Path:
    return put(cache / VAE / f"{number:016x}.safetensors", **how)  # type: ignore[arg-type]


def test_the_least_recently_used_go_first_until_the_rest_fits(tmp_path: Path) -> None:
    paths = [portion(tmp_path, number, hours=10 + number) for number in range(5)]
    assert tidy(tmp_path, 250) == 200
    assert [path.exists() for path in paths] == [True, True, False, False, False]


def test_within_the_bounds_nothing_goes(tmp_path: Path) -> None:
    paths = [portion(tmp_path, number, hours=9999) for number in range(3)]
    assert tidy(tmp_path, 300) == 300
    assert all(path.exists() for path in paths)


def test_what_a_run_may_be_using_stays(tmp_path: Path) -> None:
    used, unused = portion(tmp_path, 0, hours=1), portion(tmp_path, 1, hours=3)
    assert tidy(tmp_path, 0) == 100
    assert used.exists()
    assert not unused.exists()


def test_leftovers_of_killed_writes_go_after_an_hour(tmp_path: Path) -> None:
    left = [
        tmp_path / VAE / ".0123456789abcdef.safetensors.abcd_123",
        tmp_path / ".pictures-0123456789abcdef.index.x1y2z3_4",
    ]
    for path in left:
        put(path, hours=2)
    fresh = put(tmp_path / VAE / ".0123456789abcdef.safetensors.abcd_999", hours=0.5)
    tidy(tmp_path, 10**9)
    assert not any(path.exists() for path in left)
    assert fresh.exists()


STRANGERS = (
    "model.safetensors",
    "0123456789abcdef.safetensors",
    "notes/0123456789abcdef.safetensors",
    f"{VAE}/model.safetensors",
    f"{VAE}/.hidden.abcdefgh",
    f"{VAE}/deeper/0123456789abcdef.safetensors",
    "pictures.index",
    ".model.safetensors.abcdefgh",
)


@pytest.mark.parametrize("work", [lambda cache: tidy(cache, 0), clear])
def test_files_of_others_are_never_touched(tmp_path: Path, work: object) -> None:
    for name in STRANGERS:
        put(tmp_path / name, hours=9999)
    work(tmp_path)  # type: ignore[operator]
    assert all((tmp_path / name).exists() for name in STRANGERS)


def test_links_are_not_followed(tmp_path: Path) -> None:
    mine = portion(tmp_path / "elsewhere", 1, hours=9999)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / VAE).symlink_to(mine.parent)
    tidy(tmp_path / "cache", 0)
    clear(tmp_path / "cache")
    assert mine.exists()


def test_clearing_leaves_nothing_of_the_cache(tmp_path: Path) -> None:
    portion(tmp_path, 1, hours=0)
    put(tmp_path / "pictures-0123456789abcdef.index")
    put(tmp_path / VAE / ".0123456789abcdef.safetensors.abcd_123")
    assert clear(tmp_path) == 300
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_not_there_takes_no_space(tmp_path: Path) -> None:
    assert tidy(tmp_path / "none", 10) == 0
    assert clear(tmp_path / "none") == 0
