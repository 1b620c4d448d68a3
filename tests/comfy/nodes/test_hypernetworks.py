"""The nodes for hypernetworks against the core's fake model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.comfy.nodes import program
from tests.comfy.nodes.graph import call, created, dataset, trained
from tests.comfy.nodes.test_training import press_interrupt_at
from ti_core.errors import ConfigError, TIError, TrainingError
from ti_core.hosts.fake import FakeHost
from ti_core.hypernetworks.hypernetwork import Hypernetwork
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.hypernetworks.structure import Structure
from ti_core.train.hypernetwork_config import (
    HypernetworkConfig,
    HypernetworkDataConfig,
    HypernetworkOptimizerConfig,
    HypernetworkOutputConfig,
    HypernetworkPreviewConfig,
    HypernetworkTrainConfig,
)
from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_core.train.loop import train

RATE = "1e-3"


@pytest.fixture(autouse=True)
def captions(request: pytest.FixtureRequest, comfy: dict[str, Path]) -> None:
    """Without [name]: in prompts of a hypernetwork it is a word like any other."""
    if "pictures" in request.fixturenames:
        for path in (comfy["input"] / request.getfixturevalue("pictures")).glob("*.txt"):
            path.write_text(path.read_text().replace("[name]", "thing"))


def made(name: str = "my-style", model: str = "sd1", **more: Any) -> Any:
    options = {"hypernetwork_name": name, **more}
    return call("CreateHypernetwork", model=model, clip="clip", **options).args[0]


def how(steps: int = 6, **more: Any) -> Any:
    usual = {"learning_rate": RATE, "sample_every_n_steps": 3}
    usual |= {"sample_prompts": "a cat --w 64 --h 64 --s 2", "max_train_steps": steps}
    return call("HypernetworkSettings", **{**usual, **more}).args[0]


def taught(folder: str, start: Any = None, steps: int = 6, **more: Any) -> Any:
    settings = more.pop("settings", None) or how(steps)
    inputs = {"model": "sd1", "clip": "clip", "vae": "vae", "dataset": dataset(folder), **more}
    return call("TrainHypernetwork", hypernetwork=start or made(), settings=settings, **inputs)


def same(one: Hypernetwork, other: Hypernetwork) -> bool:
    tensors = other.tensors
    return one.tensors.keys() == tensors.keys() and all(
        torch.equal(each, tensors[name]) for name, each in one.tensors.items()
    )


def test_a_new_one_has_modules_for_every_width_of_the_model_and_follows_the_seed() -> None:
    found = made(layer_structure="1, 2, 1", activation_func="relu")
    assert found.name == "my-style"
    assert found.structure == Structure((1, 2, 1), "relu")
    assert found.base_model == "fake"
    assert len(found.widths) >= 1
    assert same(found, made(activation_func="relu"))
    assert not same(found, made(activation_func="relu", seed=1))
    assert made(model="sdxl").widths != found.widths


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layer_structure": "2, 1"}, "begin and end with 1"),
        ({"layer_structure": "one"}, '"Layer structure"'),
        ({"enable_sizes": "31"}, '"Modules"'),
        ({"use_dropout": True, "dropout_structure": "0.5, 0, 0"}, "Dropout structure"),
        ({"activation_func": "glu"}, "glu"),
        ({"hypernetwork_name": "../evil"}, "path parts"),
        ({"hypernetwork_name": " "}, "no name"),
    ],
)
def test_what_cannot_be_built_is_explained_by_the_labels_of_the_node(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(TIError) as caught:
        made(**options)
    assert told in str(caught.value)
    assert "`" not in str(caught.value)


def test_a_name_that_a_file_cannot_have_is_refused_before_anything_is_loaded() -> None:
    check = program.every_node()["TI_CreateHypernetwork"].validate_inputs
    assert check(hypernetwork_name="my style") is True
    assert "path parts" in check(hypernetwork_name="a/b")


def test_what_comes_out_is_what_the_core_makes_of_the_same_settings(
    pictures: str, comfy: dict[str, Path], tmp_path: Path
) -> None:
    found, log, _ = taught(pictures).args
    with torch.inference_mode(False):
        data = dataset(pictures).data
        config = HypernetworkTrainConfig(
            HypernetworkConfig("my-style", activation_func="swish"),
            HypernetworkDataConfig(data.train_data_dir, resolution=data.resolution),
            HypernetworkOptimizerConfig(learning_rate=RATE, max_train_steps=6),
            output=HypernetworkOutputConfig(
                str(tmp_path / "there"), logging_dir=str(tmp_path / "logs")
            ),
            preview=HypernetworkPreviewConfig(sample_every_n_steps=0),
        )
        path = train(config, FakeHost(tmp_path))
    assert same(found, read_hypernetwork(path))
    assert not same(found, made())
    assert found.step == 6
    assert [step for step, _, _ in log.losses] == [1, 2, 3, 4, 5, 6]
    names = {path.name for path in log.folder.iterdir()}
    assert {"my-style.pt", "start.pt", "settings.json", "loss.png"} <= names
    assert list(comfy["hypernetworks"].iterdir()) == []


def test_the_node_shows_progress_previews_and_what_was_learned(pictures: str) -> None:
    shown = taught(pictures).ui
    assert any("loss" in text and "left" in text for text in program.shown)
    assert [each["filename"] for each in shown["images"]] == [
        "my-style-000000.png",
        "my-style-000003.png",
        "my-style-000006.png",
    ]
    assert "finished at step 6" in shown["text"][0]
    assert "norm of " in shown["text"][0]


def test_settings_are_named_as_on_its_own_node(pictures: str) -> None:
    with pytest.raises(TrainingError) as caught:
        taught(pictures, taught(pictures).args[0], steps=3)
    assert '"Max steps"' in str(caught.value)
    shown = taught(pictures, made("quick"), settings=how(learning_rate="1e-5:3")).ui["text"][0]
    assert '"Hypernetwork Learning rate"' in shown


def test_its_settings_are_not_those_of_embeddings() -> None:
    fields = program.every_node()["TI_HypernetworkSettings"].define_schema().inputs
    defaults = {each.id: each.default for each in fields}
    assert defaults["learning_rate"] == "0.000005"
    assert defaults["save_state_every_n_steps"] == 500
    assert defaults["sample_beside"] is True
    made = call("HypernetworkSettings").args[0]
    assert type(made.optimizer) is HypernetworkOptimizerConfig
    assert type(made.output) is HypernetworkOutputConfig


def test_the_open_template_is_that_of_hypernetworks_and_others_count(pictures: str) -> None:
    for chosen, told in (("auto", "hypernetwork"), ("captions", "captions")):
        _, log, _ = taught(pictures, dataset=dataset(pictures, prompt_template=chosen)).args
        train = json.loads((log.folder / "settings.json").read_text())["train"]
        assert train["data"]["prompt_template"] == told


def test_one_that_was_trained_continues_from_its_step(pictures: str) -> None:
    whole = taught(pictures, made("whole"), steps=12).args[0]
    again = taught(pictures, taught(pictures).args[0], steps=12)
    assert same(whole, again.args[0])
    assert again.args[0].step == 12


def test_a_run_that_was_interrupted_continues_to_the_same_numbers(
    pictures: str, comfy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = taught(pictures, made("whole")).args[0]
    with monkeypatch.context() as patch:
        press_interrupt_at(4, patch)
        with pytest.raises(program.InterruptError):
            taught(pictures)
    assert any('set Resume to "latest"' in text for text in program.shown)
    assert choices("TI_TrainEmbedding") == ["new", "latest"]
    new, latest, label = choices("TI_TrainHypernetwork")
    assert label.startswith("my-style, step 4 of 6, 20")
    with pytest.raises(TrainingError, match="no run of my-style"):
        trained(pictures, created("my-style"), resume="latest")
    assert same(whole, taught(pictures, resume=label).args[0])
    assert choices("TI_TrainHypernetwork") == [new, latest]


def choices(node: str) -> list[str]:
    inputs = program.every_node()[node].define_schema().inputs
    return next(list(each.options) for each in inputs if each.id == "resume")


def test_unfinished_runs_of_both_kinds_are_served_with_their_kind(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for teach in (trained, taught):
        with monkeypatch.context() as patch:
            press_interrupt_at(4, patch)
            with pytest.raises(program.InterruptError):
                teach(pictures)
    runs = program.nodes("routes")._unfinished()
    assert [kind for kind, _ in runs] == ["hypernetwork", "embedding"]


def test_a_preset_takes_the_place_of_the_settings_and_tells_what_is_built_otherwise(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERNETWORK_PRESETS["object"].settings, "max_train_steps", 4)
    found, log, _ = taught(pictures, settings=how(9, seed=5), preset="object").args
    train = json.loads((log.folder / "settings.json").read_text())["train"]
    wanted = HYPERNETWORK_PRESETS["object"].settings
    assert found.step == 4
    assert train["optimizer"]["learning_rate"] == wanted["learning_rate"]
    assert train["compute"]["seed"] == 5
    assert train["hypernetwork"]["layer_structure"] == "1, 2, 1"
    shown = "\n".join(program.shown)
    assert "preset object: learning_rate" in shown
    assert "my-style is built as 1, 2, 1 swish, the preset object wants 1, 2, 4, 2, 1" in shown
    with pytest.raises(ConfigError, match="are both set"):
        taught(pictures, preset="object", resume="latest")


def test_a_training_is_remembered_by_its_content_as_long_as_there_is_room(
    pictures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = taught(pictures)
    taught(pictures, made("other"))
    assert taught(pictures).args[1].folder == first.args[1].folder
    remembered = program.nodes("remembered")
    monkeypatch.setattr(remembered, "_MOST_NUMBERS", first.args[0].numbers)
    kept = taught(pictures, made("third")).args[1].folder
    assert taught(pictures, made("third")).args[1].folder == kept
    assert taught(pictures).args[1].folder != first.args[1].folder
    monkeypatch.setattr(remembered, "_MOST_NUMBERS", 1)
    kept = taught(pictures, made("fourth")).args[1].folder
    assert taught(pictures, made("fourth")).args[1].folder != kept


def test_saved_files_are_found_loaded_and_never_replaced_silently(
    comfy: dict[str, Path],
) -> None:
    style = made()
    saved = save(style)
    assert saved.args[0].name == "my-style"
    assert "<hypernet:my-style:1>" in saved.ui["text"][0]
    assert same(style, load("my-style.pt"))
    assert save(style).args[0].name == "my-style-2"
    with pytest.raises(ConfigError, match=r"already the hypernetwork my-style.pt"):
        save(style, when_there="stop")
    other = made(seed=3)
    assert save(other, when_there="overwrite").args[0].name == "my-style"
    assert same(other, load("my-style.pt"))
    assert same(style, read_hypernetwork(kept(comfy, "my-style.pt.before-1")))
    shown = save(other, name="styles/ink", format="safetensors").ui["text"][0]
    assert "AUTOMATIC1111 and ComfyUI's own loader expect .pt" in shown
    assert load("styles/ink.safetensors").name == "ink"


def kept(comfy: dict[str, Path], name: str) -> Path:
    """The copy, under a name that says what it is."""
    found = comfy["hypernetworks"] / name
    return found.rename(found.with_name("kept.pt"))


def save(style: Any, name: str = "", format: str = "pt", **more: Any) -> Any:
    return call("SaveHypernetwork", hypernetwork=style, name=name, format=format, **more)


def load(file: str) -> Any:
    return call("LoadHypernetwork", file=file).args[0]


def test_only_one_file_of_a_name_is_left_when_another_format_takes_its_place(
    comfy: dict[str, Path],
) -> None:
    save(made(), format="safetensors")
    save(made(seed=1), when_there="overwrite")
    assert sorted(path.name for path in comfy["hypernetworks"].iterdir()) == [
        "my-style.pt",
        "my-style.safetensors.before-1",
    ]


def test_a_structure_that_comfyui_reads_otherwise_is_told_when_it_is_saved() -> None:
    shown = save(made(activation_func="gelu")).ui["text"][0]
    assert "ComfyUI does not know the activation function gelu" in shown


@pytest.mark.parametrize(
    "file", ["../secret.pt", "/etc/passwd", "none.pt", "", "my-style.pt.optim"]
)
def test_only_files_of_the_folder_are_read(comfy: dict[str, Path], file: str) -> None:
    (comfy["hypernetworks"] / "style.pt.optim").write_bytes(b"")
    (comfy["hypernetworks"].parent / "secret.pt").write_bytes(b"")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(comfy["hypernetworks"].parent) not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"name": "../evil"}, "path parts"),
        ({"name": "a:b"}, "other characters"),
        ({"format": "exe"}, "format is 'exe'"),
        ({"when_there": "burn"}, "when_there is 'burn'"),
    ],
)
def test_a_bad_name_or_choice_writes_nothing(
    comfy: dict[str, Path], inputs: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        save(made(), **inputs)
    assert list(comfy["hypernetworks"].iterdir()) == []


def test_the_choice_of_files_is_what_lies_in_the_folder(comfy: dict[str, Path]) -> None:
    def listed() -> list[str]:
        (file,) = program.every_node()["TI_LoadHypernetwork"].define_schema().inputs
        return list(file.options)

    assert listed() == ["(the hypernetworks folder is empty)"]
    save(made(), name="styles/ink")
    (comfy["hypernetworks"] / "notes.txt").write_text("")
    assert listed() == ["styles/ink.pt"]
    node = program.every_node()["TI_LoadHypernetwork"]
    before = node.fingerprint_inputs(file="styles/ink.pt")
    save(made(seed=1), name="styles/ink", when_there="overwrite")
    assert node.fingerprint_inputs(file="styles/ink.pt") != before


def test_applying_changes_a_clone_and_tells_what_it_is() -> None:
    patched: list[Any] = []
    network = SimpleNamespace(model_config=SimpleNamespace(unet_config={"context_dim": 5}))
    clone = SimpleNamespace(
        set_model_attn1_patch=patched.append, set_model_attn2_patch=patched.append
    )
    model: Any = SimpleNamespace(clone=lambda: clone, model=network)
    found = call("ApplyHypernetwork", model=model, hypernetwork=made(), strength=0.7)
    assert found.args[0] is clone
    assert [patch.strength for patch in patched] == [0.7, 0.7]
    assert "made for another kind of model" in found.ui["text"][0]
    with pytest.raises(ConfigError, match="MODEL input is empty"):
        call("ApplyHypernetwork", model=None, hypernetwork=made(), strength=0.7)


@pytest.mark.parametrize("every", [2, 100], ids=["copies", "none"])
@pytest.mark.parametrize("node", ["PreviewGrid", "RateCopies"])
def test_nodes_that_compare_embeddings_name_what_compares_hypernetworks(
    pictures: str, node: str, every: int
) -> None:
    log = taught(pictures, settings=how(save_every_n_steps=every)).args[1]
    inputs = {"model": "sd1", "clip": "clip", "vae": "vae", "log": log}
    other = {"embedding": created()} if node == "PreviewGrid" else {"dataset": dataset(pictures)}
    with pytest.raises(ConfigError) as caught:
        call(node, **inputs, **other)
    assert "hypernetwork my-style" in str(caught.value)
    assert "ti compare output/textual_inversion/" in str(caught.value)
