"""The Data tab: preprocess, captions, checkup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.errors import ConfigError, DataError
from ti_webui.forms import Form
from ti_webui.studio import Studio
from ti_webui.tabs import data_captions, data_checkup, data_preprocess

SettingsForm = data_preprocess.SettingsForm
EVIL = "<img src=x onerror=alert(1)>"


# --- preprocess -------------------------------------------------------------------------------


@pytest.fixture
def form() -> SettingsForm:
    made = Form(PreprocessConfig, "t")
    with gr.Blocks():
        for name in ("width", "height", "flip"):
            made.add(name)
    return made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photographs, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (90, 70 + number), "red").save(folder / f"{number}.png")
    (folder / f"{EVIL}.jpg").write_bytes(b"nothing")
    return folder


def test_pictures_are_made_beside_the_source_and_the_folder_is_filled_in(
    studio: Studio, form: SettingsForm, photos: Path
) -> None:
    job = data_preprocess.start_preprocessing(studio, form, str(photos), "", (64, 64, True))
    assert job.wait(60)
    assert job.progress.error == ""
    told, pictures, folder, trained = data_preprocess.result_view(1)(job, job.progress)
    made = photos.with_name("photos-processed")
    assert folder["value"] == trained["value"] == str(made)
    assert len(list(made.glob("*.png"))) == len(pictures["value"]) == 4
    with Image.open(next(made.glob("*.png"))) as picture:
        assert picture.size == (64, 64)
    assert "4 image(s) made of 2, 1 skipped" in told["value"]


def test_what_was_skipped_is_told_with_its_reason_and_without_html(
    studio: Studio, form: SettingsForm, photos: Path
) -> None:
    job = data_preprocess.start_preprocessing(studio, form, str(photos), "", (64, 64, False))
    assert job.wait(60)
    told = data_preprocess.result_view(0)(job, job.progress)[0]["value"]
    assert "&lt;img" in told
    assert "<img" not in told
    assert "it is not an image" in told


def test_a_job_that_made_nothing_fills_in_no_folder(
    studio: Studio, form: SettingsForm, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    job = data_preprocess.start_preprocessing(
        studio, form, str(tmp_path / "empty"), "", (64, 64, False)
    )
    assert job.wait(60)
    assert "value" not in data_preprocess.result_view(0)(job, job.progress)[2]


def test_the_source_is_never_written_to(studio: Studio, form: SettingsForm, photos: Path) -> None:
    inside = str(photos / "made")
    job = data_preprocess.start_preprocessing(studio, form, str(photos), inside, (64, 64, False))
    assert job.wait(60)
    assert "the source is never written to" in job.progress.error
    assert not (photos / "made").exists()


@pytest.mark.parametrize(
    ("source", "values", "message"),
    [("", (64, 64, False), "no source directory"), ("x", (63, 64, False), "width` is 63")],
)
def test_mistakes_are_told_before_any_work(
    source: str, values: tuple[Any, ...], message: str, studio: Studio, form: SettingsForm
) -> None:
    with pytest.raises(ConfigError, match=message):
        data_preprocess.start_preprocessing(studio, form, source, "", values)
    assert studio.jobs.latest is None


# --- captions ---------------------------------------------------------------------------------


@pytest.fixture
def page(studio: Studio) -> data_captions.CaptionsPage:
    with gr.Blocks():
        return data_captions.CaptionsPage(studio, gr.Textbox())


def value(update: Any) -> Any:
    return update.get("value")


def test_a_folder_is_opened_at_its_first_picture(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    desk, where, text, undo, said, changes, apply, gallery = page.press_open(str(pictures))
    assert len(value(gallery)) == 5
    assert value(text) == "a red disc on white\n"
    assert "1 of 5" in value(where)
    assert "from 00000-0-a red disc.txt" in value(where)
    assert (undo["interactive"], apply["interactive"], value(said)) == (False, False, "")
    assert desk.names[0] == "00000-0-a red disc.png"
    assert value(changes) == ""


def test_words_are_saved_when_the_page_is_turned_and_undo_puts_them_back(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    desk = page.press_open(str(pictures))[0]
    file = pictures / "00000-0-a red disc.txt"
    desk, _, text, undo, said, *_ = page.press_turn(desk, "[name], red", 1)
    assert file.read_text("utf-8") == "[name], red"
    assert value(text) == "a green disc on white\n"
    assert undo["interactive"] is True
    assert "is saved" in value(said)
    desk, *_ = page.press_undo(desk)
    assert file.read_text("utf-8") == "a red disc on white\n"


def test_before_the_first_picture_comes_the_last(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    desk = page.press_open(str(pictures))[0]
    assert "5 of 5" in value(page.press_turn(desk, "a red disc on white\n", -1)[1])


def test_nothing_is_written_when_nothing_was_changed(
    page: data_captions.CaptionsPage, bare_pictures: Path
) -> None:
    desk = page.press_open(str(bare_pictures))[0]
    page.press_turn(desk, "a red disc", 1)
    assert list(bare_pictures.glob("*.txt")) == []
    page.press_turn(desk, "a red disc", 0)  # Save: the file name's words become a caption
    assert (bare_pictures / "00000-0-a red disc.txt").read_text("utf-8") == "a red disc"


def test_a_caption_that_somebody_else_changed_is_not_written_over_and_the_words_stay(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    desk = page.press_open(str(pictures))[0]
    file = pictures / "00000-0-a red disc.txt"
    file.write_text("theirs", "utf-8")
    _, _, text, _, said, *_ = page.press_turn(desk, "mine", 0)
    assert file.read_text("utf-8") == "theirs"
    assert "it has changed since it was read" in value(said)
    assert "value" not in text


def test_two_users_do_not_share_their_undo(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    one, two = (page.press_open(str(pictures))[0] for _ in range(2))
    one = page.press_turn(one, "by one", 1)[0]
    assert "nothing to undo" in value(page.press_undo(two)[4])
    assert one.editor.undo_levels == 1


def test_a_replacement_is_shown_first_made_then_and_taken_back_at_once(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    desk = page.press_open(str(pictures))[0]
    desk, _, _, _, _, changes, apply = page.press_search(desk, "disc", EVIL, False, True)
    assert "5 place(s) in 5 caption(s)" in value(changes)
    assert "<img" not in value(changes)
    assert apply["interactive"] is True
    assert "disc" in (pictures / "00001-0-a green disc.txt").read_text("utf-8")
    desk, _, _, _, said, changes, apply = page.press_apply(desk)
    assert EVIL in (pictures / "00001-0-a green disc.txt").read_text("utf-8")
    assert "5 caption(s) changed" in value(said)
    assert apply["interactive"] is False
    page.press_undo(desk)
    assert "disc" in (pictures / "00001-0-a green disc.txt").read_text("utf-8")


def test_a_broken_pattern_is_told_and_nothing_is_lost(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    desk = page.press_open(str(pictures))[0]
    same, *updates = page.press_search(desk, "(", "", True, True)
    assert same is desk
    assert "is not a regular expression" in value(updates[3])


def test_a_click_in_the_gallery_shows_that_picture(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    desk = page.press_open(str(pictures))[0]

    class Click:
        index = 3

    shown = page.press_select(desk, "a red disc on white\n", Click())  # type: ignore[arg-type]
    assert value(shown[2]) == "a orange disc on white\n"


def test_names_and_captions_are_never_html(
    page: data_captions.CaptionsPage, pictures: Path
) -> None:
    (pictures / "00000-0-a red disc.png").rename(pictures / f"{EVIL}.png")
    (pictures / f"{EVIL}.txt").write_text(EVIL, "utf-8")
    shown = page.press_open(str(pictures))
    place = shown[0].names.index(f"{EVIL}.png")
    where = value(page.press_turn(shown[0], value(shown[2]), place)[1])
    assert "&lt;img" in where
    assert "<img" not in where


@pytest.mark.parametrize("folder", ["", "nowhere", "  "])
def test_a_folder_without_pictures_is_told(page: data_captions.CaptionsPage, folder: str) -> None:
    desk, *updates, gallery = page.press_open(folder)
    assert desk is None
    assert "ti-error" in value(updates[3])
    assert value(gallery) == []
    assert "press Open the captions" in value(page.press_turn(None, "x", 1)[4])


def test_a_name_that_is_a_path_is_no_picture(studio: Studio, pictures: Path) -> None:
    desk = data_captions.open_desk(studio.places(), str(pictures))
    with pytest.raises(DataError, match="there is no image"):
        desk.editor.write("../secret.png", "x", "")


# --- checkup ----------------------------------------------------------------------------------


def test_findings_are_told_with_the_prompts_as_they_are_learned(
    studio: Studio, pictures: Path
) -> None:
    (pictures / f"{EVIL}.png").write_bytes(b"nothing")
    html = data_checkup.checkup_html(studio, str(pictures), {"token_string": "zz-thing"})
    assert "5 image(s): " in html
    assert "<img" not in html
    assert "Prompts of the first 3 images" in html
    assert "&lt;zz-thing:0&gt;" in html


def test_a_folder_can_be_checked_before_the_word_is_chosen(studio: Studio, pictures: Path) -> None:
    assert (
        "unnamed" not in data_checkup.checkup_html(studio, str(pictures), {}).split("<details")[0]
    )


def test_what_belongs_to_a_run_is_not_said_here(studio: Studio, pictures: Path) -> None:
    assert "schedule" not in data_checkup.checkup_html(
        studio, str(pictures), {"token_string": "zz-thing"}
    )


def test_the_checkup_needs_a_folder(studio: Studio) -> None:
    with pytest.raises(ConfigError, match="no dataset directory"):
        data_checkup.checkup_html(studio, " ", {"token_string": "zz"})


def test_a_missing_folder_is_a_finding(studio: Studio) -> None:
    assert "ti-error" in data_checkup.checkup_html(studio, "nowhere-at-all", {"token_string": "zz"})


def test_the_checkup_knows_what_is_set_on_train(studio: Studio, pictures: Path) -> None:
    def checked(**settings: object) -> str:
        asked = {"token_string": "zz-thing", **settings}
        return data_checkup.checkup_html(studio, str(pictures), asked)

    assert "256x256" not in checked()
    assert "256x256" in checked(resolution=(256, 256)).split("<details")[0]
    assert "a caption of mine zz" not in checked()
    assert "of mine" in checked(prompt_template="a thing of mine, [name]")
    assert "does not hold" in checked(prompt_template="nothing\n")
    with pytest.raises(ConfigError, match="learning"):
        checked(learning_rate="fast")


def test_a_dataset_file_of_train_does_not_hide_the_folder(studio: Studio, pictures: Path) -> None:
    html = data_checkup.checkup_html(studio, str(pictures), {"dataset_config": "nowhere.toml"})
    assert "5 image(s)" in html
