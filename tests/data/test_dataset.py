"""From a folder to prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ti_core.data.config import DataConfig
from ti_core.data.dataset import Dataset, load_dataset
from ti_core.errors import DataError


def load(folder: Path, **changes: Any) -> Dataset:
    return load_dataset(DataConfig(train_data_dir=str(folder), **changes), "cat", 64)


def caption_all(folder: Path, text: str) -> None:
    for path in folder.glob("*.txt"):
        path.write_text(text)


def test_pictures_are_read_in_the_order_of_their_names(pictures: Path) -> None:
    items = load(pictures).items
    assert [item.path.name[:5] for item in items] == [f"{i:05}" for i in range(5)]
    assert items[0].caption.text == "a red disc on white"
    assert items[0].pixels().shape == (3, 64, 64)


def test_the_size_is_the_config_s_or_else_the_model_s(pictures: Path) -> None:
    assert load(pictures).items[0].size.target == (64, 64)
    assert load(pictures, resolution=(128, 64)).items[0].size.target == (64, 128)


def test_unreadable_pictures_are_skipped_with_a_reason(pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(b"no image")
    (pictures / "empty.jpg").touch()
    found = load(pictures)
    assert len(found.items) == 5
    assert [error.what for _, error in found.skipped] == [
        "broken.png is skipped",
        "empty.jpg is skipped",
    ]


def test_a_folder_of_broken_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"no image in .* can be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("captions", "template"),
    [
        ("a [name] on white", "captions"),
        ("a Cat on white", "captions"),
        ("a disc", "subject_filewords"),
        ("", "subject_filewords"),
    ],
)
def test_the_template_follows_from_the_captions(
    pictures: Path, captions: str, template: str
) -> None:
    caption_all(pictures, captions)
    assert load(pictures).template_name == template


def test_without_captions_the_file_names_are_not_trusted_as_such(bare_pictures: Path) -> None:
    assert load(bare_pictures).template_name == "subject"


def test_one_caption_without_the_trigger_is_enough_to_need_a_template(pictures: Path) -> None:
    caption_all(pictures, "a [name]")
    next(iter(pictures.glob("*.txt"))).write_text("a disc")
    assert load(pictures).template_name == "subject_filewords"


@pytest.mark.parametrize(
    ("changes", "template"),
    [
        ({"use_object_template": True}, "subject"),
        ({"use_style_template": True}, "style"),
        ({"prompt_template": "style_filewords"}, "style_filewords"),
    ],
)
def test_a_template_that_was_asked_for_is_used(
    pictures: Path, changes: dict[str, Any], template: str
) -> None:
    assert load(pictures, **changes).template_name == template


def test_a_prompt_without_the_trigger_is_an_error_with_a_remedy(pictures: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(pictures, prompt_template="captions")
    assert "'a red disc on white'" in caught.value.what
    assert "[name]" in caught.value.fix


def test_one_bad_line_of_a_template_is_found_before_training(
    pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("a [name]\na dog\n")
    with pytest.raises(DataError, match="'a dog'"):
        load(pictures, prompt_template=str(tmp_path / "mine.txt"))


def test_a_template_that_relies_on_file_words_works_when_they_hold_the_name(
    bare_pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("[filewords]")
    with pytest.raises(DataError):
        load(bare_pictures, prompt_template=str(tmp_path / "mine.txt"))
    for path in bare_pictures.iterdir():
        path.rename(path.with_stem(f"{path.stem} [name]"))
    found = load(bare_pictures, prompt_template=str(tmp_path / "mine.txt"))
    assert found.prompt(0, "cat", 0, 0, 0) == "a red disc cat"


def test_a_prompt_is_a_function_of_its_place(pictures: Path) -> None:
    found, again = load(pictures), load(pictures)
    prompts = [found.prompt(i, "cat", 3, step, 0) for step in range(20) for i in range(2)]
    assert prompts == [again.prompt(i, "cat", 3, step, 0) for step in range(20) for i in range(2)]
    assert len(set(prompts)) > 10
    assert prompts != [found.prompt(i, "cat", 4, step, 0) for step in range(20) for i in range(2)]


def test_drawn_once_every_picture_keeps_its_line(pictures: Path) -> None:
    found = load(pictures, template_choice="once")
    for index in range(5):
        places = [(step, slot) for step in range(9) for slot in range(3)]
        assert len({found.prompt(index, "cat", 0, *place) for place in places}) == 1


def test_a_template_that_makes_endless_prompts_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("word " * 1900)
    (tmp_path / "many.txt").write_text("[name] " + "[filewords] " * 900)
    config = DataConfig(train_data_dir=str(tmp_path), prompt_template=str(tmp_path / "many.txt"))
    with pytest.raises(DataError, match="50,000 are enough"):
        load_dataset(config, "cat", 64)
