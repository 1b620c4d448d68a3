"""ComfyUI's loaded model as a host: MODEL, CLIP and VAE of a graph.

    host = ComfyHost(model, clip, vae, name="v1-5")
    with host.session() as session:      # leaves the inference mode that nodes run in
        ...

LoRAs and other weight patches of the graph count, and so does a CLIPSetLastLayer; patches of the
sampling (FreeU, HyperTile …) count in previews only.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE

from ...ti_core.hosts.common.host import BaseHost
from ...ti_core.port.session import Features, ModelFacts, Precision
from .autograd import in_training
from .facts import facts_of
from .session import ComfySession
from .text import Encoder, encoders_of


class ComfyHost(BaseHost):
    """Fulfils `port.Host` for what a graph has loaded.

    Args:
        model, clip, vae: the values of ComfyUI's sockets; without a VAE only words can be encoded.
        name: the checkpoint's name, which the values do not know.
        embeddings_dir: where `embeddings_dir()` points to; ComfyUI's first folder if not given.

    Raises UnsupportedModelError for a model that textual inversion as done here does not fit.
    """

    name = "ComfyUI"
    busy = threading.Lock()
    """One session in the process: every model shares the same memory manager."""

    def __init__(
        self,
        model: ModelPatcher,
        clip: CLIP,
        vae: VAE | None = None,
        name: str = "",
        embeddings_dir: Path | None = None,
    ) -> None:
        self._model, self._clip, self._vae, self._checkpoint = model, clip, vae, name
        self._embeddings_dir = embeddings_dir
        self._encoders = encoders_of(clip)
        self._facts  # noqa: B018  (refuses at once what cannot be trained)

    def features(self) -> Features:
        """What can be asked of this host."""
        return self._with_device(ComfySession.features)

    def describe(self) -> ModelFacts:
        """Facts about the model."""
        return self._facts

    def embeddings_dir(self) -> Path:
        """Where ComfyUI looks for `embedding:NAME`."""
        return self._embeddings_dir or Path(folder_paths.get_folder_paths("embeddings")[0])

    def embedding_saved(self, path: Path) -> None:
        """Nothing to refresh: ComfyUI looks at the disk each time a text is encoded."""

    def hypernetworks_dir(self) -> Path:
        """The first folder where ComfyUI looks for hypernetworks."""
        return self.hypernetworks_dirs()[0]

    def hypernetworks_dirs(self) -> list[Path]:
        """All of them."""
        return [Path(folder) for folder in folder_paths.get_folder_paths("hypernetworks")]

    def _encoder(self) -> Encoder:
        return self._encoders[0]

    def _device(self) -> torch.device:
        return self._model.load_device

    def _open(self, precision: Precision, stack: ExitStack) -> ComfySession:
        stack.enter_context(in_training())
        return ComfySession(self._model, self._clip, self._vae, self._facts, precision)

    @cached_property
    def _facts(self) -> ModelFacts:
        return facts_of(self._model, self._encoders, self._checkpoint)
