"""Notes of an embedding, where A1111's Extra Networks has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from ti_core.errors import ConfigError, FileError
from ti_core.files.embedding import LICENCE, Embedding
from ti_core.files.label import Label
from ti_core.files.labelling import read_label, set_preview, write_label
from ti_core.files.sidecars import our_sidecars, write_notes, write_preview


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of which only the name matters here."""
    return tmp_path / "my.cat.safetensors"


def told(path: Path) -> object:
    return json.loads((path.parent / "my.cat.json").read_bytes())


def test_what_is_given_is_written_under_a1111_s_keys(path: Path) -> None:
    write_label(path, Label("a ginger cat", "best at 0.7", "my.cat", "CC0"))
    assert told(path) == {
        "description": "a ginger cat",
        "notes": "best at 0.7",
        "activation text": "my.cat",
        "license": "CC0",
    }
    assert read_label(path) == Label("a ginger cat", "best at 0.7", "my.cat", "CC0")


def test_everything_else_in_the_file_stays(path: Path) -> None:
    other = {"sd version": "SD1", "notes": "old", "preferred weight": 0.5, "civitai": {"id": [1]}}
    path.with_suffix(".json").write_text(json.dumps(other))
    write_label(path, Label(notes="größer"))
    assert told(path) == {**other, "notes": "größer"}
    write_label(path, Label(notes=""))
    assert told(path) == {**other, "notes": ""}


def test_notes_of_ours_become_the_user_s_own(path: Path) -> None:
    made = Embedding("my.cat", {"emb_params": torch.ones(1, 768)}, 5)
    write_notes(path, made)
    write_label(path, Label(notes="mine"))
    assert our_sidecars(path) == []
    assert not write_notes(path, made)
    assert read_label(path).notes == "mine"
    assert read_label(path).trigger == "my.cat"


def test_the_licence_of_the_file_is_shown_until_there_is_another(path: Path) -> None:
    assert read_label(path, {LICENCE: "MIT"}).license == "MIT"
    write_label(path, Label(license="CC0"))
    assert read_label(path, {LICENCE: "MIT"}).license == "CC0"


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff\xfe{", b"[" * 100_000])
def test_notes_that_cannot_be_kept_are_not_replaced(path: Path, content: bytes) -> None:
    path.with_suffix(".json").write_bytes(content)
    for work in (lambda: read_label(path), lambda: write_label(path, Label(notes="x"))):
        with pytest.raises(FileError, match=r"cannot read my\.cat\.json"):
            work()
    assert path.with_suffix(".json").read_bytes() == content


def test_strange_values_of_other_programs_are_shown_as_nothing(path: Path) -> None:
    path.with_suffix(".json").write_text(json.dumps({"notes": 5, "description": "a\x01b"}))
    assert read_label(path).notes == ""
    assert read_label(path).description == "ab"


@pytest.mark.parametrize("text", ["x" * 10_001, "a\0b"])
def test_a_text_that_no_file_should_have_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"at most|control characters"):
        Label(notes=text)


def test_a_preview_of_ours_is_replaced_and_the_user_s_own_is_kept(path: Path) -> None:
    write_preview(path, Image.new("RGB", (8, 8)))
    shown = set_preview(path, Image.new("RGB", (8, 8), "red"), "a cat\nSteps: 20")
    with Image.open(shown) as picture:
        assert picture.info["parameters"] == "a cat\nSteps: 20"
        assert picture.getpixel((0, 0)) == (255, 0, 0)
    assert [each.name for each in path.parent.iterdir()] == ["my.cat.preview.png"]
    own = shown.read_bytes()
    set_preview(path, Image.new("RGB", (8, 8), "blue"))
    assert path.with_name("my.cat.preview.png.before-1").read_bytes() == own
