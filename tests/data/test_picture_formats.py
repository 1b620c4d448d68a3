"""One list says which files are pictures, for everything that looks for them."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from PIL import Image

from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.run import check_folder
from ti_core.data import picture_formats
from ti_core.data.config import DataConfig
from ti_core.data.dataset import load_dataset
from ti_core.data.picture_formats import ENDINGS, FORMATS, known_formats
from ti_core.data.pictures import list_images, open_picture
from ti_core.data.preprocess.job import preprocess
from ti_core.errors import DataError
from ti_core.files.picture_plugins import look_for_plugin

BUNDLED = [name for name in FORMATS if name in (Image.init(), Image.SAVE)[1] and name != "QOI"]


@pytest.mark.parametrize("name", BUNDLED)
def test_every_ending_is_trained_on_checked_and_preprocessed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    endings = FORMATS[name].endings
    for number, ending in enumerate((*endings, endings[0].upper())):
        mode = "L" if ending == ".pfm" else "RGB"
        image = Image.new(mode, (64, 64), 40 * number + 9).convert("F" if mode == "L" else "RGB")
        image.save(folder / f"{number}{ending}", format=name)
    config = DataConfig(train_data_dir=str(folder), use_object_template=True)
    dataset = load_dataset(config, "cat", 64)
    assert len(dataset.items) == len(endings) + 1
    assert check_folder(CheckupInput(config, size=(64, 64))).pictures == len(endings) + 1
    assert preprocess(folder, tmp_path / "out").pictures == len(endings) + 1


def test_endings_are_those_of_pillow() -> None:
    known = {e for e, name in Image.registered_extensions().items() if name in FORMATS}
    assert known - {".jfi"} <= set(ENDINGS)


@pytest.mark.parametrize("ending", ["heic", "heif", "jxl"])
def test_a_picture_that_needs_a_plug_in_says_which(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert list_images(tmp_path) == [path]
    with pytest.raises(DataError, match=r"install pillow-(heif|jxl-plugin) in this Python"):
        open_picture(path)


def test_a_plug_in_that_is_installed_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pillow_heif")
    opener = Image.OPEN["PNG"]
    module.register_heif_opener = lambda: Image.OPEN.update(HEIF=opener)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    look_for_plugin.cache_clear()
    assert "HEIF" in known_formats()


def test_what_macos_keeps_beside_pictures_is_none(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "1.jpg")
    (tmp_path / "._1.jpg").write_bytes(b"\0\5\x16\7" + bytes(78))
    assert [path.name for path in list_images(tmp_path)] == ["1.jpg"]


def test_a_picture_that_would_take_too_much_memory_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (80, 80)).save(tmp_path / "a.webp")
    Image.new("RGB", (80, 80)).save(tmp_path / "a.bmp")
    monkeypatch.setattr(picture_formats, "MOST_MEMORY", 80 * 80 * 10)
    open_picture(tmp_path / "a.bmp")
    with pytest.raises(DataError, match="80x80 pixels, and of WEBP files"):
        open_picture(tmp_path / "a.webp")


def test_many_pictures_that_are_left_out_for_one_reason_are_one_notice(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "good.png")
    for number in range(30):
        (tmp_path / f"IMG_{number:02}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "broken.png").write_bytes(b"hello")
    config = DataConfig(train_data_dir=str(tmp_path), use_object_template=True)
    told = [str(notice) for notice in load_dataset(config, "cat", 64).about_skipped()]
    assert told[0].startswith(
        "30 images are skipped (IMG_00.heic, IMG_01.heic, IMG_02.heic, …): Pillow cannot read "
        "HEIF here; install pillow-heif"
    )
    assert told[1].startswith("broken.png is skipped: ")
    report = check_folder(CheckupInput(config, size=(64, 64)))
    (unreadable,) = (f for f in report.findings if f.rule == "unreadable")
    assert len(unreadable.files) == 31
