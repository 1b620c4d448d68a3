"""The checkup of datasets that are more than one folder of pictures at one size."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ti_core.checkup.inputs import CheckupInput
from ti_core.checkup.run import check_folder
from ti_core.data.config import DataConfig
from ti_core.errors import ConfigError

from .conftest import SIZE, Check, Save, noise


def fill(folder: Path, count: int, size: tuple[int, int] = (256, 256), first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        noise(i).resize(size).save(folder / f"{i}.png", compress_level=1)


def test_all_numbered_folders_are_looked_at_and_their_words_are_captions(
    tmp_path: Path, check: Check
) -> None:
    fill(tmp_path / "2_zz-cat asleep", 2)
    fill(tmp_path / "1_zz-cat", 3, first=2)
    found = check()
    assert found["pictures_per_vector"].what.startswith("5 image(s)")
    assert not found.keys() & {"ignored", "trigger_missing", "few_pictures", "no_pictures"}


def test_the_template_of_each_folder_is_held_against_its_own_captions(
    tmp_path: Path, check: Check
) -> None:
    fill(tmp_path / "1_zz-cat", 3)
    fill(tmp_path / "1_a cat", 3, first=3)
    assert "trigger_missing" not in check()  # the second folder gets a template with the word
    assert set(check(prompt_template="captions")["trigger_missing"].files) == {
        "3.png",
        "4.png",
        "5.png",
    }


def test_regularisation_pictures_are_none_to_be_judged(tmp_path: Path, check: Check) -> None:
    fill(tmp_path / "train", 3)
    fill(tmp_path / "reg" / "1_cat", 9, first=3)
    found = check(train_data_dir=str(tmp_path / "train"), reg_data_dir=str(tmp_path / "reg"))
    assert found["pictures_per_vector"].what.startswith("3 image(s)")


def test_a_bucket_cuts_little_off(tmp_path: Path, check: Check) -> None:
    fill(tmp_path, 4, (640, 256))
    assert "cut_off" in check()
    assert "cut_off" not in check(enable_bucket=True, min_bucket_reso=128)
    assert "cut_off" not in check(varsize=True)


def test_at_their_own_size_pictures_are_neither_enlarged_nor_stretched(
    tmp_path: Path, check: Check
) -> None:
    fill(tmp_path, 4, (128, 100))
    assert "too_small" in check()
    assert not check(varsize=True).keys() & {"too_small", "enlarged", "distorted"}


def test_a_word_that_training_puts_in_is_not_missed(save: Save, check: Check) -> None:
    save(*(noise(i) for i in range(4)), caption="a cat #")
    assert "trigger_missing" in check(prompt_template="captions")
    for helped in ({"insert_trigger": True}, {"caption_prefix": "[name],"}):
        found = check(prompt_template="captions", **helped)
        assert not found.keys() & {"trigger_missing", "trigger_twice"}


def test_masks_are_no_pictures(save: Save, check: Check) -> None:
    folder = save(*(noise(i) for i in range(3)))
    Image.new("L", (256, 256)).save(folder / "00_mask.png")
    assert check()["pictures_per_vector"].what.startswith("3 image(s)")


def test_of_very_many_pictures_some_are_looked_at_and_that_is_told(
    save: Save, check: Check
) -> None:
    save(*(noise(i) for i in range(7)))
    assert check(at_most=3)["sample"].what == "3 of 7 images were looked at"
    assert "sample" not in check(at_most=7)
    assert "sample" not in check()


def test_flips_in_training_are_judged_as_mirrored_copies_are(save: Save, check: Check) -> None:
    save(*(noise(i) for i in range(4)), caption="a cat with a tattoo #")
    assert "flips" in check(mirrored=True)
    assert "flips" not in check()


def test_a_dataset_file_that_is_wrong_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data.toml").write_text("[datasets]")
    with pytest.raises(ConfigError, match="datasets is not a list"):
        check_folder(
            CheckupInput(DataConfig(dataset_config=str(tmp_path / "data.toml")), size=SIZE)
        )
