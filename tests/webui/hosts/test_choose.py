"""Which web UI is around, and its door, with the stand-in for both."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import HostError
from ti_webui.hosts.choose import current_host

from ..program import STAND_IN, start

ROOT = Path(__file__).parents[3]
FORGE = ("backend", "backend.diffusion_engine")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of modules that are to be found, whatever is there."""
    start()
    names: set[str] = set()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in names else None)
    return names


def test_outside_of_a_web_ui_there_is_no_host(found: set[str]) -> None:
    with pytest.raises(HostError, match="no web UI"):
        current_host()


def test_a_web_ui_of_another_kind_is_refused(found: set[str]) -> None:
    found.add("modules")
    with pytest.raises(HostError, match="cannot lend"):
        current_host()


@pytest.mark.parametrize(
    ("there", "name"),
    [
        (["modules", "modules.sd_hijack_clip"], "AUTOMATIC1111"),
        (["modules", "modules.sd_hijack_clip", *FORGE, "backend.diffusion_engine.sd20"], "Forge"),
        (["modules", *FORGE], "Forge Neo"),
        (
            ["modules", "modules.sd_hijack_clip", "ldm_patched", "modules_forge.forge_loader"],
            "reForge",
        ),
    ],
)
def test_web_uis_are_known_by_what_they_have(found: set[str], there: Any, name: str) -> None:
    """Forge has a husk of every file of A1111's, and reForge has most of them whole."""
    found.update(there)
    assert current_host().name == name


def test_install_py_is_silent_and_installs_nothing_where_nothing_is_missing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("install", ROOT / "install.py")
    assert spec is not None
    assert spec.loader is not None
    install = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(install)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "version_info", (3, 10))
    assert install.is_missing()
    monkeypatch.setattr(sys, "version_info", (3, 11))
    assert not install.is_missing()
    assert capfd.readouterr() == ("", "")


def test_the_stand_in_is_not_mistaken_for_a_package_of_ours() -> None:
    assert (STAND_IN / "modules").is_dir()
    assert not (ROOT / "modules").exists()
