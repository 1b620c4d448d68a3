"""Library: names, notes, pictures and the bin."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ti_core.errors import ConfigError, EmbeddingError, FileError
from ti_core.files.bin import BIN
from ti_core.hosts.fake import FakeHost
from ti_core.train.loop import train
from ti_webui.studio import Studio
from ti_webui.tabs.library import LibraryPage
from ti_webui.tabs.library_files import FilesPage, _once

from ..conftest import Configure
from .test_library import value, write


class Click:
    """What gradio tells of a picture that was clicked."""

    def __init__(self, index: int) -> None:
        self.index = index


@pytest.fixture
def folder(tmp_path: Path, host: FakeHost) -> Path:
    """Two embeddings that fit the model, and one that does not."""
    made = tmp_path / "embeddings"
    for number, (name, width, size) in enumerate(
        (("calm", 12, 1), ("loud", 12, 20), ("big", 768, 1))
    ):
        write(made, name, width=width, size=size)
        os.utime(made / f"{name}.safetensors", (1e9 + number, 1e9 + number))
    return made


@pytest.fixture
def page(studio: Studio, folder: Path) -> FilesPage:
    whole = LibraryPage(studio)
    whole.press_refresh()
    return FilesPage(studio, whole.collection)


def test_an_embedding_is_renamed_and_chosen_under_its_new_name(
    page: FilesPage, folder: Path
) -> None:
    said, label, chosen, *_ = page.press_rename("calm", " still ")
    assert "calm is called still now" in said
    assert (label, value(chosen), "calm" in chosen["choices"]) == ("still", "still", False)
    assert sorted(path.name for path in folder.glob("*.safetensors")) == [
        "big.safetensors", "loud.safetensors", "still.safetensors",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="exists already"):
        page.press_rename("still", "loud")


def test_what_is_typed_while_it_is_renamed_stays(page: FilesPage) -> None:
    choose = _once(page.press_choose, 9)
    filled, *fields = choose("calm", "loud")
    assert (filled, fields[0]) == ("calm", "calm")
    _, label, *_ = page.press_rename("calm", "still")
    filled, *fields = choose("still", label)
    assert (filled, [each.keys() & {"value"} for each in fields]) == ("still", [set()] * 9)


def test_deleting_asks_once_and_can_be_undone(page: FilesPage, folder: Path) -> None:
    data = (folder / "calm.safetensors").read_bytes()
    _, question, *buttons = page.press_ask("calm")
    assert (
        "Move calm and all its files to the bin?" in value(question)
        if isinstance(question, dict)
        else question
    )
    assert [each["visible"] for each in buttons] == [True, True]
    assert (folder / "calm.safetensors").exists()
    said, chosen, *_, last = page.press_delete("calm")
    assert "calm.safetensors is in the bin" in said
    assert (chosen["value"], last["visible"]) == (None, False)
    assert not (folder / "calm.safetensors").exists()
    said, chosen, *_ = page.press_undo()
    assert "calm.safetensors is back" in said
    assert chosen["value"] == "calm"
    assert (folder / "calm.safetensors").read_bytes() == data
    assert not (folder / BIN).exists()


def test_one_of_the_bin_can_be_chosen(page: FilesPage, studio: Studio, folder: Path) -> None:
    page.press_delete("calm")
    page.press_delete("loud")
    library = LibraryPage(studio)
    labels = library.press_refresh()[4]["choices"]
    assert len(labels) == 2
    (calm,) = (label for label in labels if label.startswith("calm"))
    said, _ = library.press_restore(calm)
    assert "calm.safetensors is back" in said
    assert not (folder / "loud.safetensors").exists()


def test_notes_are_shown_and_written(page: FilesPage, folder: Path) -> None:
    notes = folder / "calm.json"
    notes.write_text(json.dumps({"notes": "old", "sd version": "SD1"}))
    assert page.press_choose("calm")[:5] == ["calm", "", "old", "", ""]
    said = page.press_note("calm", "a", "b", "c", "d")
    assert "noted in calm.json" in said
    assert json.loads(notes.read_text()) == {
        "notes": "b",
        "sd version": "SD1",
        "description": "a",
        "activation text": "c",
        "license": "d",
    }
    notes.write_text("[]")
    with pytest.raises(FileError, match=r"cannot read calm\.json"):
        page.press_note("calm", "a", "b", "c", "d")


def test_a_preview_is_chosen_from_the_pictures_of_a_run(
    page: FilesPage, studio: Studio, host: FakeHost, configure: Configure
) -> None:
    logs = str(studio.logging_dirs()[0])
    train(configure(max_train_steps=2, sample_every_n_steps=1, logging_dir=logs), host)
    page.collection.refresh()
    said, shown = page.press_pictures("zz-thing")
    assert "choose one" in said
    assert shown["visible"]
    click: Any = Click(0)
    assert "zz-thing.preview.png is this image now" in page.press_picture("zz-thing", click)
    preview = page.collection.find("zz-thing").path.with_suffix(".preview.png")
    with Image.open(preview) as picture:
        assert "Steps: " in picture.info["parameters"]
    far: Any = Click(99)
    assert "not there any more" in page.press_picture("zz-thing", far)
    assert "no run of loud" in page.press_pictures("loud")[0]


def test_training_further_fills_in_the_form_with_the_embedding_itself(page: FilesPage) -> None:
    said, settings = page.press_further("calm")
    assert "Train continues calm at step 500" in said
    assert settings == {"token_string": "calm", "max_train_steps": 1500}


@pytest.mark.parametrize("press", ["press_ask", "press_delete", "press_pictures", "press_further"])
def test_nothing_chosen_is_an_error(page: FilesPage, press: str) -> None:
    with pytest.raises(EmbeddingError, match="no embedding is chosen"):
        getattr(page, press)("")


@pytest.mark.parametrize(
    ("order", "show", "labels"),
    [
        ("Name", "All", ["big", "calm", "loud"]),
        ("Date", "All", ["big", "loud", "calm"]),
        ("Strength", "All", ["loud", "calm", "big"]),
        ("Family", "All", ["calm", "loud", "big"]),
        ("Name", "For this model", ["calm", "loud"]),
        ("Name", "For other models", ["big"]),
    ],
)
def test_cards_are_sorted_and_filtered(
    page: FilesPage, studio: Studio, order: str, show: str, labels: list[str]
) -> None:
    library = LibraryPage(studio)
    library.press_measure("")
    cards = library.press_refresh("", order, show)[0]
    assert [label for _, label in value(cards)] == labels


def test_what_a_file_tells_is_in_words(studio: Studio, folder: Path, page: FilesPage) -> None:
    made = {"tool": None, "init_word": "<b>cat", "resolution": [512, 768], "learning_rate": "0.005"}
    write(folder, "told", about={"modelspec.license": "CC0", "ti.config": json.dumps(made)})
    library = LibraryPage(studio)
    library.press_refresh()
    html = library.press_choose("told")[0]
    assert "licence" in html
    assert "initialization text" in html
    assert "512 × 768" in html
    assert "&lt;b&gt;cat" in html
