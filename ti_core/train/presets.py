"""Presets: what somebody wants to teach, and the settings to begin with.

They are rules of thumb, and said to be. Learning rates fall in steps as in the schedule that
A1111's wiki recommends (0.005:100, 1e-3:1000, 1e-5), with a last part that still moves: AdamW moves
each number of a vector by about the rate, so that 0.005 is a third of a word's length in one step
(768 numbers, usual length 0.4) and 0.0005 a thirtieth. More vectors hold more detail and leave less
room in prompts; the checkup counts pictures against them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..errors import ConfigError, DataError
from ..families import SDXL, Family
from ..options import SettingValues, nearest

PresetName = Literal["object", "face", "style", "negative", "a1111", "wong"]


@dataclass(frozen=True)
class Preset:
    """A preset."""

    label: str
    about: str
    """For whom, and why these settings."""
    settings: SettingValues
    by_family: Mapping[str, SettingValues] = field(default_factory=dict)
    """`Family.id` → settings that differ for it."""
    more: SettingValues = field(default_factory=dict)
    """Settings that others leave to the user. A form does not fill them in, since choosing another
    preset would not take them back."""

    def settings_for(self, family: Family | None) -> SettingValues:
        """Setting → value."""
        return {**self.settings, **(self.by_family.get(family.id, {}) if family else {})}


_COMMON = {
    "num_vectors_per_token": 2,
    "learning_rate": "0.005:100, 1e-3:1000, 5e-4",
    "max_train_steps": 1500,
    "prompt_template": "auto",
    "resize_mode": "cover",
    "template_choice": "step",
    "latent_sampling_method": "once",
    "metadata_is_negative_embedding": False,
    "save_image_with_stored_embedding": False,
}
"""Every preset sets the same settings, so that going from one to another leaves nothing behind."""

PRESETS: dict[str, Preset] = {
    "object": Preset(
        "Object",
        "A thing, an animal, a toy: 3 to 10 pictures, each with another background. Two vectors "
        "are enough for what can be seen at a glance. Write what it is as Initialization text.",
        {**_COMMON, "num_vectors_per_token": 2},
    ),
    "face": Preset(
        "Person or face",
        "10 to 30 pictures with different clothes, light and expression. Small differences make "
        "a face: four vectors, and longer at the low rate.",
        {**_COMMON, "num_vectors_per_token": 4, "max_train_steps": 2500},
        {SDXL.id: {"num_vectors_per_token": 3}},
    ),
    "style": Preset(
        "Style",
        "15 to 50 pictures of different things in one style. The templates speak of a picture in "
        "the style of the word, and six vectors hold colours, lines and texture.",
        {
            **_COMMON,
            "num_vectors_per_token": 6,
            "max_train_steps": 3000,
            "prompt_template": "style",
            "latent_sampling_method": "random",
        },
        {SDXL.id: {"num_vectors_per_token": 4}},
    ),
    "negative": Preset(
        "Negative",
        "What shall not appear: 30 and more pictures that went wrong in the same way. To be used "
        "in the negative prompt, where eight vectors disturb nobody.",
        {
            **_COMMON,
            "num_vectors_per_token": 8,
            "learning_rate": "0.005:100, 1e-3:1000, 2e-4",
            "max_train_steps": 2000,
            "prompt_template": "style",
            "metadata_is_negative_embedding": True,
        },
    ),
    "a1111": Preset(
        "As in AUTOMATIC1111",
        "The defaults of its Train tab: one vector, one rate, pictures stretched to the size, "
        "one template line for each picture. 100,000 steps take long: interrupt when you like it.",
        {
            **_COMMON,
            "num_vectors_per_token": 1,
            "learning_rate": "0.005",
            "max_train_steps": 100_000,
            "prompt_template": "style_filewords",
            "resize_mode": "stretch",
            "template_choice": "once",
            "save_image_with_stored_embedding": True,
        },
    ),
    "wong": Preset(
        "T. Wong's notes (2023)",
        "A face with 30 vectors, the rate falling from 5e-2 to 5e-6 over 2,500 steps, to compare "
        "with embeddings of that time. Width and Height were 256, Initialization text was empty. "
        "The first rate is ten times A1111's, and what comes out is often too strong.",
        {
            **_COMMON,
            "num_vectors_per_token": 30,
            "learning_rate": "5e-2:100, 5e-3:500, 5e-4:1000, 5e-5:1500, 5e-6",
            "max_train_steps": 2500,
            "prompt_template": "subject_filewords",
        },
        more={"init_word": "", "resolution": (256, 256)},
    ),
}
FIRST_PRESET = "object"


def preset_named(name: str) -> Preset:
    """A preset. Raises ConfigError for a name that is none."""
    if name not in PRESETS:
        fix = nearest(name, list(PRESETS)) or f"choose one of {', '.join(PRESETS)}"
        raise ConfigError(f"there is no preset {name!r}", "", fix)
    return PRESETS[name]


def preset_settings(name: str, family: Family | None, folder: str = "") -> SettingValues:
    """Setting → value of a preset, for a model and the pictures in a folder, if they are known.

    Raises ConfigError for a name that is none.
    """
    preset = preset_named(name)
    template = template_for(name, has_captions(_pictures(folder)))
    return {**preset.settings_for(family), **preset.more, "prompt_template": template}


def template_for(name: str, captions: bool) -> str:
    """The prompt template of a preset, when it is known whether the pictures have captions.

    A style is what is left when the caption has said what there is to see.
    """
    if name == "style" and captions:
        return "style_filewords"
    return str(PRESETS[name].settings["prompt_template"])


def has_captions(pictures: Iterable[Path]) -> bool:
    """Whether there are pictures, and a caption file beside each."""
    found = [path.with_suffix(".txt").is_file() for path in pictures]
    return bool(found) and all(found)


def _pictures(folder: str) -> list[Path]:
    from ..data.pictures import list_images  # a command line's help is to be there at once

    try:
        return list_images(Path(folder)) if folder else []
    except DataError:
        return []  # whoever trains on them says what is wrong
