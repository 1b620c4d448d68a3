"""The training node against the core's fake model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call, created, dataset, settings, trained
from ti_core.errors import ConfigError, TIError, TrainingError, UnsupportedModelError
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import EmbeddingConfig, OptimizerConfig, OutputConfig, TrainConfig
from ti_core.train.loop import train
from ti_core.train.presets import PRESETS
from ti_core.train.state import latest_state


def same(one: Any, two: Any) -> bool:
    keys = one.vectors.keys() == two.vectors.keys()
    return keys and all(torch.equal(one.vectors[k], two.vectors[k]) for k in one.vectors)


def test_what_comes_out_is_what_the_core_makes_of_the_same_settings(
    pictures: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    made, log, _ = trained(pictures).args
    with torch.inference_mode(False):
        config = TrainConfig(
            EmbeddingConfig("my-cat", "cat", 2),
            dataset(pictures).data,
            OptimizerConfig(max_train_steps=6),
            output=OutputConfig(str(tmp_path / "there"), logging_dir=str(tmp_path / "logs")),
        )
        path = train(config, FakeHost(tmp_path))
    assert same(made, read_embedding(path))
    assert [step for step, _, _ in log.losses] == [1, 2, 3, 4, 5, 6]


def test_all_that_a_run_leaves_lies_below_the_output_folder(
    pictures: str, comfy: dict[str, Path]
) -> None:
    _, log, _ = trained(pictures).args
    assert log.folder.is_relative_to(comfy["output"] / "textual_inversion")
    names = {path.name for path in log.folder.iterdir()}
    assert {"my-cat.safetensors", "settings.json", "events.jsonl", "loss.png"} <= names
    assert list(comfy["embeddings"].iterdir()) == []


def test_the_node_shows_progress_time_left_and_previews(pictures: str) -> None:
    shown = trained(pictures).ui
    assert (6, 6, False) in program.bars
    assert any(with_picture for _, _, with_picture in program.bars)
    assert any("loss" in text and "left" in text for text in program.shown)
    assert [each["filename"] for each in shown["images"]] == [
        "my-cat-000000.png",
        "my-cat-000003.png",
        "my-cat-000006.png",
    ]
    assert shown["images"][0]["type"] == "output"


def test_the_node_shows_epoch_prompt_copy_and_each_change_of_the_rate(pictures: str) -> None:
    how = settings(6, learning_rate="0.01:5, 0.005", sample_prompts="")
    trained(pictures, how=how)
    last = next(text for text in reversed(program.shown) if text.startswith("step 6 of 6"))
    assert ", Epoch " in last
    assert "\nLast prompt: " in last
    assert "my-cat" in last
    assert "the learning rate is now 0.005 for step 6" in program.shown


def test_a_preset_takes_the_place_of_the_settings_that_are_connected(
    pictures: str, comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS["style"].settings, "max_train_steps", 4)
    how = settings(9, learning_rate="0.2", seed=5)
    _, log, _ = trained(pictures, created(count=2), how=how, preset="style").args
    train = log_settings(log.folder)
    assert train["optimizer"]["max_train_steps"] == 4
    assert train["optimizer"]["learning_rate"] == PRESETS["style"].settings["learning_rate"]
    assert train["data"]["latent_sampling_method"] == "random"
    assert train["data"]["prompt_template"] == "style_filewords", "there are captions"
    assert train["compute"]["seed"] == 5, "what a preset does not set stays"
    assert train["embedding"]["num_vectors_per_token"] == 2
    shown = "\n".join(program.shown)
    assert "preset style: optimizer_type DTI, learning_rate 0.1" in shown
    assert "my-cat has 2 vector(s), the preset style 6" in shown


def test_without_a_preset_nothing_changes_and_a_resumed_run_takes_none(pictures: str) -> None:
    plain, none = trained(pictures).args[0], trained(pictures, preset="none").args[0]
    assert same(plain, none)
    with pytest.raises(Exception, match="are both set"):
        trained(pictures, preset="face", resume="latest")
    with pytest.raises(Exception, match="there is no preset 'fase'"):
        trained(pictures, preset="fase")


def log_settings(folder: Path) -> Any:
    return json.loads((folder / "settings.json").read_text())["train"]


def test_training_does_not_change_the_embedding_that_came_in(pictures: str) -> None:
    start = created()
    before = {key: rows.clone() for key, rows in start.vectors.items()}
    trained(pictures, start)
    assert all(torch.equal(start.vectors[key], rows) for key, rows in before.items())


def test_what_comes_out_continues_from_its_step(pictures: str) -> None:
    """Six steps, and from what came out of them six more, are twelve in one go."""
    whole = trained(pictures, created("whole"), steps=12).args[0]
    first = trained(pictures).args[0]
    again = trained(pictures, first, steps=12)
    assert same(whole, again.args[0])
    assert again.args[0].step == 12
    assert "continues from step 6" in again.ui["text"][0]
    with pytest.raises(TIError, match="trained for 6 steps already"):
        trained(pictures, first, steps=6)


def press_interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = program.nodes("bridge").Bridge
    original = bridge._step

    def pressed(self: Any, event: Any) -> None:
        original(self, event)
        if event.step == step:
            program.Flag.pressed = True

    monkeypatch.setattr(bridge, "_step", pressed)


def test_interrupt_keeps_everything_says_where_and_ends_as_comfyui_expects(
    pictures: str, comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    press_interrupt_at(4, monkeypatch)
    with pytest.raises(program.InterruptError):
        trained(pictures)
    (folder,) = (comfy["output"] / "textual_inversion").glob("*/my-cat")
    state = latest_state(folder / "state")
    assert state is not None
    assert state.step == 4
    assert any("interrupted at step 4" in text and folder.name in text for text in program.shown)
    assert not program.Flag.pressed


def test_a_run_that_was_interrupted_goes_on_to_the_same_vectors(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(pictures, created("whole")).args[0]
    with monkeypatch.context() as patch:
        press_interrupt_at(4, patch)
        with pytest.raises(program.InterruptError):
            trained(pictures)
    assert same(whole, trained(pictures, resume="latest").args[0])


def choices() -> list[str]:
    inputs = program.every_node()["TI_TrainEmbedding"].define_schema().inputs
    return next(list(each.options) for each in inputs if each.id == "resume")


def test_unfinished_runs_can_be_chosen_the_newest_first(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(pictures, created("whole")).args[0]
    assert choices() == ["new", "latest"]
    for name, step in (("my-cat", 4), ("my-dog", 2), ("my-cat", 3)):
        with monkeypatch.context() as patch:
            press_interrupt_at(step, patch)
            with pytest.raises(program.InterruptError):
                trained(pictures, created(name))
    new, latest, third, second, first = choices()
    assert (new, latest) == ("new", "latest")
    assert third.startswith("my-cat, step 3 of 6, 20")
    assert third.endswith("/my-cat-2)")
    assert second.startswith("my-dog, step 2 of 6, 20")
    node = program.every_node()["TI_TrainEmbedding"]
    assert node.validate_inputs(resume=first) is True
    assert same(whole, trained(pictures, resume=first).args[0])
    assert choices() == ["new", "latest", third, second]


def test_a_run_that_was_chosen_goes_on_though_its_label_is_old(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    twelve = trained(pictures, created("twelve"), steps=12).args[0]
    with monkeypatch.context() as patch:
        press_interrupt_at(4, patch)
        with pytest.raises(program.InterruptError):
            trained(pictures)
    label = choices()[2]
    trained(pictures, resume=label)
    assert same(twelve, trained(pictures, steps=12, resume=label).args[0])


@pytest.mark.parametrize(
    ("label", "error"),
    [
        ("my-cat, step 4 of 6, 2026-11-30 02:10 (2026-11-30/none)", TrainingError),
        ("../../etc", TrainingError),
        ("", TrainingError),
        ("my-dog", ConfigError),
    ],
)
def test_only_a_run_of_this_name_that_is_there_is_resumed(
    pictures: str, monkeypatch: pytest.MonkeyPatch, label: str, error: type[Exception]
) -> None:
    with monkeypatch.context() as patch:
        press_interrupt_at(4, patch)
        with pytest.raises(program.InterruptError):
            trained(pictures, created("my-dog"))
    chosen = choices()[2] if label == "my-dog" else label
    with pytest.raises(error) as caught:
        trained(pictures, resume=chosen)
    assert str(program.folders["output"]) not in str(caught.value)


def test_a_newer_run_that_is_damaged_is_told(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with monkeypatch.context() as patch:
            press_interrupt_at(4, patch)
            with pytest.raises(program.InterruptError):
                trained(pictures)
    (wreck,) = (program.folders["output"] / "textual_inversion").glob("*/my-cat-2/settings.json")
    wreck.write_text("{")
    shown = trained(pictures, resume="latest").ui
    assert "my-cat-2 is skipped" in shown["text"][0]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (1, "interrupted at step 0; everything is kept in output/textual_inversion"),
        (4, "interrupted at step 3; everything is kept in output/textual_inversion"),
    ],
)
def test_an_interrupt_inside_a_layer_says_how_to_go_on(
    pictures: str, monkeypatch: pytest.MonkeyPatch, at: int, told: str
) -> None:
    """Since 0.28 every layer raises it, and forgets; the host presses the button anew."""
    how = settings(6, sample_every_n_steps=0)
    whole = trained(pictures, how=how).args[0]
    with monkeypatch.context() as patch:
        interrupt_predict(at, patch)
        with pytest.raises(program.InterruptError):
            trained(pictures, created("part"), how=how)
    program.Flag.pressed = False
    assert program.shown[-1].startswith(told)
    if at > 1:
        assert 'set Resume to "latest"' in program.shown[-1]
        assert same(whole, trained(pictures, created("part"), how=how, resume="latest").args[0])


def interrupt_predict(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from ti_core.hosts.fake import FakeSession

    predict, calls = FakeSession.predict, []

    def interrupted(self: Any, *inputs: Any, **more: Any) -> Any:
        calls.append(at)
        if len(calls) == at:
            program.Flag.pressed = True
            raise program.InterruptError
        return predict(self, *inputs, **more)

    monkeypatch.setattr(FakeSession, "predict", interrupted)


def test_interrupt_during_a_pause_ends_the_run(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = program.nodes("runs").RunControl
    monkeypatch.setattr(control, "wait", lambda self: setattr(program.Flag, "pressed", True))
    bridge = program.nodes("bridge").Bridge
    monkeypatch.setattr(bridge, "_start", lambda self, event: self.going.control.pause())
    with pytest.raises(program.InterruptError):
        trained(pictures)


def test_finish_now_gives_what_was_learned_and_the_graph_goes_on(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = program.nodes("bridge").Bridge
    original = bridge._step

    def finish(self: Any, event: Any) -> None:
        original(self, event)
        if event.step == 2:
            (run,) = program.nodes("runs").running_trainings()
            run.control.ask("finish")

    monkeypatch.setattr(bridge, "_step", finish)
    made = trained(pictures).args[0]
    assert made.step == 2


def test_steps_can_be_added_to_a_finished_run(pictures: str) -> None:
    twelve = trained(pictures, steps=12).args[0]
    trained(pictures, steps=6)
    assert same(twelve, trained(pictures, steps=12, resume="latest").args[0])


def test_there_must_be_a_run_to_resume(pictures: str) -> None:
    with pytest.raises(TrainingError, match="no run of my-cat"):
        trained(pictures, resume="latest")


def test_a_run_that_is_refused_leaves_no_folder(
    pictures: str, comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnsupportedModelError):
        trained(pictures, how=settings(mixed_precision="fp16"))
    assert list((comfy["output"] / "textual_inversion").glob("*/*")) == []


def test_a_preview_that_fails_for_an_interrupt_ends_the_run(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host presses the button anew before the core takes it for a failed preview."""
    from ti_core.hosts.fake import FakeSession

    def interrupted(*_: Any) -> Any:
        program.Flag.pressed = True
        raise program.InterruptError

    monkeypatch.setattr(FakeSession, "preview", interrupted)
    with pytest.raises(program.InterruptError):
        trained(pictures)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_train_steps", 10_000_000),
        ("max_train_steps", 0),
        ("train_batch_size", 1000),
        ("learning_rate", "nan"),
        ("learning_rate", "quick"),
        ("mixed_precision", "int4"),
        ("sample_every_n_steps", -1),
        ("seed", float("nan")),
    ],
)
def test_settings_that_no_form_would_send_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        settings(**{name: value})


@pytest.mark.parametrize(
    "prompts",
    [
        "[name] --w 4096",
        "[name] --h 63",
        "[name] --s 100000",
        "[name] --x 1",
        "[name]\n" * 17,
        "x" * 30_000,
    ],
)
def test_previews_that_ask_for_too_much_are_refused(pictures: str, prompts: str) -> None:
    with pytest.raises(ConfigError):
        trained(pictures, how=settings(sample_prompts=prompts))


def test_a_preview_prompt_is_never_a_file(pictures: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("--w 64 --h 64 the secret")
    _, log, _ = trained(pictures, how=settings(sample_prompts=f"{secret}")).args
    lines = (log.folder / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    prompts = {event["prompt"] for event in events if event["event"] == "PreviewReady"}
    assert prompts == {str(secret)}


def test_advanced_settings_change_only_what_they_name() -> None:
    plain = settings(seed=5)
    changed = call("AdvancedSettings", settings=plain, clip_skip=2).args[0]
    assert changed.compute.seed == 5
    assert changed.text.clip_skip == 2
    assert changed.preview.sample_prompts == plain.preview.sample_prompts


def test_training_options_reach_the_core_and_change_only_what_they_name(pictures: str) -> None:
    plain = settings(3, seed=5)
    options = {"min_snr_gamma": 5.0, "noise_offset": 0.1, "vector_length": "median"}
    how = call("TrainingOptions", settings=plain, **options).args[0]
    _, log, _ = trained(pictures, how=how).args
    train = log_settings(log.folder)
    assert {**train["optimizer"], **train["embedding"]}.items() >= options.items()
    assert train["compute"]["seed"] == 5
    assert train["embedding"]["num_vectors_per_token"] == 2
    assert call("TrainingOptions", settings=plain).args[0] == plain


def test_a_rate_of_one_text_encoder_is_its_own(pictures: str) -> None:
    still = call("TrainingOptions", settings=settings(3), learning_rate_te1="0").args[0]
    start = created(model="sdxl")
    made = trained(pictures, start, how=still, model="sdxl").args[0]
    assert torch.equal(made.vectors["clip_l"], start.vectors["clip_l"])
    assert not torch.equal(made.vectors["clip_g"], start.vectors["clip_g"])


@pytest.mark.parametrize(("rate", "told"), [("", True), ("0", True), ("1e-3:5, 1e-4", True)])
def test_the_rate_of_a_text_encoder_may_be_empty(rate: str, told: bool) -> None:
    node = program.every_node()["TI_TrainingOptions"]
    assert node.validate_inputs(learning_rate_te1=rate) is told
    assert "quick" in node.validate_inputs(learning_rate_te2="quick")


def test_the_loss_map_is_what_plot_loss_graph_takes(pictures: str) -> None:
    _, log, losses = trained(pictures).args
    assert losses == {"loss": [loss for _, loss, _ in log.losses]}
    assert len(losses["loss"]) == 6


def test_an_error_names_no_path_and_no_option_of_a_command_line(pictures: str) -> None:
    trained(pictures)
    with pytest.raises(TrainingError) as caught:
        trained(pictures, steps=3, resume="latest")
    text = str(caught.value)
    assert '"Max steps"' in text
    assert "--" not in text
    assert str(program.folders["output"]) not in text


def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A name for each training that is really made."""
    module, made = program.nodes("teaching"), []
    run = module.run

    def counted(kind: Any, start: Any, *others: Any) -> Any:
        made.append(start.name)
        return run(kind, start, *others)

    monkeypatch.setattr(module, "run", counted)
    return made


def test_a_training_is_remembered_by_its_content(
    pictures: str, comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ComfyUI keeps the last graph only: A, B, A would train A again."""
    made = count_runs(monkeypatch)
    first = trained(pictures)
    trained(pictures, created("other"))
    again = trained(pictures)
    assert made == ["my-cat", "other"]
    assert same(first.args[0], again.args[0])
    assert again.ui == first.ui
    assert again.args[1].losses == first.args[1].losses


@pytest.mark.parametrize("change", ["model", "vectors", "steps", "caption", "picture", "folder"])
def test_another_content_is_trained_anew(
    pictures: str, comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    made = count_runs(monkeypatch)
    folder = trained(pictures).args[1].folder
    cats = comfy["input"] / pictures
    caption = cats / "0.txt"
    before = caption.read_bytes()
    inputs: dict[str, Any] = {}
    if change == "model":
        inputs["clip"] = "another"
    elif change == "vectors":
        inputs["embedding"] = created(init_word="dog")
    elif change == "steps":
        inputs["steps"] = 7
    elif change == "caption":
        caption.write_bytes(b"another [name]")
    elif change == "picture":
        (cats / "1.png").unlink()
    else:
        (folder / "settings.json").unlink()
    trained(pictures, **inputs)
    assert len(made) == 2
    caption.write_bytes(before)
    trained(pictures)
    assert len(made) == 2


def test_vectors_in_another_order_are_another_content() -> None:
    one = created(init_word="cat on mat", count=3)
    rows = {key: rows.flip(0) for key, rows in one.vectors.items()}
    content_of = program.nodes("content").content_of
    assert content_of(one) != content_of(dataclasses.replace(one, vectors=rows))
    assert content_of(one) == content_of(created(init_word="cat on mat", count=3))


def test_what_was_ended_early_is_not_remembered(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = count_runs(monkeypatch)
    with monkeypatch.context() as patch:
        control = program.nodes("runs").RunControl
        patch.setattr(control, "finishing", property(lambda self: True))
        assert trained(pictures).args[0].step == 0
    assert trained(pictures).args[0].step == 6
    assert len(made) == 2
