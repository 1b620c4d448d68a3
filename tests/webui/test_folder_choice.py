"""Folders that are offered while one is being written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ti_core.options import to_dict
from ti_core.train.config import TrainConfig
from ti_core.train.run_folder import RunFolder
from ti_webui.folder_choice import folders_like, recent_folders
from ti_webui.studio import Studio
from ti_webui.tabs.train_pictures import Pictures


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for name in ("cats", "Cattle", "dogs", ".cache"):
        (home / name).mkdir(parents=True)
    (home / "catalogue.txt").write_text("not a folder")
    return home


def names(found: list[Path]) -> list[str]:
    return [path.name for path in found]


def test_folders_that_begin_so_are_offered(studio: Studio, home: Path) -> None:
    assert names(folders_like(studio, f"{home}/ca")) == ["cats", "Cattle"]
    assert names(folders_like(studio, f"{home}/CATT")) == ["Cattle"]
    assert names(folders_like(studio, f"{home}/x")) == []
    assert names(folders_like(studio, f"{home}/.c")) == [".cache"]


def test_those_in_a_folder_are_offered_until_more_is_written(studio: Studio, home: Path) -> None:
    assert names(folders_like(studio, str(home))) == ["cats", "Cattle", "dogs"]
    assert folders_like(studio, f"{home}/")[0] == home / "cats"


@pytest.mark.parametrize("text", ["", " ", ".", "\0", "file:images", "nowhere/at/all"])
def test_what_is_not_a_path_offers_nothing(studio: Studio, text: str) -> None:
    assert folders_like(studio, text) == []


def test_a_page_for_others_offers_what_it_may_open(
    studio: Studio, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret" / "inner").mkdir(parents=True)
    (home / "way-out").symlink_to(tmp_path / "secret")
    limited = replace(studio, dataset_roots=lambda: (home,))
    assert names(folders_like(limited, f"{home}/")) == ["cats", "Cattle", "dogs"]
    for outside in (f"{tmp_path}/", f"{tmp_path}/sec", f"{tmp_path}/secret", f"{home}/way-out"):
        assert folders_like(limited, outside) == []


def begun(studio: Studio, name: str, configure: Callable[..., TrainConfig], folder: Path) -> None:
    config = configure(token_string=name, train_data_dir=str(folder))
    path = Path(studio.settings().logging_dir) / "2026-01-01" / name
    run = RunFolder(path)
    run.path.mkdir(parents=True)
    run.write_settings({"train": to_dict(config), "started": "2026-01-01"})


def test_folders_of_the_last_trainings_are_remembered(
    studio: Studio, home: Path, configure: Callable[..., TrainConfig]
) -> None:
    for name, folder in (("a", "cats"), ("b", "cats"), ("c", "dogs"), ("d", "deleted")):
        begun(studio, name, configure, home / folder)
    assert sorted(names(recent_folders(studio))) == ["cats", "dogs"]
    assert "cats" in Pictures(studio).folders("")


def test_a_folder_without_images_says_which_are_meant(studio: Studio, home: Path) -> None:
    said, _ = Pictures(studio).show(f"{home}/ca")
    assert "there is no folder" in said
    assert f'data-path="{home}/cats"' in said
    assert Pictures(studio).folders(f"{home}/nothing") == ""
