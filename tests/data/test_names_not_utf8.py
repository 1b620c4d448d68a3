"""Names of files that are not UTF-8, as zip files of older Windows leave them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from ti_core.data.caption_editor import CaptionEditor
from ti_core.data.captions import file_words, read_caption, readable
from ti_core.data.config import DataConfig
from ti_core.data.dataset import load_dataset
from ti_core.data.dataset_file import read_dataset_file
from ti_core.train.run_folder import RunFolder

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
CAFE = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (CAFE, "café"),
        (os.fsdecode("猫 ".encode() + b"\x80 5"), "猫 € 5"),
        ("\ud83d half", "\ufffd half"),
        ("猫", "猫"),
    ],
)
def test_a_name_can_always_be_read(name: str, text: str) -> None:
    assert readable(name) == text


def test_words_of_such_names_are_text(tmp_path: Path) -> None:
    assert file_words(f"001-{CAFE} au lait", r"\w+", "+") == "café+au+lait"
    assert read_caption(tmp_path / "a.png", words=CAFE).text == "café"
    folder = tmp_path / f"3_zz-cat {CAFE}"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / f"{CAFE}.png")
    dataset = load_dataset(DataConfig(train_data_dir=str(tmp_path)), "zz-cat", 64)
    assert dataset.prompt(0, "zz-cat", 0, 0, 0) == "zz-cat café"
    assert CaptionEditor(folder).entries()[0].text == "café"


def test_half_a_letter_in_a_json_dataset_file_becomes_a_whole_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    table = {"datasets": [{"subsets": [{"image_dir": "one", "class_tokens": "\ud800 cat"}]}]}
    (tmp_path / "d.json").write_text(json.dumps(table))
    (only,) = read_dataset_file(tmp_path / "d.json", DataConfig()).folders
    assert only.words == "\ufffd cat"


def test_settings_with_such_a_path_are_written_and_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_settings({"train": {"data": {"train_data_dir": f"/x/{CAFE} 猫"}}})
    assert folder.read_settings()["train"]["data"]["train_data_dir"] == f"/x/{CAFE} 猫"
