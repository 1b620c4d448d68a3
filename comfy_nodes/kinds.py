"""The kinds of things that nodes train: what a run of each is described, begun and ended by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..ti_core.data.config import DataConfig, check_sides
from ..ti_core.errors import ConfigError
from ..ti_core.events import Notice
from ..ti_core.files.embedding import Embedding
from ..ti_core.files.reading import read_embedding
from ..ti_core.files.writing import write_embedding
from ..ti_core.hypernetworks.hypernetwork import Hypernetwork
from ..ti_core.hypernetworks.reading import read_hypernetwork
from ..ti_core.hypernetworks.writing import write_hypernetwork
from ..ti_core.options import SettingValues
from ..ti_core.port.session import ModelFacts
from ..ti_core.train.config import BaseTrainConfig, TrainConfig
from ..ti_core.train.hypernetwork_config import (
    HypernetworkConfig,
    HypernetworkDataConfig,
    HypernetworkTrainConfig,
)
from ..ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS, hypernetwork_preset
from ..ti_core.train.presets import PRESETS, preset_settings
from ..ti_core.train.previews import preview_requests
from .places import runs_dir, text_file
from .preset import NO_PRESET, embedding_otherwise, hypernetwork_otherwise
from .several import Several, learned, started_in, with_words
from .sockets import SettingsValue

_MOST_PROMPTS = 16
_MOST_TEXT = 20_000
_LARGEST_PREVIEW = 2048
_MOST_SAMPLING_STEPS = 150

T = TypeVar("T", Embedding, Hypernetwork, Several)


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of thing that a node trains."""

    group: str
    """Its own settings within those of a run, by which its runs are found, too."""
    trains: type[BaseTrainConfig]
    """The settings of a run."""
    config: Callable[[T, DataConfig, SettingsValue], BaseTrainConfig]
    """The settings of a run that starts from this; files are still to be named."""
    started_in: Callable[[Any, T, Path], BaseTrainConfig]
    """These settings, with what the run starts from written into its folder."""
    learned: Callable[[Any, Path], T]
    """What a run of these settings has written; the path is that of its first file."""
    presets: Collection[str]
    preset: Callable[[str, ModelFacts, DataConfig], SettingValues]
    """The values of a preset, for a model and these images."""
    otherwise: Callable[[T, str, SettingValues], Iterator[Notice]]
    """What a preset wants of it that it does not have."""
    made_with: Collection[str]
    """Settings of a preset that were decided before the training."""


def embedding_config(
    name: str, count: int, data: DataConfig, settings: SettingsValue
) -> TrainConfig:
    """The core's settings for an embedding of `count` vectors; files are still to be named.

    Raises ConfigError for preview prompts that ask for too much.
    """
    config = TrainConfig(
        replace(settings.embedding, token_string=name, num_vectors_per_token=count),
        data,
        **_parts(settings),
    )
    _require_modest(settings, config)
    return config


def _of_embedding(start: Embedding, data: DataConfig, settings: SettingsValue) -> TrainConfig:
    return embedding_config(start.name, start.count, data, settings)


def _of_hypernetwork(
    start: Hypernetwork, data: DataConfig, settings: SettingsValue
) -> HypernetworkTrainConfig:
    """Prompts need not name a hypernetwork: what the dataset leaves open is its own template."""
    values = {field.name: getattr(data, field.name) for field in fields(DataConfig)}
    if data.prompt_template == "auto":
        del values["prompt_template"]
    config = HypernetworkTrainConfig(
        HypernetworkConfig(hypernetwork_name=start.name).as_built(start),
        HypernetworkDataConfig(**values),
        **_parts(settings),
    )
    _require_modest(settings, config)
    return config


def _of_several(start: Several, data: DataConfig, settings: SettingsValue) -> TrainConfig:
    """`data` is that of the first, and in `start`."""
    shown = DataConfig(resolution=start.resolution)
    config = embedding_config(start.name, 1, shown, settings)
    return with_words(config, start, ("",) * len(start.embeddings))


def _parts(settings: SettingsValue) -> dict[str, Any]:
    """Group of settings → its values; texts are in files, since a text could name one."""
    prompts = text_file(settings.preview.sample_prompts)
    return {
        "optimizer": settings.optimizer,
        "compute": settings.compute,
        "text": settings.text,
        "output": replace(settings.output, output_dir=str(runs_dir()), logging_dir=str(runs_dir())),
        "preview": replace(settings.preview, sample_prompts=str(prompts)),
        "cache": replace(settings.cache, latent_cache_dir=str(runs_dir() / "latents")),
        "validation": settings.validation,
    }


def _require_modest(settings: SettingsValue, config: BaseTrainConfig) -> None:
    """A prompt of anybody must not make images of any size in any number."""
    prompts, requests = settings.preview.sample_prompts, preview_requests(config, (512, 512), "")
    if len(prompts) > _MOST_TEXT or len(requests) > _MOST_PROMPTS:
        raise ConfigError(
            "there are too many preview prompts", "", f"give {_MOST_PROMPTS} lines at the most"
        )
    for request in requests:
        sides = (request.width, request.height)
        what = f"a preview of {sides[0]}x{sides[1]} pixels cannot be made"
        check_sides(what, sides, _LARGEST_PREVIEW)
        if not 1 <= request.steps <= _MOST_SAMPLING_STEPS:
            fix = f"choose 1 to {_MOST_SAMPLING_STEPS}"
            raise ConfigError(f"a preview has {request.steps} sampling steps", "", fix)


def _preset_of_embedding(name: str, facts: ModelFacts, data: DataConfig) -> SettingValues:
    return preset_settings(name, facts.family, data.train_data_dir)


def _no_preset(name: str, facts: ModelFacts, data: DataConfig) -> SettingValues:
    """A preset is for one thing that is taught."""
    what = f"the preset {name} cannot be used for several embeddings"
    raise ConfigError(what, "", f"set Preset to {NO_PRESET}")


def _preset_of_hypernetwork(name: str, facts: ModelFacts, data: DataConfig) -> SettingValues:
    return hypernetwork_preset(name).settings


def _embedding_in(config: TrainConfig, start: Embedding, folder: Path) -> TrainConfig:
    first = folder / "start.safetensors"
    if not first.exists():
        write_embedding(first, start)
    return replace(config, embedding=replace(config.embedding, weights=str(first)))


def _hypernetwork_in(
    config: HypernetworkTrainConfig, start: Hypernetwork, folder: Path
) -> HypernetworkTrainConfig:
    first = folder / "start.pt"
    if not first.exists():
        write_hypernetwork(first, start)
    return replace(config, hypernetwork=replace(config.hypernetwork, weights=str(first)))


EMBEDDING = Kind(
    "embedding",
    TrainConfig,
    _of_embedding,
    _embedding_in,
    lambda config, path: read_embedding(path),
    tuple(PRESETS),
    _preset_of_embedding,
    embedding_otherwise,
    ("num_vectors_per_token", "init_word", "metadata_is_negative_embedding"),
)
HYPERNETWORK = Kind(
    "hypernetwork",
    HypernetworkTrainConfig,
    _of_hypernetwork,
    _hypernetwork_in,
    lambda config, path: read_hypernetwork(path),
    tuple(HYPERNETWORK_PRESETS),
    _preset_of_hypernetwork,
    hypernetwork_otherwise,
    ("layer_structure", "activation_func", "weight_init"),
)
SEVERAL = Kind[Several](
    "several",
    TrainConfig,
    _of_several,
    started_in,
    learned,
    (),
    _no_preset,
    lambda start, name, wanted: iter(()),
    (),
)
KINDS: tuple[Kind[Any], ...] = (EMBEDDING, HYPERNETWORK, SEVERAL)
