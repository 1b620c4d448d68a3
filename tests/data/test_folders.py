"""One folder, kohya's numbered folders, regularisation folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.run import check_folder
from ti_core.data.config import DataConfig, TagConfig
from ti_core.data.dataset import Dataset, load_dataset
from ti_core.data.folder import Folders
from ti_core.data.folders import folders_of
from ti_core.errors import DataError


def fill(folder: Path, count: int, caption: str = "") -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (64, 64), (40 * i, 0, 0)).save(folder / f"{i}-a thing.png")
        if caption:
            (folder / f"{i}-a thing.txt").write_text(caption)
    return folder


def found(folder: Path, **options: Any) -> Folders:
    return folders_of(DataConfig(train_data_dir=str(folder), **options))


def load(folder: Path, **options: Any) -> Dataset:
    return load_dataset(DataConfig(train_data_dir=str(folder), **options), "zz-cat", 64)


def prompts(dataset: Dataset) -> list[str]:
    return [dataset.prompt(i, "zz-cat", 0, 0, i) for i in range(len(dataset.items))]


def test_a_folder_with_pictures_is_one_folder(tmp_path: Path) -> None:
    fill(tmp_path / "a", 2)
    (folder,) = found(tmp_path / "a").folders
    assert (folder.path, folder.repeats, folder.words) == (tmp_path / "a", 1, "")
    assert (folder.regular, folder.weight) == (False, 1.0)


def test_numbered_folders_tell_repeats_and_words(tmp_path: Path) -> None:
    for name in ("10_zz-cat sitting", "2_zz-cat_asleep", "3"):
        fill(tmp_path / name, 1)
    folders = found(tmp_path).folders
    assert [(f.path.name, f.repeats, f.words) for f in folders] == [
        ("10_zz-cat sitting", 10, "zz-cat sitting"),
        ("2_zz-cat_asleep", 2, "zz-cat_asleep"),
        ("3", 3, ""),
    ]


def test_words_of_the_folder_stand_for_missing_captions_only(tmp_path: Path) -> None:
    folder = fill(tmp_path / "2_zz-cat sitting", 2)
    (folder / "0-a thing.txt").write_text("zz-cat on a chair\nand more")
    dataset = load(tmp_path)
    assert prompts(dataset) == ["zz-cat on a chair", "zz-cat sitting"]
    assert dataset.repeats == (2, 2)
    assert dataset.template_name == "captions"


def test_words_without_the_new_one_are_filled_into_a_template(tmp_path: Path) -> None:
    fill(tmp_path / "1_ginger cat", 1)
    dataset = load(tmp_path)
    assert dataset.template_name == "subject_filewords"
    assert "zz-cat" in prompts(dataset)[0]
    assert "ginger cat" in prompts(dataset)[0]


def test_numbered_folders_beside_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    fill(tmp_path / "a", 1)
    fill(tmp_path / "a" / "10_cat", 1)
    folders = found(tmp_path / "a")
    assert [folder.path.name for folder in folders.folders] == ["a"]
    assert "1 numbered folder(s)" in folders.notices[0].what


def test_folders_without_number_are_left_out_and_told(tmp_path: Path) -> None:
    for name in ("10_zz-cat", "more", "0_unwanted"):
        fill(tmp_path / name, 1)
    folders = found(tmp_path)
    assert [folder.path.name for folder in folders.folders] == ["10_zz-cat"]
    (notice,) = folders.notices
    assert notice.what.startswith("2 folder(s)")
    assert load(tmp_path).notices == (notice,)


@pytest.mark.parametrize(("setting", "text"), [("auto", "all"), ("first", "first"), ("all", "all")])
def test_of_a_flat_folder_s_captions_all_lines_are_read_unless_told_otherwise(
    tmp_path: Path, setting: str, text: str
) -> None:
    folder = fill(tmp_path / "a", 1, "a zz-cat\non a chair")
    expected = {"all": "a zz-cat\non a chair", "first": "a zz-cat"}[text]
    assert prompts(load(folder, caption_lines=setting)) == [expected]


def test_all_lines_of_numbered_folders_can_be_asked_for(tmp_path: Path) -> None:
    fill(tmp_path / "1_x", 1, "a zz-cat\non a chair")
    assert prompts(load(tmp_path)) == ["a zz-cat"]
    assert prompts(load(tmp_path, caption_lines="all")) == ["a zz-cat\non a chair"]


def test_regularisation_pictures_come_as_often_as_the_others(tmp_path: Path) -> None:
    """kohya: their own repeats first, then once more each until there are enough."""
    fill(tmp_path / "train" / "3_zz-cat", 2)
    fill(tmp_path / "reg" / "1_cat", 4)
    dataset = load(tmp_path / "train", reg_data_dir=str(tmp_path / "reg"), prior_loss_weight=0.5)
    assert dataset.repeats == (3, 3, 2, 2, 1, 1)
    assert prompts(dataset)[2:] == ["cat"] * 4
    weights = [dataset.source(i).folder.weight for i in range(6)]
    assert weights == [1, 1, 0.5, 0.5, 0.5, 0.5]


def test_regularisation_pictures_that_are_too_many_are_left_out_and_told(tmp_path: Path) -> None:
    fill(tmp_path / "train", 2, "a zz-cat")
    fill(tmp_path / "reg" / "1_cat", 5)
    dataset = load(tmp_path / "train", reg_data_dir=str(tmp_path / "reg"))
    assert dataset.repeats == (1, 1, 1, 1)
    assert dataset.notices[-1].what == "3 regularization image(s) are not used"


def test_templates_and_added_words_stay_away_from_regularisation_pictures(tmp_path: Path) -> None:
    fill(tmp_path / "train", 1)
    fill(tmp_path / "reg" / "1_cat", 1)
    options = {"use_object_template": True, "tags": TagConfig(insert_trigger=True)}
    dataset = load(tmp_path / "train", reg_data_dir=str(tmp_path / "reg"), **options)
    assert prompts(dataset)[1] == "cat"
    assert dataset.template_name == "subject"


def test_a_missing_regularisation_folder_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path / "train", 1)
    with pytest.raises(DataError, match="no folder"):
        found(tmp_path / "train", reg_data_dir=str(tmp_path / "reg"))


def test_an_empty_folder_is_an_error_as_before(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images"):
        load(tmp_path)


def test_an_empty_numbered_folder_is_told_and_the_others_are_trained_on(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "10_zz-cat", 1)
    for name in ("train/5_zz-cat side", "reg/1_cat"):
        (tmp_path / name).mkdir(parents=True)
    dataset = load(tmp_path / "train", reg_data_dir=str(tmp_path / "reg"))
    assert dataset.repeats == (10,)
    told = [str(notice) for notice in dataset.notices]
    assert [text.partition(";")[0] for text in told] == [
        f"{tmp_path / 'train/5_zz-cat side'} holds no images",
        f"{tmp_path / 'reg/1_cat'} holds no images",
    ]
    assert all(notice.level == "warning" for notice in dataset.notices)
    report = check_folder(CheckupInput(DataConfig(train_data_dir=str(tmp_path / "train"))))
    assert [f.what for f in report.findings if f.rule == "folders"] == [told[0].partition(";")[0]]


def test_where_all_numbered_folders_are_empty_or_have_no_repeats_there_is_an_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "a" / "5_zz-cat").mkdir(parents=True)
    (tmp_path / "a" / "6_zz-cat").mkdir()
    with pytest.raises(DataError, match="5_zz-cat holds no images"):
        load(tmp_path / "a")
    fill(tmp_path / "b" / "0_zz-cat", 1)
    with pytest.raises(DataError, match="all have 0 repeats; call it 1_zz-cat"):
        load(tmp_path / "b")


def test_an_empty_folder_names_those_in_it_that_hold_pictures(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "cat", 1)
    fill(tmp_path / "a" / ".thumbnails", 1)
    with pytest.raises(DataError, match=r"holds no images; name one of .* \(cat/\)"):
        load(tmp_path / "a")


def test_a_folder_whose_name_is_too_long_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder x") as caught:
        load(Path("x" * 9_000))
    assert len(str(caught.value)) < 500


def test_a_folder_of_broken_pictures_beside_a_good_one_is_skipped(tmp_path: Path) -> None:
    fill(tmp_path / "1_zz-cat", 1)
    (tmp_path / "2_bad").mkdir()
    (tmp_path / "2_bad" / "a.png").write_bytes(b"no image")
    dataset = load(tmp_path)
    assert len(dataset.items) == 1
    assert [error.what for _, error in dataset.skipped] == ["a.png is skipped"]
