"""Presets: what somebody wants to teach, and the settings to begin with.

They are in `presets.json`, each value with its evidence; most are rules of thumb, and say so. More
vectors hold more detail and leave less room in prompts; the checkup counts images against them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from ..errors import ConfigError, DataError
from ..families import Family
from ..options import SettingValues, nearest
from .config import TrainConfig
from .preset_files import Preset, read_presets

PresetName = Literal["object", "face", "style", "negative", "a1111", "wong"]
PRESETS = read_presets(Path(__file__).with_name("presets.json"), TrainConfig, get_args(PresetName))
FIRST_PRESET = "object"


def preset_named(name: str) -> Preset:
    """A preset. Raises ConfigError for a name that is none."""
    if name not in PRESETS:
        fix = nearest(name, list(PRESETS)) or f"choose one of {', '.join(PRESETS)}"
        raise ConfigError(f"there is no preset {name!r}", "", fix)
    return PRESETS[name]


def preset_settings(name: str, family: Family | None, folder: str = "") -> SettingValues:
    """Setting → value of a preset, for a model and the images in a folder, if they are known.

    Raises ConfigError for a name that is none.
    """
    preset = preset_named(name)
    template = template_for(name, has_captions(_pictures(folder)))
    return {**preset.settings_for(family), **preset.more, "prompt_template": template}


def template_for(name: str, captions: bool) -> str:
    """The prompt template of a preset, when it is known whether the images have captions.

    A style is what is left when the caption has said what there is to see.
    """
    if name == "style" and captions:
        return "style_filewords"
    return str(PRESETS[name].settings["prompt_template"])


def has_captions(pictures: Iterable[Path]) -> bool:
    """Whether there are images, and a caption file beside each."""
    found = [path.with_suffix(".txt").is_file() for path in pictures]
    return bool(found) and all(found)


def _pictures(folder: str) -> list[Path]:
    from ..data.pictures import list_images  # a command line's help is to be there at once

    try:
        return list_images(Path(folder)) if folder else []
    except DataError:
        return []  # anyone who trains on them says what is wrong
