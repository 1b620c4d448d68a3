"""What the buttons of Train do, without a browser."""

from __future__ import annotations

import base64
import json
import shlex
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from PIL import Image

from ti_core.errors import (
    ConfigError,
    FileError,
    HostBusyError,
    HostError,
    NotFoundError,
    TIError,
    TrainingError,
)
from ti_core.files.embedding import Embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import TrainConfig
from ti_core.train.previews import preview_requests
from ti_webui.differences import differences
from ti_webui.job import Job, Jobs
from ti_webui.panel import shared_fields
from ti_webui.studio import TXT2IMG_FIELDS, Settings, Studio
from ti_webui.tabs.train import TrainPage, build
from ti_webui.tabs.train_pictures import folder_summary, has_captions

from ..conftest import finished, held


def txt2img_page() -> Mapping[str, Any]:
    return {name: gr.Textbox(label=name) for name in TXT2IMG_FIELDS}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> TrainPage:
    """One page for all tests: making it takes as long as all of them."""
    folder = tmp_path_factory.mktemp("page")
    settings = Settings(logging_dir=str(folder / "log"))
    studio = Studio(
        host=lambda: FakeHost(folder),
        embeddings_dirs=lambda: [folder],
        settings=lambda: settings,
        jobs=Jobs(),
        txt2img_parameters=txt2img_page,
        send_to={"txt2img": "(word, negative) => {}"},
    )
    with gr.Blocks():
        return build(replace(studio, shared=shared_fields()))


@pytest.fixture
def page(built: TrainPage, studio: Studio) -> TrainPage:
    assert built.live is not None
    studio.send_to = built.studio.send_to
    return replace(
        built,
        studio=studio,
        live=replace(built.live, studio=studio, renew=lambda opened: [], lists=[], asked=[]),
    )


def typed(
    page: TrainPage, settings: Mapping[str, Any], txt2img: Mapping[str, Any] = {}
) -> list[Any]:
    """Values of all inputs: those of a fresh page, and what is typed over them."""
    values = [
        settings.get(name, component.value) for name, component in page.form.components.items()
    ]
    return [*values, bool(txt2img), *(txt2img.get(name) for name in page.txt2img)]


def test_train_begins_a_run_with_what_is_typed(page: TrainPage, settings: dict[str, Any]) -> None:
    assert page.press_train(*typed(page, settings)) == ["", "", settings["train_data_dir"]]
    job = page.studio.jobs.latest
    assert job is not None
    progress = finished(job).progress
    assert (progress.state, progress.step) == ("done", 6)


def test_a_second_browser_is_told_that_one_trains(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    page.press_train(*typed(page, {**settings, "max_train_steps": 100_000}))
    with pytest.raises(HostBusyError, match="zz-thing is already running"):
        page.press_train(*typed(page, {**settings, "token_string": "zz-other"}))


def test_resume_goes_on_with_the_run_of_the_word(page: TrainPage, settings: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="no run of zz-thing"):
        page.press_resume(None, *typed(page, settings))
    page.press_train(*typed(page, settings))
    finished(page.studio.jobs.list()[0])
    page.press_resume(None, *typed(page, {**settings, "max_train_steps": 8}))
    progress = finished(page.studio.jobs.list()[0]).progress
    assert (progress.first_step, progress.step, progress.error) == (6, 8, "")


def test_embeddings_for_another_model_are_listed_with_their_reason(
    page: TrainPage, settings: dict[str, Any], tmp_path: Path
) -> None:
    for name, width in (("zz-fits", 12), ("a-wide", 768)):
        embedding = Embedding(name, {"emb_params": torch.ones(1, width)})
        write_embedding(tmp_path / "embeddings" / f"{name}.safetensors", embedding)
    reason = "does not fit: sd1, 768 wide; the model expects 12"
    names = page.refresh()[0]["choices"]
    assert names == [("zz-fits", "zz-fits"), (f"a-wide ({reason})", "a-wide")]
    told = page.choose_embedding("a-wide", settings["logging_dir"], None)[0]
    assert f"a-wide {reason}" in told
    assert "ti-error" in told
    page.press_train(*typed(page, {**settings, "token_string": "a-wide"}))
    progress = finished(page.studio.jobs.list()[0]).progress
    assert progress.state == "failed"
    assert "768" in progress.error


def test_refresh_finds_new_templates(page: TrainPage, tmp_path: Path) -> None:
    page.studio.templates_dir = lambda: tmp_path / "templates"
    (tmp_path / "templates").mkdir()
    before = page.refresh()[1]["choices"]
    path = tmp_path / "templates" / "mine.txt"
    path.write_text("a [name]")
    assert page.refresh()[1]["choices"] == [*before, str(path)]
    assert before[:2] == ["auto", "captions"]


def test_a_word_is_needed(page: TrainPage, settings: dict[str, Any]) -> None:
    for name in ("", "   ", None):
        with pytest.raises(ConfigError, match="name"):
            page.press_train(*typed(page, {**settings, "token_string": name}))


def test_previews_are_read_from_txt2img_on_request(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    fields = {"prompt": "[name] at sea", "negative_prompt": "fog", "steps": 7, "width": 128}
    found = page.settings(typed(page, settings, fields))
    config: TrainConfig = page.form.config(found)
    (request,) = preview_requests(config, (64, 64), "DDIM")
    assert (request.prompt, request.negative_prompt) == ("zz-thing at sea", "fog")
    assert (request.steps, request.width) == (7, 128)
    assert page.settings(typed(page, settings))["sample_prompts"] == "a picture of [name]"


def test_a_goal_fills_the_form_and_leaves_what_was_typed(page: TrainPage) -> None:
    values = typed(page, {"max_train_steps": 60})[: len(page.form.inputs)]
    about, outlook, told, back, *updates = page.choose_goal("style", *values)
    assert "1,200" in outlook
    assert (told, back["visible"]) == ("", False)
    found = dict(zip(page.form.components, updates, strict=True))
    assert "style" in about
    assert found["num_vectors_per_token"]["value"] == 6
    assert found["prompt_template"]["value"] == "style"
    for name in ("token_string", "init_word", "train_data_dir", "logging_dir"):
        assert "value" not in found[name]


def test_a_folder_is_looked_at_when_it_is_named(
    page: TrainPage, pictures: Path, bare_pictures: Path
) -> None:
    told, _, template = page.choose_folder("style", str(pictures), "style")
    assert "5 image(s), 5 with a caption" in told
    assert template["value"] == "style_filewords"
    told, _, template = page.choose_folder("style", str(bare_pictures), "style_filewords")
    assert "5 image(s), 0 with a caption" in told
    assert template["value"] == "style"
    *_, template = page.choose_folder("style", str(pictures), "captions")
    assert template == gr.update(), "the user's own choice, or that of settings that were loaded"
    assert "there is no folder" in folder_summary(page.studio, "/nowhere/<b>")
    assert folder_summary(page.studio, "") == ""
    assert not has_captions(page.studio, "")


def test_an_embedding_that_is_chosen_tells_what_would_happen(
    page: TrainPage, settings: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "embeddings" / "zz-thing.safetensors"
    write_embedding(path, Embedding("zz-thing", {"emb_params": torch.ones(3, 12)}, 40))
    logs = settings["logging_dir"]
    told, vectors, steps, _ = page.choose_embedding("zz-thing", logs, None)
    assert "3 vector(s), 40 step(s)" in told
    assert vectors["value"] == 3
    assert "value" not in steps
    assert "continues it from step 40, up to Max steps" in told
    page.press_train(*typed(page, settings))
    job = finished(page.studio.jobs.list()[0])
    assert "trained for 40 steps already" in job.progress.error
    page.press_train(*typed(page, {**settings, "max_train_steps": 42}))
    assert finished(page.studio.jobs.list()[0]).progress.first_step == 40
    told, _, steps, _ = page.choose_embedding("zz-thing", logs, None)
    assert "is at step 42 of 42" in told
    assert steps["value"] == 42
    assert page.choose_embedding("zz-new", logs, None)[0] == ""
    assert page.choose_embedding(None, logs, None)[0] == ""  # type: ignore[arg-type]


def test_the_outlook_follows_the_settings(page: TrainPage) -> None:
    settings = {"learning_rate": "0.1:10, 0.01", "max_train_steps": 40}
    html, *_ = overview(page, "object", settings)
    assert "steps 1 to 10" in html
    assert "steps 11 to 40" in html
    html, *_ = overview(page, "object", {"learning_rate": "fast"})
    assert "ti-error" in html
    assert "not a rate" in html


def overview(page: TrainPage, goal: str, settings: dict[str, Any]) -> list[Any]:
    """What the page tells of a form under the heading of a goal."""
    values = typed(page, settings)[: len(page.form.inputs)]
    return page.overview.show(goal, *values)


def test_what_differs_from_the_preset_is_named_and_marked(page: TrainPage) -> None:
    assert page.overview.folds.keys() == {"prompts", "learning", "output"}
    _, told, back = overview(page, "object", {"init_word": "boat", "token_string": "zz"})
    assert (told, back["visible"]) == ("", False), "what belongs to one training is no difference"
    changed = {"max_train_steps": 60, "width": 512, "height": 768, "shuffle_caption": True}
    _, told, back = overview(page, "object", changed)
    assert "Object" in told
    assert "<b>Max steps</b> 60 (800)" in told
    assert "<b>Shuffle tags by &#x27;,&#x27; when creating prompts</b> on (off)" in told
    assert "<b>Width, Height</b> 512 × 768 (–)" in told
    for name in ("ti_train_max_train_steps", "ti_train_width", "ti_train_height"):
        assert f"#{name}" in told
    assert "#ti_fold_learning" in told
    assert "#ti_fold_prompts" in told
    assert "#ti_fold_output" not in told
    assert back["visible"] is True
    _, told, _ = overview(page, "style", {})
    assert "<b>Max steps</b> 800 (1200)" in told


def test_one_click_goes_back_to_the_preset(page: TrainPage, pictures: Path) -> None:
    own = {"token_string": "zz-mine", "init_word": "boat", "train_data_dir": str(pictures)}
    values = typed(page, {**own, "max_train_steps": 60, "seed": 5})[: len(page.form.inputs)]
    outlook, told, back, *form = page.overview.press_back("style", *values)
    shown = dict(zip(page.form.components, form, strict=True))
    assert (shown["max_train_steps"]["value"], shown["seed"]["value"]) == (1200, 0)
    assert shown["prompt_template"]["value"] == "style_filewords", "the images have captions"
    assert all("value" not in shown[name] for name in own)
    assert (told, back["visible"]) == ("", False)
    assert "to 400" not in outlook
    assert "1,200" in outlook


def test_a_form_is_compared_in_the_words_of_people() -> None:
    found = differences(
        {"seed": 5.0, "flip_aug": True, "noise_offset": 0, "optimizer_args": None, "unknown": 1},
        {"seed": 5, "flip_aug": False, "noise_offset": 0.0, "optimizer_args": ""},
    )
    assert [(one.name, one.value, one.usual) for one in found] == [("flip_aug", "on", "off")]


def test_a_page_that_is_opened_shows_embeddings_that_fit_and_the_schedule(
    page: TrainPage, tmp_path: Path
) -> None:
    for name, width in (("fits", 12), ("too-wide", 768)):
        path = tmp_path / "embeddings" / f"{name}.safetensors"
        write_embedding(path, Embedding(name, {"emb_params": torch.ones(1, width)}))
    _, outlook, run, pictures, *form = renewed(page, True)
    shown = dict(zip(page.form.components, form, strict=True))
    (_, first), (label, last) = shown["token_string"]["choices"]
    assert (first, last) == ("fits", "too-wide")
    assert label.startswith("too-wide (does not fit: ")
    assert run["visible"] is pictures["visible"] is False
    assert "steps 1 to 800" in outlook["value"]


def test_without_a_model_the_page_opens_and_says_so(page: TrainPage) -> None:
    def missing() -> FakeHost:
        raise HostError("no model is loaded", "", "choose a checkpoint")

    page.studio.host = missing
    _, outlook, *_ = renewed(page, True)
    assert "no model is loaded" in outlook["value"]
    assert "steps 1 to 800" in outlook["value"]


def test_looking_twice_changes_nothing_and_a_new_page_sees_all(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    live = page.live
    assert live is not None
    nothing = gr.update()
    seen, *updates = live.look(None)
    assert all(update == nothing for update in updates)
    page.press_train(*typed(page, settings))
    finished(page.studio.jobs.list()[0])
    seen, *updates = live.look(seen)
    found = dict(zip((part.elem_id for part in live.outputs), updates, strict=True))
    assert "zz-thing" in found["ti_job_progress"]["value"]
    assert len(found["ti_previews"]["value"]) == 3
    assert found["ti_previews"]["value"][0][1].startswith("step 6: ")
    assert found["ti_interrupt"]["interactive"] is False
    assert found["ti_prompt"] == gr.update(value="zz-thing", visible=True)
    assert found["ti_send_to_txt2img"] == gr.update(visible=True)
    _, *updates = live.look(seen)
    assert all(update == nothing for update in updates)
    _, progress, *_ = live.look(None)
    assert "zz-thing" in progress["value"], "a page that is opened later"


def test_buttons_reach_the_running_job_and_are_refused_without_one(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    live = page.live
    assert live is not None
    for press in (
        live.press_pause,
        live.press_go_on,
        live.press_save,
        live.press_preview,
        live.press_slower,
        live.press_faster,
        live.press_interrupt,
    ):
        with pytest.raises(HostError, match="no training is running"):
            press()
    page.press_train(*typed(page, {**settings, "max_train_steps": 100_000}))
    job = page.studio.jobs.list()[0]
    live.press_pause()
    assert job.control.paused
    live.press_go_on()
    assert not job.control.paused
    live.press_interrupt()
    assert finished(job).progress.state == "stopped"


def test_the_rate_of_the_running_job_is_changed_by_buttons(page: TrainPage) -> None:
    live, over = page.live, threading.Event()
    assert live is not None
    job = page.studio.jobs.start("train", "word", lambda job: held(over))
    assert "multiplied by 0.8" in live.press_slower()
    assert "multiplied by 1.25" in live.press_faster()
    live.press_slower()
    assert job.control.rate_change() == pytest.approx(0.8)
    over.set()
    finished(job)


def test_a_preview_whose_file_is_gone_does_not_spoil_the_page(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    page.press_train(*typed(page, settings))
    progress = finished(page.studio.jobs.list()[0]).progress
    progress.previews[0].path.unlink()
    progress.previews[1].path.write_bytes(b"no image")
    assert page.live is not None
    gallery = page.live.look(None)[2]["value"]
    assert [caption.split(":")[0] for _, caption in gallery] == ["step 6"]


def renewed(page: TrainPage, opened: bool, name: str = "") -> list[Any]:
    """What a page gets when it is opened, or when a job begins or ends, but for the runs whose
    settings can be loaded and the folders that were trained on."""
    *shown, _, _ = page.renew(opened, name, page.studio.settings().logging_dir)
    return shown


def test_a_page_that_is_opened_is_filled_in_as_at_the_last_training(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    page.press_train(*typed(page, {**settings, "seed": 77, "init_word": "a boat"}))
    finished(page.studio.jobs.list()[0])
    told, _, _, _, *form = renewed(page, True)
    shown = dict(zip(page.form.components, form, strict=True))
    assert (shown["seed"]["value"], shown["init_word"]["value"]) == (77, "a boat")
    assert "value" not in shown["token_string"], "pressing Train would go on with it"
    assert "settings of the last training" in told
    assert all("value" not in update for update in renewed(page, False)[4:])
    said, *form = page.form_settings.press_defaults()
    shown = dict(zip(page.form.components, form, strict=True))
    assert (shown["seed"]["value"], shown["init_word"]["value"]) == (0, "*")
    assert shown["token_string"]["value"] == ""
    assert "defaults" in said


def test_saved_defaults_are_those_of_the_next_page(
    page: TrainPage, settings: dict[str, Any], tmp_path: Path
) -> None:
    page.studio.ui_config = lambda: tmp_path / "ui-config.json"
    values = typed(page, {"seed": 5, "num_vectors_per_token": 4})[: len(page.form.inputs)]
    assert "ui-config.json" in page.form_settings.press_save(*values)
    assert sorted(json.loads((tmp_path / "ui-config.json").read_text())) == [
        "textual_inversion_studio/Number of vectors per token/value",
        "textual_inversion_studio/Seed/value",
    ]
    with gr.Blocks():
        fresh = build(replace(page.studio, shared=shared_fields()))
    components = fresh.form.components
    assert (components["seed"].value, components["num_vectors_per_token"].value) == (5, 4)
    assert fresh.form_settings.defaults()["seed"] == 5
    again = typed(fresh, {"seed": 0})[: len(fresh.form.inputs)]
    fresh.form_settings.press_save(*again)
    assert page.form_settings.memory.saved() == {"num_vectors_per_token": 4}


def test_the_settings_of_a_run_are_loaded_into_the_form(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    page.press_train(*typed(page, {**settings, "seed": 9}))
    finished(page.studio.jobs.list()[0])
    (run,) = page.refresh()[2]["choices"]
    said, *form = page.form_settings.press_load(run)
    shown = dict(zip(page.form.components, form, strict=True))
    assert (shown["seed"]["value"], shown["token_string"]["value"]) == (9, "zz-thing")
    assert run in said
    with pytest.raises(TIError):
        page.form_settings.press_load(None)


def test_settings_of_another_program_are_laid_over_the_defaults(page: TrainPage) -> None:
    inputs, press = page.form.components, page.form_settings.press_import
    text = "--token_string zz-new --learning_rate 0.25 --network_module x --max_grad_norm 1"
    sent = f"args.txt\n{base64.b64encode(text.encode()).decode()}"
    told, *updates = press(sent)
    shown = {name: one.get("value") for name, one in zip(inputs, updates, strict=True)}
    assert "network_module is left out" in told
    assert (shown["token_string"], shown["learning_rate"]) == ("zz-new", "0.25")
    assert (shown["train_batch_size"], shown["train_data_dir"]) == (1, None), "defaults; as typed"
    assert press("")[0] == gr.update(), "nothing was chosen"
    with pytest.raises(FileError, match="contains no command line"):
        press(f"x.txt\n{base64.b64encode(b'words').decode()}")


def test_the_form_can_be_copied_as_a_command_line(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    _, line = page.form_settings.press_command(*typed(page, {**settings, "seed": 9}))
    words = shlex.split(line["value"])
    assert words[:4] == ["ti", "train", "--pretrained_model_name_or_path", "fake"]
    assert words[words.index("--seed") + 1] == "9"
    assert words[words.index("--output_dir") + 1] == str(page.studio.save_dir())


def unfinished(page: TrainPage, settings: dict[str, Any], **changes: Any) -> Job:
    """A run that was stopped before its end."""
    steps = {"max_train_steps": 100_000, "save_state_every_n_steps": 1}
    page.press_train(*typed(page, {**settings, **steps, **changes}))
    job = page.studio.jobs.list()[0]
    while job.progress.step < 4:
        assert not job.wait(0.05)
    job.control.finish()
    return finished(job)


def test_unfinished_runs_are_listed_newest_first_with_picture_and_step(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    one = unfinished(page, settings)
    two = unfinished(page, settings, token_string="zz-other", sample_every_n_steps=0)
    page.studio.jobs = Jobs()  # the program was started anew
    _, _, run, pictures, *form = renewed(page, True)
    first, second = run["choices"]
    assert first.startswith(f"zz-other, step {two.progress.step} of 100000, ")
    assert second.startswith(f"zz-thing, step {one.progress.step} of 100000, ")
    assert run["value"] == first, "what Resume goes on with"
    assert renewed(page, True, "zz-thing")[2]["value"] == second
    assert renewed(page, True, "zz-typed")[2]["value"] is None
    assert run["visible"] is True
    steps = [(two.progress.step, "zz-other"), (one.progress.step, "zz-thing")]
    told = [text for _, text in pictures["value"]]
    assert told == [f"{step}/100000 {name}" for step, name in steps]
    preview = pictures["value"][1][0].convert("RGB")
    with Image.open(one.progress.previews[-1].path) as saved:
        assert preview.tobytes() == saved.convert("RGB").tobytes()
    shown = dict(zip(page.form.components, form, strict=True))
    assert "value" not in shown["token_string"], "what was the last training's stays out"


def test_a_run_that_is_chosen_fills_the_form_and_is_resumed(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    old = unfinished(page, settings, train_batch_size=2)
    unfinished(page, settings)
    page.studio.jobs = Jobs()
    _, _, run, *_ = renewed(page, True)
    label = run["choices"][1]
    _, told, *form = page.choose_run(label)
    shown = dict(zip(page.form.components, form, strict=True))
    assert f"is at step {old.progress.step} of 100000" in told
    assert shown["token_string"]["value"] == "zz-thing"
    assert shown["train_batch_size"]["value"] == 2
    assert shown["train_data_dir"]["value"] == settings["train_data_dir"]
    logs = settings["logging_dir"]
    assert page.choose_embedding("zz-thing", logs, label)[3]["value"] == label, "it stays chosen"
    assert page.choose_embedding("zz-new", logs, label)[3]["value"] is None
    page.press_resume(label, *typed(page, {"token_string": "zz-new", "logging_dir": logs}))
    job = page.studio.jobs.list()[0]
    job.control.finish()
    assert finished(job).progress.run_folder == old.progress.run_folder


def test_resume_with_an_empty_name_goes_on_with_the_newest(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    with pytest.raises(TrainingError, match="no run"):
        page.press_resume(None, *typed(page, {"token_string": ""}))
    left = unfinished(page, settings)
    page.press_resume(None, *typed(page, {"token_string": ""}))
    job = page.studio.jobs.list()[0]
    job.control.finish()
    assert finished(job).progress.run_folder == left.progress.run_folder


def test_a_list_of_another_page_opens_nothing_else(page: TrainPage) -> None:
    with pytest.raises(NotFoundError, match="no unfinished run"):
        page.press_resume("/etc", *typed(page, {}))


def test_after_resume_curve_and_previews_go_on_and_the_note_goes(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    left = unfinished(page, settings).progress
    assert page.press_resume(None, *typed(page, settings)) == ["", ""]
    job = page.studio.jobs.list()[0]
    while job.progress.step < left.step + 4:
        assert not job.wait(0.05)
    assert renewed(page, False)[0] == ""
    note = page.choose_embedding("zz-thing", settings["logging_dir"], None)[0]
    assert "stands at" not in note, "of a page that is opened now"
    assert renewed(page, False)[2]["choices"] == [], "it is going on"
    job.control.finish()
    progress = finished(job).progress
    assert progress.losses[: left.step] == left.losses
    assert [point[0] for point in progress.losses] == list(range(1, progress.step + 1))
    assert progress.previews[: len(left.previews)] == left.previews
    told = renewed(page, False, "zz-thing")[0]
    assert f"is at step {progress.step} of 100000" in told
    assert renewed(page, False)[2]["value"] == renewed(page, False)[2]["choices"][0]


def test_a_page_that_is_opened_during_a_run_has_its_settings(
    page: TrainPage, settings: dict[str, Any]
) -> None:
    page.press_train(
        *typed(page, {**settings, "width": 128, "height": 64, "max_train_steps": 10**6})
    )
    form = renewed(page, True)[4:]
    shown = dict(zip(page.form.components, form, strict=True))
    assert shown["token_string"]["value"] == "zz-thing"
    assert shown["train_data_dir"]["value"] == settings["train_data_dir"]
    assert (shown["width"]["value"], shown["height"]["value"]) == (128, 64)
    for opened, name in ((False, ""), (True, "zz-typed")):  # nothing that was typed is lost
        assert all("value" not in update for update in renewed(page, opened, name)[4:])
    page.studio.jobs.list()[0].control.finish()
    finished(page.studio.jobs.list()[0])
    form = renewed(page, True)[4:]
    shown = dict(zip(page.form.components, form, strict=True))
    assert "value" not in shown["token_string"], "its word is not that of the next training"
