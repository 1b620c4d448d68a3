"""What the form of Train remembers, and what it never takes over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import FileError, ForbiddenError, TIError
from ti_core.hosts.fake import FakeHost
from ti_core.train.config import TrainConfig
from ti_core.train.loop import train
from ti_webui.form_memory import LAST, FormMemory
from ti_webui.studio import Studio

from ..conftest import Configure


@pytest.fixture
def memory(studio: Studio, tmp_path: Path) -> FormMemory:
    studio.ui_config = lambda: tmp_path / "ui-config.json"
    return FormMemory(studio)


def ui_config(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "ui-config.json").read_text("utf-8"))
    return found


def test_the_last_training_is_remembered_but_for_its_word(
    memory: FormMemory, tmp_path: Path
) -> None:
    assert memory.last() == {}
    memory.keep(
        {"token_string": "zz-cat", "init_word": "Käse", "resolution": (64, 128), "seed": 7,
         "mixed_precision": "auto", "overwrite": True, "logging_dir": "elsewhere"}
    )  # fmt: skip
    assert (tmp_path / "log" / LAST).is_file()
    assert memory.last() == {
        "init_word": "Käse", "resolution": (64, 128), "seed": 7, "mixed_precision": "auto",
    }  # fmt: skip


@pytest.mark.parametrize("content", ["", "[]", "{", '{"seed": "x", "no_such": 1}', "\0\0"])
def test_a_damaged_memory_is_none(memory: FormMemory, tmp_path: Path, content: str) -> None:
    memory.keep({"seed": 7})
    (tmp_path / "log" / LAST).write_text(content)
    assert memory.last() == {}


def test_values_that_are_not_possible_any_more_are_left_out(
    memory: FormMemory, tmp_path: Path
) -> None:
    memory.keep({"seed": 7})
    values = {"seed": 7, "lr_scheduler": "quadratic", "clip_grad_mode": "norm", "max_grad_norm": 1}
    (tmp_path / "log" / LAST).write_text(json.dumps(values))
    assert memory.last() == {"seed": 7, "clip_grad_mode": "norm"}, "two spellings of one thing"


def test_saved_defaults_lie_in_ui_config_under_the_web_ui_s_names(
    memory: FormMemory, tmp_path: Path
) -> None:
    other = {"txt2img/Width/value": 768, "textual_inversion_studio/Seed/value": 5}
    (tmp_path / "ui-config.json").write_text(json.dumps(other))
    assert memory.saved() == {"seed": 5}
    usual = {"seed": 0, "max_train_steps": 1500, "init_word": "*"}
    memory.save({"seed": 0, "max_train_steps": 3000, "init_word": "*"}, usual)
    assert ui_config(tmp_path) == {
        "txt2img/Width/value": 768, "textual_inversion_studio/Max steps/value": 3000,
    }  # fmt: skip
    assert memory.saved() == {"max_train_steps": 3000}


def test_a_ui_config_that_cannot_be_read_is_not_replaced(
    memory: FormMemory, tmp_path: Path
) -> None:
    path = tmp_path / "ui-config.json"
    path.write_text('{"txt2img/Width/value": 768,')
    assert memory.saved() == {}
    with pytest.raises(FileError, match="ui-config"):
        memory.save({"seed": 1}, {})
    assert path.read_text() == '{"txt2img/Width/value": 768,'


def test_strangers_save_no_defaults(memory: FormMemory, tmp_path: Path) -> None:
    memory.studio.dataset_roots = lambda: (tmp_path / "log",)
    with pytest.raises(ForbiddenError, match="defaults cannot be saved"):
        memory.save({"seed": 1}, {})
    assert not (tmp_path / "ui-config.json").exists()


def test_the_settings_of_a_run_are_found_by_its_folder_or_its_file(
    memory: FormMemory, configure: Configure
) -> None:
    config: TrainConfig = configure(max_train_steps=2, seed=5, resolution=(64, 64))
    train(config, FakeHost())
    (folder,) = memory.runs()
    for text in (folder, f"{folder}/settings.json"):
        found = memory.of_run(text)
        assert (found["token_string"], found["seed"]) == ("zz-thing", 5)
        assert found["resolution"] == (64, 64)


@pytest.mark.parametrize("text", ["", "nowhere", "/proc", "/etc/passwd"])
def test_what_is_no_run_is_refused(memory: FormMemory, text: str) -> None:
    with pytest.raises(TIError):
        memory.of_run(text)


def test_runs_outside_of_the_folders_are_not_opened(
    memory: FormMemory, configure: Configure, tmp_path: Path
) -> None:
    train(configure(max_train_steps=1), FakeHost())
    (folder,) = memory.runs()
    memory.studio.dataset_roots = lambda: (tmp_path / "pictures",)
    with pytest.raises(ForbiddenError):
        memory.of_run(folder)
