"""`--preset`: settings for what is to be taught, below those that are typed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..options import Checked, SettingValues, make_config, option
from ..train.config import TrainConfig
from ..train.hypernetwork_config import HypernetworkTrainConfig
from ..train.hypernetwork_presets import HYPERNETWORK_PRESETS, HypernetworkPresetName
from ..train.presets import PRESETS, PresetName, preset_settings
from .named_file import file_of

if TYPE_CHECKING:
    from ..port.session import Host


@dataclass(frozen=True)
class PresetConfig(Checked):
    """What is to be taught."""

    title = "Preset"
    preset: PresetName | None = option(
        None,
        "settings for what is to be taught: " + ", ".join(PRESETS) + "; they replace those of a "
        "settings file, and options typed here replace them; not for a resumed run",
        label="Preset",
    )


def train_config(
    typed: SettingValues, saved: SettingValues | None = None, host: Host | None = None
) -> TrainConfig:
    """What was typed, over the preset for the host's model, over what was saved.

    Raises ConfigError for what is not possible.
    """
    config, name = make_config(TrainConfig, typed, saved), make_config(PresetConfig, typed).preset
    if name is not None:
        family = host.describe().family if host else None
        preset = preset_settings(name, family, config.data.train_data_dir)
        config = make_config(TrainConfig, {**preset, **typed}, saved)
    if config.several.words:  # whatever is wrong with them shows before the model is opened
        from ..train.words import written_out

        config = written_out(config)
    weights = file_of(config.embedding.weights, config.output.output_dir)
    return replace(config, embedding=replace(config.embedding, weights=weights))


@dataclass(frozen=True)
class HypernetworkPresetConfig(Checked):
    """What a hypernetwork is to be taught."""

    title = "Preset"
    preset: HypernetworkPresetName | None = option(
        None,
        "settings for what is to be taught: " + ", ".join(HYPERNETWORK_PRESETS) + "; they replace "
        "those of a settings file, and options typed here replace them; not for a resumed run",
        label="Preset",
    )


def hypernetwork_config(
    typed: SettingValues, saved: SettingValues | None = None, host: Host | None = None
) -> HypernetworkTrainConfig:
    """What was typed, over the preset, over what was saved. Raises ConfigError for what is not
    possible."""
    name = make_config(HypernetworkPresetConfig, typed).preset
    preset = HYPERNETWORK_PRESETS[name].settings if name else {}
    return make_config(HypernetworkTrainConfig, {**preset, **typed}, saved)
