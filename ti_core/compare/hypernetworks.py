"""Hypernetworks as a `Subject`: at work in every prompt, as `<hypernet:…>` is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import HypernetworkError
from ..events import Notice
from ..files.base_model import other_model
from ..files.kept import KEPT
from ..hypernetworks.applying import Applied
from ..hypernetworks.reading import is_hypernetwork, read_hypernetwork
from ..port.session import Host, ModelFacts, PreviewRequest, Session
from ..randomness import generator
from ..train.hypernetwork import attention_widths
from ..train.hypernetwork_config import HypernetworkDataConfig, HypernetworkTrainConfig
from ..train.learnable import ExtraNetworks
from .adopt import use_hypernetwork
from .subject import Measured, Wording

_PROBE = 64
"""Pixels of the noise that strength is measured on."""


@dataclass(frozen=True)
class HypernetworkCopy:
    """A hypernetwork as it was after some steps. Its numbers are read when they are needed: twelve
    of SDXL take gigabytes."""

    path: Path
    step: int
    widths: tuple[int, ...]
    made_on: tuple[str, str]
    """Name of the checkpoint, and the start of its SHA-256."""

    @property
    def label(self) -> str:
        """See `Copy.label`."""
        return self.path.stem

    def added(self, name: str, device: torch.device, weight: float = 1.0) -> ExtraNetworks:
        """Its modules at this multiplier."""
        found = read_hypernetwork(self.path)
        tensors = {key: each.to(device) for key, each in found.tensors.items()}
        return ExtraNetworks(hypernetwork=Applied(found.structure, tensors, weight))

    def credited(
        self, request: PreviewRequest, name: str, weight: float
    ) -> tuple[PreviewRequest, Mapping[str, str]]:
        """The tag of A1111 that calls this file, at the end of the prompt."""
        tag = f"<hypernet:{self.label}:{weight:g}>"
        return replace(request, prompt=f"{request.prompt} {tag}".strip()), {}

    def notices(self, facts: ModelFacts) -> list[Notice]:
        """See `Copy.notices`."""
        why = "there its modules may do something else, or less"
        present = facts.checkpoint_name, facts.checkpoint_hash
        return other_model(self.label, self.made_on, present, why)

    def fitted(self, facts: ModelFacts) -> HypernetworkCopy:
        """The same: only the open model shows its widths."""
        return self

    def require_fit(self, facts: ModelFacts, session: Session) -> None:
        """The model tells its widths, as before a training."""
        there = attention_widths(facts, session)
        if not set(self.widths) & set(there):
            raise HypernetworkError(
                f"{self.path.name} does not fit this model",
                f"its modules are for {_listed(self.widths)}, the model's attention has "
                f"{_listed(there)}",
                "use it with the model that it was trained on",
            )

    def strength(self, facts: ModelFacts, session: Session, words: Mapping[str, float]) -> Measured:
        """Length of what it adds to a context ÷ length of the context: the mean over keys and
        values of all layers that it changes, in one pass over noise without a prompt."""
        shape, source = facts.latent.shape(_PROBE, _PROBE), generator(0, "strength")
        middle = facts.diffusion.timesteps_at(torch.tensor([0.5]), 1)
        probe = _Probe(self.added("", session.device))
        with torch.no_grad():
            noise = torch.randn(1, *shape, generator=source)
            session.predict(noise, middle, session.encode_prompts([""], {}), probe)
        return Measured(probe.mean)


class Hypernetworks:
    """See `Subject`."""

    config, group, folder = HypernetworkTrainConfig, "hypernetwork", "hypernetworks"
    data, wording = HypernetworkDataConfig(), Wording(by_word=False)

    def holds(self, path: Path) -> bool:
        """See `Subject.holds`."""
        return is_hypernetwork(path)

    def read(self, path: Path) -> HypernetworkCopy:
        """See `Subject.read`."""
        found = read_hypernetwork(path)
        made_on = found.base_model, found.base_hash
        return HypernetworkCopy(path, found.step, found.widths, made_on)

    def use(
        self,
        path: Path,
        folder: Path,
        name: str,
        replace_present: bool = False,
        keep_replaced: int = KEPT,
    ) -> Path:
        """See `adopt.use_hypernetwork`."""
        return use_hypernetwork(path, folder, name, replace_present, keep_replaced)

    def home(self, host: Host) -> Path:
        """See `Subject.home`."""
        return host.hypernetworks_dir()

    def announce(self, host: Host, path: Path) -> None:
        """See `Subject.announce`."""
        host.hypernetwork_saved(path)


class _Probe:
    """A hypernetwork that notes how much it changes."""

    def __init__(self, added: ExtraNetworks) -> None:
        self._changes, self._ratios = added.hypernetwork, list[float]()

    def __call__(self, context: Tensor) -> tuple[Tensor, Tensor]:
        assert self._changes is not None
        keys, values = self._changes(context)
        if keys is not context:
            self._ratios += [_ratio(keys, context), _ratio(values, context)]
        return keys, values

    @property
    def mean(self) -> float:
        """Of all ratios; 0 where nothing was changed."""
        return sum(self._ratios) / max(1, len(self._ratios))


def _ratio(changed: Tensor, context: Tensor) -> float:
    before = context.double()
    return float((changed.double() - before).norm() / before.norm().clamp_min(1e-12))


def _listed(widths: Sequence[int]) -> str:
    return ", ".join(map(str, widths))
