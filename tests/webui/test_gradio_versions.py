"""The panel is the same in every program's gradio: A1111's, Forge's (`-m slow`), and the newest."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .gradio_environments import NEWEST, ROOT, python_with, versions

TABS = ("ti_tab_create", "ti_tab_data", "ti_tab_train", "ti_tab_compare", "ti_tab_library")
_built: dict[str, dict[str, Any]] = {}


def built(version: str, folder: Path) -> dict[str, Any]:
    """The panel under this version, built once."""
    if version not in _built:
        command = [str(python_with(version)), "-m", "tests.webui.build_panel", str(folder)]
        settings = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=settings
        )
        assert done.returncode == 0, done.stderr[-4000:]
        _built[version] = json.loads(done.stdout.splitlines()[-1])
    return _built[version]


@pytest.mark.parametrize("version", versions("3.41.2", NEWEST))
def test_the_panel_is_built_without_a_complaint(version: str, tmp_path: Path) -> None:
    panel = built(version, tmp_path)
    assert version in (panel["gradio"], NEWEST)
    ids = {component["id"] for component in panel["components"]}
    assert set(TABS) <= ids
    assert panel["complaints"] == []
    assert panel["events"] > 40


@pytest.mark.parametrize("version", versions("3.41.2")[:-1])
def test_every_version_has_the_same_fields(version: str, tmp_path: Path) -> None:
    old, new = built(version, tmp_path), built(NEWEST, tmp_path)
    for what in ("id", "label"):
        of_old, of_new = (
            sorted(filter(None, map(_get(what), p["components"]))) for p in (old, new)
        )
        assert of_old == of_new
    assert old["events"] == new["events"]


@pytest.mark.parametrize("version", versions("3.41.2", NEWEST))
def test_every_version_shows_the_same_entries(version: str, tmp_path: Path) -> None:
    here, newest = (
        {each["id"]: each for each in built(v, tmp_path)["components"] if each["choices"]}
        for v in (version, NEWEST)
    )
    assert len(here) > 8
    for name, shown in here.items():
        assert shown["choices"] == newest[name]["choices"]
        if shown["type"] == "dropdown" and shown["value"]:
            assert shown["value"] in shown["choices"]


def _get(what: str) -> Any:
    return lambda component: component[what]


def test_names_in_the_page_are_given_once(tmp_path: Path) -> None:
    ids = [c["id"] for c in built(NEWEST, tmp_path)["components"] if c["id"]]
    assert sorted(set(ids)) == sorted(ids)


def test_the_newest_is_one_of_today(tmp_path: Path) -> None:
    assert int(built(NEWEST, tmp_path)["gradio"].split(".")[0]) >= 6
