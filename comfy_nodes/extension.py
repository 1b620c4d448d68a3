"""What ComfyUI asks for when it loads the pack: the list of nodes."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import routes
from .nodes.comparing import LoadRun, RateCopies, SettingsOfEmbedding
from .nodes.dataset import DatasetFromFolder, DatasetFromImages, DatasetOptions
from .nodes.embedding import CreateEmbedding, LoadEmbedding, SaveEmbedding
from .nodes.hypernetwork import (
    ApplyHypernetwork,
    CreateHypernetwork,
    LoadHypernetwork,
    SaveHypernetwork,
)
from .nodes.hypernetwork_training import HypernetworkSettings, TrainHypernetwork
from .nodes.looking import InspectEmbedding, LossPlot
from .nodes.mixing import MergeEmbeddings, ScaleEmbedding
from .nodes.picking import PickEmbedding
from .nodes.preprocess import Preprocess
from .nodes.training import AdvancedSettings, TrainEmbedding, TrainingOptions, TrainingSettings
from .nodes.training_several import TrainEmbeddings
from .nodes.using import ApplyEmbedding, PreviewGrid
from .nodes.words import CaptionList, CheckDataset

NODES: list[type[io.ComfyNode]] = [
    CreateEmbedding,
    LoadEmbedding,
    SaveEmbedding,
    PickEmbedding,
    DatasetFromFolder,
    DatasetFromImages,
    DatasetOptions,
    Preprocess,
    CaptionList,
    CheckDataset,
    TrainingSettings,
    AdvancedSettings,
    TrainingOptions,
    TrainEmbedding,
    TrainEmbeddings,
    ApplyEmbedding,
    PreviewGrid,
    LoadRun,
    RateCopies,
    SettingsOfEmbedding,
    InspectEmbedding,
    LossPlot,
    MergeEmbeddings,
    ScaleEmbedding,
    CreateHypernetwork,
    LoadHypernetwork,
    HypernetworkSettings,
    TrainHypernetwork,
    ApplyHypernetwork,
    SaveHypernetwork,
]


class TextualInversion(ComfyExtension):
    """The pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Every node, in the order in which they are used."""
        return NODES


async def comfy_entrypoint() -> TextualInversion:
    """Called once; the routes are there before the first node runs."""
    routes.register()
    return TextualInversion()
