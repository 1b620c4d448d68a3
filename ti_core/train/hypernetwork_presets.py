"""Presets of hypernetworks, in `hypernetwork_presets.json`: each value with its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from ..errors import ConfigError
from ..options import nearest
from .hypernetwork_config import HypernetworkTrainConfig
from .preset_files import Preset, read_presets

HypernetworkPresetName = Literal["style", "object", "a1111"]
HYPERNETWORK_PRESETS = read_presets(
    Path(__file__).with_name("hypernetwork_presets.json"),
    HypernetworkTrainConfig,
    get_args(HypernetworkPresetName),
)


def hypernetwork_preset(name: str) -> Preset:
    """A preset. Raises ConfigError for an unknown name."""
    if name not in HYPERNETWORK_PRESETS:
        known = list(HYPERNETWORK_PRESETS)
        fix = nearest(name, known) or f"choose one of {', '.join(known)}"
        raise ConfigError(f"there is no preset {name!r}", "", fix)
    return HYPERNETWORK_PRESETS[name]
