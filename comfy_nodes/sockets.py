"""What travels along the cables between our nodes.

    TI_EMBEDDING   an `Embedding` of the core: vectors under a name, and where they come from
    TI_DATASET     images and captions in a folder, and how they are to be read
    TI_SETTINGS    how to train: everything but the embedding and the images
    TI_HYPERNETWORK, TI_HYPERNETWORK_SETTINGS    the same for a hypernetwork
    TI_LOG         what a finished training leaves behind
    LOSS_MAP       ComfyUI's own: the losses of all updates, for its Plot Loss Graph

All values are on the CPU and without gradients, and all but hypernetworks (88 MB and more) are
small: ComfyUI keeps them as long as the graph stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TypeVar

from comfy_api.latest import io

from ..ti_core.compare.copies import config_of, copy_files
from ..ti_core.data.config import DataConfig
from ..ti_core.data.latent_cache.config import CacheConfig
from ..ti_core.errors import ConfigError
from ..ti_core.train.config import (
    ComputeConfig,
    EmbeddingConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    TextConfig,
)
from ..ti_core.train.hypernetwork_config import (
    HypernetworkOptimizerConfig,
    HypernetworkOutputConfig,
    HypernetworkPreviewConfig,
    HypernetworkTrainConfig,
)
from ..ti_core.train.run_folder import RunFolder
from ..ti_core.train.standing import Standing
from ..ti_core.train.validation_config import ValidationConfig
from .widgets import values_of

CATEGORY = "Textual Inversion"

EmbeddingSocket = io.Custom("TI_EMBEDDING")
DatasetSocket = io.Custom("TI_DATASET")
SettingsSocket = io.Custom("TI_SETTINGS")
LogSocket = io.Custom("TI_LOG")
LossMapSocket = io.Custom("LOSS_MAP")
HypernetworkSocket = io.Custom("TI_HYPERNETWORK")
HypernetworkSettingsSocket = io.Custom("TI_HYPERNETWORK_SETTINGS")


S = TypeVar("S", bound="SettingsValue")


@dataclass(frozen=True)
class SettingsValue:
    """What TI_SETTINGS carries: the parts of a `TrainConfig` that concern neither the embedding
    nor the images. `preview.sample_prompts` holds the prompts themselves, one per line; of
    `embedding` only `vector_length` and `init_trial_steps` count."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    text: TextConfig = field(default_factory=TextConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    preview: PreviewConfig = field(default_factory=PreviewConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def changed(self: S, options: Mapping[str, object]) -> S:
        """The settings with those of these values that belong to them. Raises ConfigError for a
        value out of its range."""
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        return replace(
            self,
            **{key: replace(part, **values_of(type(part), options)) for key, part in parts.items()},
        )


@dataclass(frozen=True)
class HypernetworkSettingsValue(SettingsValue):
    """What TI_HYPERNETWORK_SETTINGS carries: the parts of a `HypernetworkTrainConfig`."""

    optimizer: OptimizerConfig = field(default_factory=HypernetworkOptimizerConfig)
    output: OutputConfig = field(default_factory=HypernetworkOutputConfig)
    preview: PreviewConfig = field(default_factory=HypernetworkPreviewConfig)


@dataclass(frozen=True)
class DatasetValue:
    """What TI_DATASET carries."""

    data: DataConfig
    """With the absolute folder; it is in ComfyUI's input or temporary folder."""
    pictures: int


@dataclass(frozen=True)
class RunLog:
    """What TI_LOG carries."""

    name: str
    folder: Path
    """The run folder, inside ComfyUI's output folder."""
    losses: tuple[tuple[int, float, float], ...]
    """(step, loss, learning rate) of every update."""

    def copies(self) -> tuple[Path, ...]:
        """The files that it has saved. Raises ConfigError for a run of a hypernetwork."""
        if isinstance(config_of(self.folder), HypernetworkTrainConfig):
            raise ConfigError(
                f"the log is of the hypernetwork {self.name}",
                "this node compares copies of embeddings",
                f"ti compare {self.folder} compares those of hypernetworks",
            )
        return copy_files(self.folder)

    def standings(self) -> list[Standing]:
        """How strong and how far the vectors were; empty for hypernetworks."""
        return RunFolder(self.folder).standings()

    @property
    def loss_map(self) -> dict[str, list[float]]:
        """What LOSS_MAP carries in every version of ComfyUI."""
        return {"loss": [loss for _, loss, _ in self.losses]}
