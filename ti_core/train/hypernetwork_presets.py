"""Presets of hypernetworks: rules of thumb, and said to be.

The low rates are those of A1111's documentation ("a very, very low learning rate, something like
0.000005 or 0.0000005"); users of real models report 10,000 to 20,000 steps at 5e-6.
"""

from __future__ import annotations

from typing import Literal

from ..errors import ConfigError
from ..options import nearest
from .presets import Preset

HypernetworkPresetName = Literal["style", "object", "a1111"]

_COMMON = {
    "layer_structure": "1, 2, 1",
    "activation_func": "swish",
    "weight_init": "Normal",
    "learning_rate": "5e-6:12000, 5e-7",
    "max_train_steps": 15_000,
    "prompt_template": "hypernetwork",
}
"""Every preset sets the same settings, so that going from one to another leaves nothing behind."""

HYPERNETWORK_PRESETS: dict[str, Preset] = {
    "style": Preset(
        "Style",
        "15 to 50 pictures of different things in one style, with captions that say all but the "
        "style. A low rate and many steps, with a lower rate at the end.",
        _COMMON,
    ),
    "object": Preset(
        "Object or person",
        "10 to 30 pictures with different surroundings, with captions that say all but what is "
        "taught. A wider structure holds more detail; its file is five times as large.",
        {**_COMMON, "layer_structure": "1, 2, 4, 2, 1", "max_train_steps": 20_000},
    ),
    "a1111": Preset(
        "As in AUTOMATIC1111",
        "The defaults of its tabs: no activation function, one rate. 100,000 steps take long: "
        "interrupt when you like it.",
        {
            **_COMMON,
            "activation_func": "linear",
            "learning_rate": "0.00001",
            "max_train_steps": 100_000,
            "prompt_template": "style_filewords",
        },
    ),
}


def hypernetwork_preset(name: str) -> Preset:
    """A preset. Raises ConfigError for an unknown name."""
    if name not in HYPERNETWORK_PRESETS:
        known = list(HYPERNETWORK_PRESETS)
        fix = nearest(name, known) or f"choose one of {', '.join(known)}"
        raise ConfigError(f"there is no preset {name!r}", "", fix)
    return HYPERNETWORK_PRESETS[name]
