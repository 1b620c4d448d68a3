"""A second learnable, as a hypernetwork would be one: this file and a line in `LEARNABLES`.

It learns a residual of low rank on what the attention layers read, keys and values alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ti_core.data.config import DataConfig
from ti_core.data.latent_cache.config import CacheConfig
from ti_core.errors import TrainingError
from ti_core.events import Notice
from ti_core.files.safetensors_file import read_safetensors, to_bytes
from ti_core.options import Checked, group, option
from ti_core.port.session import Host, ModelFacts, Session
from ti_core.randomness import Draws, generator
from ti_core.train.config import (
    BaseTrainConfig,
    ComputeConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    TextConfig,
)
from ti_core.train.learnable import Content, ExtraNetworks, snapshot
from ti_core.train.plan import LEARNABLES
from ti_core.train.state import TrainState
from ti_core.train.validation_config import ValidationConfig


@dataclass(frozen=True)
class ResidualConfig(Checked):
    """The residual: its name and size."""

    title = "Residual"
    residual_name: str = option("", "name of the file", label="Name")
    rank: int = option(2, "columns of its matrices", label="Rank", limits=(1, 64))


@dataclass(frozen=True)
class ResidualTrainConfig(BaseTrainConfig):
    """Everything about the training of a residual."""

    residual: ResidualConfig = group(ResidualConfig)
    data: DataConfig = group(DataConfig)
    optimizer: OptimizerConfig = group(OptimizerConfig)
    compute: ComputeConfig = group(ComputeConfig)
    text: TextConfig = group(TextConfig)
    output: OutputConfig = group(OutputConfig)
    preview: PreviewConfig = group(PreviewConfig)
    cache: CacheConfig = group(CacheConfig)
    validation: ValidationConfig = group(ValidationConfig)

    vectors = 0

    @property
    def name(self) -> str:
        """Of the file."""
        return self.residual.residual_name

    def numbers(self, width: int) -> int:
        """Those of both matrices."""
        return 2 * self.residual.rank * width


class Residual:
    """context + context · down · up, with (width, rank) and (rank, width) matrices."""

    def __init__(self, values: Mapping[str, Tensor], device: torch.device) -> None:
        self.tensors = {
            key: value.to(device, torch.float32, copy=True).requires_grad_()
            for key, value in values.items()
        }

    @property
    def size(self) -> str:
        """Their number."""
        return f"{sum(tensor.numel() for tensor in self.tensors.values())} number(s)"

    def of(self, name: str) -> Residual:
        """Itself: there is one file."""
        return self

    def extra_networks(self, draws: Draws | None = None, strength: float = 1.0) -> ExtraNetworks:
        """As a hypernetwork."""
        return ExtraNetworks(hypernetwork=partial(self.changed, strength=strength))

    def changed(self, context: Tensor, strength: float = 1.0) -> tuple[Tensor, Tensor]:
        """(B, n, width) → what keys and what values are made from."""
        both = context + context @ self.tensors["down"] @ self.tensors["up"] * strength
        return both, both

    def settle(self) -> None:
        """Nothing must hold."""

    def measures(self) -> dict[str, list[float]]:
        """Norm of each matrix."""
        return {key: [tensor.detach().norm().item()] for key, tensor in self.tensors.items()}

    @property
    def usual_lengths(self) -> dict[str, float]:
        """None: it is no word."""
        return {}

    def content(
        self,
        name: str,
        step: int,
        facts: ModelFacts,
        settings: Mapping[str, object],
        origin: Mapping[str, str],
    ) -> Content:
        """A safetensors file, without notes beside it."""
        return Content(to_bytes(snapshot(self.tensors), {"step": str(step)}), None)


class ResidualKind:
    """How it begins."""

    folder, suffix, loss_csv = "residuals", ".safetensors", "residual_loss.csv"

    def __init__(self, config: ResidualTrainConfig) -> None:
        self.config = config.residual

    def check(self, facts: ModelFacts, saved: Mapping[str, Tensor] | None) -> None:
        """A saved one has the model's width."""
        if saved is not None and len(saved["down"]) != _width(facts):
            raise TrainingError("the residual was made for another model")

    def origin(self, facts: ModelFacts) -> None:
        """None begins with a file."""

    def start(
        self, facts: ModelFacts, session: Session, saved: Mapping[str, Tensor] | None
    ) -> tuple[Residual, tuple[Notice, ...]]:
        """Small random numbers, or saved ones."""
        source, shape = generator(0, "residual"), (_width(facts), self.config.rank)
        down, up = torch.randn(shape, generator=source), torch.randn(shape[::-1], generator=source)
        begin = saved or {"down": down * 0.1, "up": up * 0.1}
        return Residual(begin, session.device), (Notice("info", "a residual begins"),)

    def beside(self, content: bytes, state: TrainState) -> Mapping[str, bytes]:
        """Nothing."""
        return {}

    def announce(self, host: Host, path: Path) -> None:
        """No host has a list of them."""


def read_residual(path: Path) -> Residual:
    """What `content` became."""
    return Residual(read_safetensors(path)[0], torch.device("cpu"))


def _width(facts: ModelFacts) -> int:
    return sum(facts.widths.values())


LEARNABLES[ResidualTrainConfig] = ResidualKind
