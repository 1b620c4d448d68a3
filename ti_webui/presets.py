"""Goals: what somebody wants to teach, and the settings to begin with.

They are rules of thumb, and said to be. Learning rates fall in steps as in the schedule that
A1111's wiki recommends (0.005:100, 1e-3:1000, 1e-5), with a last part that still moves: AdamW moves
each number of a vector by about the rate, so that 0.005 is a third of a word's length in one step
(768 numbers, usual length 0.4) and 0.0005 a thirtieth. More vectors hold more detail and leave less
room in prompts; the checkup counts pictures against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ti_core.families import SDXL, Family
from ti_core.options import SettingValues


@dataclass(frozen=True)
class Goal:
    """A preset."""

    label: str
    about: str
    """For whom, and why these settings."""
    settings: SettingValues
    by_family: Mapping[str, SettingValues] = field(default_factory=dict)
    """`Family.id` → settings that differ for it."""

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
}
"""Every goal sets the same settings, so that going from one to another leaves nothing behind."""

GOALS: dict[str, Goal] = {
    "object": Goal(
        "Object",
        "A thing, an animal, a toy: 3 to 10 pictures, each with another background. Two vectors "
        "are enough for what can be seen at a glance. Write what it is as Initialization text.",
        {**_COMMON, "num_vectors_per_token": 2},
    ),
    "face": Goal(
        "Person or face",
        "10 to 30 pictures with different clothes, light and expression. Small differences make "
        "a face: four vectors, and longer at the low rate.",
        {**_COMMON, "num_vectors_per_token": 4, "max_train_steps": 2500},
        {SDXL.id: {"num_vectors_per_token": 3}},
    ),
    "style": Goal(
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
    "negative": Goal(
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
    "a1111": Goal(
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
        },
    ),
}
FIRST_GOAL = "object"


def template_for(goal: str, captions: bool) -> str:
    """The prompt template of a goal, when it is known whether the pictures have captions.

    A style is what is left when the caption has said what there is to see.
    """
    if goal == "style" and captions:
        return "style_filewords"
    return str(GOALS[goal].settings["prompt_template"])
