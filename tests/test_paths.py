"""An empty path is never the folder in which the program runs; one rule for every surface."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from ti_core.data.config import DataConfig
from ti_core.data.folders import folders_of
from ti_core.errors import ConfigError
from ti_core.options import about, leaves, owner
from ti_core.paths import given_path, settled_path

ROOT = Path(__file__).parents[1]
_A_PATH = re.compile(r"(_dirs?|_file|_config|_embeddings)$|^(out|outdir|picture|second|resume)$")
_NEEDED: dict[str, Any] = {"token_string": "zz", "prompt": "x"}


def configs() -> Iterator[type]:
    """Every config class, of every module that can be imported here."""
    seen = set[type]()
    for name in _modules():
        for kind in vars(importlib.import_module(name)).values():
            if isinstance(kind, type) and is_dataclass(kind) and kind not in seen:
                seen.add(kind)
                if any("option" in item.metadata for item in fields(kind)):
                    yield kind


def _modules() -> Iterator[str]:
    """Those that describe settings."""
    for package in ("ti_core", "ti_webui"):
        for path in (ROOT / package).rglob("*.py"):
            if "label=" in path.read_text("utf-8") and "tabs" not in path.parts:
                yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


def settings() -> list[tuple[type, str]]:
    """(class, setting) of everything that names a path, or looks as if it did."""
    found = []
    for kind in configs():
        for path, item in leaves(kind):
            looks = _A_PATH.search(item.name) and item.type in ("str", "tuple[str, ...]")
            if len(path) == 1 and (about(item).path or looks) and about(item).path != "text file":
                found.append((owner(kind, path), item.name))
    return sorted(set(found), key=lambda pair: (pair[0].__name__, pair[1]))


@pytest.mark.parametrize(
    ("kind", "name"), settings(), ids=lambda value: getattr(value, "__name__", value)
)
@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_blank_is_not_given_or_an_error(kind: type, name: str, blank: str) -> None:
    item = kind.__dataclass_fields__[name]  # type: ignore[attr-defined]
    assert about(item).path
    value: object = (blank,) if item.default == () else blank
    needed = {key: value for key, value in _NEEDED.items() if key in kind.__dataclass_fields__}  # type: ignore[attr-defined]
    if item.default in ("", None, MISSING):
        assert getattr(kind(**needed, **{name: value}), name) == ""
    else:
        with pytest.raises(ConfigError, match=f"`{name}` is empty"):
            kind(**needed, **{name: value})


def test_there_are_many_of_them() -> None:
    assert len(settings()) > 20


def test_a_dataset_needs_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "screenshot.png").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for blank in ("", "  "):
        with pytest.raises(ConfigError, match="`train_data_dir` is empty"):
            folders_of(DataConfig(train_data_dir=blank))
    assert folders_of(DataConfig(train_data_dir=".")).folders[0].path == Path()


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_dataset_file_names_its_folders(
    blank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "set.toml"
    file.write_text(f'[[datasets]]\n[[datasets.subsets]]\nimage_dir = "{blank}"\n')
    with pytest.raises(ConfigError, match="image_dir is empty"):
        folders_of(DataConfig(dataset_config=str(file)))


def test_a_tilde_is_the_users_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("USERPROFILE", "/home/somebody")
    assert DataConfig(train_data_dir="~/cats").train_data_dir == "/home/somebody/cats"
    assert given_path("~", "x") == Path("/home/somebody")
    assert settled_path("cats~1", "x") == "cats~1"


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_file_can_be_called_is_refused(text: str) -> None:
    if os.name == "nt" and text == "\ud800":
        pytest.skip("Windows can")
    with pytest.raises(ConfigError):
        DataConfig(train_data_dir=text)
