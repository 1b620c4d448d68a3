"""The standalone host: a Stable Diffusion checkpoint opened with diffusers, offline.

    host = DiffusersHost.open("models/v1-5.safetensors")
    with host.session("bf16") as session:
        ...

Opens diffusers folders and single files (.safetensors, .ckpt) of SD1, SD2 and SDXL.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch

from ...diffusion import Prediction
from ...errors import CheckpointError, ConfigError, setting
from ...port.session import Features, ModelFacts, Precision
from ..common.clip import ClipEncoder
from ..common.host import BaseHost
from ..common.text import encoder_facts
from .folder import download, open_folder
from .models import Model
from .session import DiffusersSession
from .single_file import open_single_file
from .text import encoders_of

HUB_PREFIX = "hub:"
"""Before a name of the Hugging Face hub; without it nothing is downloaded."""


class DiffusersHost(BaseHost):
    """Fulfils `port.Host` for a checkpoint on disk; `model` is what was loaded."""

    name = "diffusers"

    def __init__(
        self, model: Model, device: torch.device, embeddings_dir: Path, compiles: bool = False
    ) -> None:
        self.model, self._target, self._embeddings_dir = model, device, embeddings_dir
        self._compiles = compiles
        self._encoders = encoders_of(model)
        self.busy = threading.Lock()

    @classmethod
    def open(
        cls,
        model: str | Path,
        *,
        device: str | torch.device = "auto",
        tokenizer: str | Path | None = None,
        prediction: Prediction | None = None,
        embeddings_dir: Path = Path("embeddings"),
        name: str = "",
        compiles: bool = False,
    ) -> DiffusersHost:
        """Open a checkpoint, whose weights are read when a session needs them.

        Args:
            model: a checkpoint file, a diffusers folder, or "hub:owner/name".
            device: "auto" takes the first of CUDA, MPS and CPU that is there.
            tokenizer: local folder with CLIP's vocabulary, instead of the usual one.
            prediction: what the network predicts, if the checkpoint does not tell rightly.
            embeddings_dir: where `embeddings_dir()` points to.
            name: what the model is called, if not as its file or folder is.
            compiles: whether blocks of the U-Net are compiled for training steps.

        Raises:
            CheckpointError: the model is missing, damaged, incomplete or of an unknown kind.
            UnsafeFileError: a pickle asks for more than tensors.
            ConfigError: the device is not there.
            HostError: the vocabulary is not there, or the hub is out of reach.
        """
        target = choose_device(device)
        words = Path(tokenizer) if tokenizer is not None else None
        loaded = _load(model, words, prediction)
        return cls(replace(loaded, name=name or loaded.name), target, embeddings_dir, compiles)

    def describe(self) -> ModelFacts:
        """Facts about the model; the first call reads the whole file for its hash."""
        return self._facts

    def identify(self, reached: Callable[[float], bool]) -> bool:
        """Read the whole file for its hash, as the first `describe()` would, and report the share
        that is read, 0 to 1; False when `reached` wanted it to end."""
        digits = _short_hash(self.model.weights_file, reached)
        if digits:
            self._facts = self._known(digits)
        return bool(digits)

    def features(self) -> Features:
        """What can be asked of this host; compiled blocks are not packed."""
        found = super().features()
        return replace(found, packs=()) if self._compiles else found

    def embeddings_dir(self) -> Path:
        """Where embeddings are looked for."""
        return self._embeddings_dir

    def embedding_saved(self, path: Path) -> None:
        """Nothing to refresh here: embeddings are passed to every call."""

    def _encoder(self) -> ClipEncoder:
        return self._encoders[0]

    def _device(self) -> torch.device:
        return self._target

    def _open(self, precision: Precision, stack: ExitStack) -> DiffusersSession:
        facts = self._known("")  # the hash takes as long as it takes to read the file
        encoders, device = self._encoders, self._target
        return DiffusersSession(self.model, facts, encoders, device, precision, self._compiles)

    @cached_property
    def _facts(self) -> ModelFacts:
        return self._known(_short_hash(self.model.weights_file))

    def _known(self, checkpoint_hash: str) -> ModelFacts:
        model = self.model
        return ModelFacts(
            family=model.family,
            encoders=tuple(map(encoder_facts, self._encoders)),
            diffusion=model.diffusion,
            latent=model.latent,
            resolution=model.resolution,
            checkpoint_name=model.name,
            checkpoint_hash=checkpoint_hash,
        )


def choose_device(device: str | torch.device) -> torch.device:
    """The device meant; "auto" is CUDA, else MPS, else CPU. Raises ConfigError if it is missing."""
    if str(device) != "auto":
        return _checked_device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        what, fix = f"the device '{device}' cannot be used", f"try {setting('device')} auto"
        raise ConfigError(what, why, fix) from error
    return chosen


def _load(model: str | Path, tokenizer: Path | None, prediction: Prediction | None) -> Model:
    path = Path(model)
    if path.is_dir():
        return open_folder(path, tokenizer, prediction)
    if path.is_file():
        return open_single_file(path, tokenizer, prediction)
    if str(model).startswith(HUB_PREFIX):
        named = str(model).removeprefix(HUB_PREFIX)
        return replace(open_folder(download(named), tokenizer, prediction), name=named)
    raise CheckpointError(
        f"there is no model '{model}'",
        "it is neither a file nor a folder",
        f"check the path; a name on the hub needs '{HUB_PREFIX}' before it",
    )


def _short_hash(path: Path, reached: Callable[[float], bool] = lambda share: True) -> str:
    """First 10 hex digits of the SHA-256, as A1111 shows it; empty when `reached` ended it."""
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            if not reached(file.tell() / size):
                return ""
    return digest.hexdigest()[:10]
