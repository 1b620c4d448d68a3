"""What is to be taught, as settings of a graph: the presets of `ti train` and of the panel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..ti_core.errors import ConfigError
from ..ti_core.events import Notice
from ..ti_core.files.embedding import Embedding
from ..ti_core.options import SettingValues
from ..ti_core.port.session import Host
from ..ti_core.train.presets import preset_settings
from .sockets import DatasetValue, SettingsValue
from .widgets import values_of

NO_PRESET = "none"
_NEGATIVE = "modelspec.is_negative_embedding"
_OF_THE_EMBEDDING = ("num_vectors_per_token", "init_word", "metadata_is_negative_embedding")
"""What the node that makes the embedding has decided."""


def with_preset(
    name: str, settings: SettingsValue, dataset: DatasetValue, host: Host, resume: str
) -> tuple[SettingsValue, DatasetValue]:
    """Settings and dataset with the values of a preset in place of their own.

    Raises ConfigError for a name that is not a preset, and for a resumed run.
    """
    if resume != "new":
        why = "a run that is resumed has its settings"
        raise ConfigError("Preset and Resume are both set", why, "choose one")
    values = _values(name, host, dataset)
    data = replace(dataset.data, **values_of(type(dataset.data), values))
    return settings.changed(values), replace(dataset, data=data)


def about_preset(
    name: str, embedding: Embedding, dataset: DatasetValue, host: Host
) -> Iterator[Notice]:
    """What a preset has set, and what the embedding has otherwise."""
    if name == NO_PRESET:
        return
    values = _values(name, host, dataset)
    told = (f"{key} {value}" for key, value in values.items() if key not in _OF_THE_EMBEDDING)
    yield Notice("info", f"preset {name}: {', '.join(told)}")
    wanted = values["num_vectors_per_token"]
    if wanted != embedding.count:
        what = f"{embedding.name} has {embedding.count} vector(s), the preset {name} {wanted}"
        yield Notice("info", what, "", "Create Embedding sets their number")
    if values["metadata_is_negative_embedding"] and _NEGATIVE not in embedding.metadata:
        what = f"{embedding.name} is not noted as one for the negative prompt"
        yield Notice("info", what, "", "Create Embedding notes it")


def _values(name: str, host: Host, dataset: DatasetValue) -> SettingValues:
    return preset_settings(name, host.describe().family, dataset.data.train_data_dir)
