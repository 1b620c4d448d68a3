"""A file of presets holds what it must, and nothing that no one reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import ConfigError, FileError
from ti_core.families import SDXL
from ti_core.train import presets
from ti_core.train.config import TrainConfig
from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_core.train.preset_files import Given, Preset, read_presets
from ti_core.train.presets import PRESETS


def document() -> dict[str, Any]:
    """A small file that is right."""
    settings = {"num_vectors_per_token": {"value": 3, "why": "it fits"}}
    entry = {"label": "One", "about": "The only one.", "settings": settings}
    common = {
        "num_vectors_per_token": {"value": 2, "why": "a guess"},
        "max_train_steps": {"value": 100, "why": "measured"},
    }
    return {"common": common, "presets": {"one": entry}}


def read(folder: Path, held: object) -> Preset:
    path = folder / "presets.json"
    path.write_text(json.dumps(held), encoding="utf-8")
    return read_presets(path, TrainConfig, ["one"])["one"]


def test_a_preset_is_the_common_settings_with_its_own(tmp_path: Path) -> None:
    held = document()
    held["presets"]["one"]["by_family"] = {
        "sdxl": {"max_train_steps": {"value": 50, "why": "it is larger"}}
    }
    held["presets"]["one"]["more"] = {"resolution": {"value": [256, 256], "why": "notes"}}
    preset = read(tmp_path, held)
    assert preset.settings == {"num_vectors_per_token": 3, "max_train_steps": 100}
    assert preset.settings_for(SDXL) == {"num_vectors_per_token": 3, "max_train_steps": 50}
    assert preset.given["num_vectors_per_token"] == Given(3, "it fits")
    assert preset.more == {"resolution": (256, 256)}


WRONG: dict[str, Any] = {
    "no evidence": lambda held: held["common"]["max_train_steps"].pop("why"),
    "empty evidence": lambda held: held["common"]["max_train_steps"].update(why=" "),
    "an unknown setting": lambda held: held["common"].update(steps={"value": 1, "why": "x"}),
    "a value out of range": lambda held: held["common"]["max_train_steps"].update(value=0),
    "a value of another type": lambda held: held["common"]["max_train_steps"].update(value="9"),
    "a setting that others leave": lambda held: held["presets"]["one"]["settings"].update(
        train_batch_size={"value": 2, "why": "x"}
    ),
    "an unknown family": lambda held: held["presets"]["one"].update(by_family={"sd9": {}}),
    "an unknown key": lambda held: held["presets"]["one"].update(labels="x"),
    "a missing text": lambda held: held["presets"]["one"].pop("about"),
    "an unknown preset": lambda held: held["presets"].update(two=held["presets"]["one"]),
    "a missing preset": lambda held: held["presets"].pop("one"),
    "a list": lambda held: held.update(presets=[]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_belong_is_rejected(wrong: str, tmp_path: Path) -> None:
    held = document()
    WRONG[wrong](held)
    with pytest.raises(ConfigError):
        read(tmp_path, held)


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "presets.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileError, match=r"presets\.json"):
        read_presets(tmp_path / "presets.json", TrainConfig, [])


@pytest.mark.parametrize("preset", [*PRESETS.values(), *HYPERNETWORK_PRESETS.values()])
def test_every_number_has_its_evidence(preset: Preset) -> None:
    everything = [preset.given, *preset.given_by_family.values(), preset.given_more]
    assert all(each.why.strip() for given in everything for each in given.values())


def test_the_files_of_presets_are_beside_the_code() -> None:
    folder = Path(presets.__file__).parent
    assert {path.name for path in folder.glob("*presets.json")} == {
        "presets.json",
        "hypernetwork_presets.json",
    }
