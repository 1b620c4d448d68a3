"""What is to be taught, as settings of a graph: the presets of `ti train` and of the panel."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from ..ti_core.errors import ConfigError
from ..ti_core.events import Notice
from ..ti_core.files.embedding import Embedding
from ..ti_core.hypernetworks.hypernetwork import Hypernetwork
from ..ti_core.options import SettingValues
from ..ti_core.train.hypernetwork_config import HypernetworkConfig
from .sockets import DatasetValue, S
from .widgets import values_of

NO_PRESET = "none"
_NEGATIVE = "modelspec.is_negative_embedding"


def with_preset(
    values: SettingValues, settings: S, dataset: DatasetValue, resume: str
) -> tuple[S, DatasetValue]:
    """Settings and dataset with the values of a preset in place of their own.

    Raises ConfigError for a resumed run.
    """
    if resume != "new":
        why = "a run that is resumed has its settings"
        raise ConfigError("Preset and Resume are both set", why, "choose one")
    data = replace(dataset.data, **values_of(type(dataset.data), values))
    return settings.changed(values), replace(dataset, data=data)


def about_preset(name: str, values: SettingValues, of_others: Collection[str]) -> Notice:
    """What a preset has set; `of_others` is what the node has decided that made what is trained."""
    told = (f"{key} {value}" for key, value in values.items() if key not in of_others)
    return Notice("info", f"preset {name}: {', '.join(told)}")


def embedding_otherwise(embedding: Embedding, name: str, wanted: SettingValues) -> Iterator[Notice]:
    """What the preset wants of an embedding, and it has otherwise."""
    count = wanted["num_vectors_per_token"]
    if count != embedding.count:
        what = f"{embedding.name} has {embedding.count} vector(s), the preset {name} {count}"
        yield Notice("info", what, "", "Create Embedding sets their number")
    if wanted["metadata_is_negative_embedding"] and _NEGATIVE not in embedding.metadata:
        what = f"{embedding.name} is not noted as one for the negative prompt"
        yield Notice("info", what, "", "Create Embedding notes it")


def hypernetwork_otherwise(
    hypernetwork: Hypernetwork, name: str, wanted: SettingValues
) -> Iterator[Notice]:
    """What the preset wants of a hypernetwork, and it has otherwise."""
    config = HypernetworkConfig(**values_of(HypernetworkConfig, wanted))
    if config.structure != hypernetwork.structure:
        ours, theirs = hypernetwork.structure.spelled, config.structure.spelled
        what = f"{hypernetwork.name} is built as {ours}, the preset {name} wants {theirs}"
        yield Notice("info", what, "", "Create Hypernetwork builds it")
