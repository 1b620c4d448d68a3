"""The learnable of hypernetworks: modules for the widths of a model's attention."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import HypernetworkError, TrainingError, setting
from ..events import Notice
from ..files.checksum import file_sha256
from ..hypernetworks.activations import ACROSS_THE_BATCH
from ..hypernetworks.applying import Applied
from ..hypernetworks.beginning import beginning
from ..hypernetworks.hypernetwork import Hypernetwork, prefixes, shapes, width_of, widths_of
from ..hypernetworks.reading import read_hypernetwork
from ..hypernetworks.structure import Structure, check_width
from ..hypernetworks.writing import hypernetwork_bytes
from ..port.session import Host, ModelFacts, Session
from ..randomness import Draws
from .events import Measures
from .going_on import Origin
from .hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from .hypernetwork_memory import MEMORY, memory_beside, memory_file
from .learnable import DTYPES, Content, ExtraNetworks
from .state import TrainState

_PROBE = 64
"""Pixels of the image with which a network shows its widths: one latent on its lowest level."""


class HypernetworkModules:
    """What is optimized: every tensor of every module, fp32."""

    def __init__(
        self, begin: Hypernetwork, device: torch.device, ending: str, dtype: torch.dtype
    ) -> None:
        """`ending` and `dtype` are those of its files."""
        self._begin, self._ending, self._dtype = begin, ending, dtype
        self.tensors = {
            name: tensor.detach().to(device, torch.float32, copy=True).requires_grad_()
            for name, tensor in begin.tensors.items()
        }

    @property
    def size(self) -> str:
        """The widths, and how many numbers there are."""
        widths = ", ".join(map(str, self._begin.widths))
        return f"{self._begin.numbers:,} numbers in modules for {widths}"

    def of(self, name: str) -> HypernetworkModules:
        """Itself: there is one file."""
        return self

    def extra_networks(self, draws: Draws | None = None, strength: float = 1.0) -> ExtraNetworks:
        """The modules at work, at this multiplier."""
        applied = Applied(self._begin.structure, self.tensors, strength, draws)
        return ExtraNetworks(hypernetwork=applied)

    def measures(self) -> Measures:
        """The Euclidean length of all numbers of each module."""
        return {
            prefix: [round(_length(self.tensors, prefix), 6)]
            for width in self._begin.widths
            for prefix in prefixes(width)
        }

    @property
    def usual_lengths(self) -> Mapping[str, float]:
        """None: nothing of it is a word."""
        return {}

    def settle(self) -> None:
        """Nothing must hold of the numbers."""

    def content(
        self,
        name: str,
        step: int,
        facts: ModelFacts,
        settings: Mapping[str, object],
        origin: Mapping[str, str],
    ) -> Content:
        """A1111's `.pt`, or `.safetensors`."""
        made = replace(
            self._begin,
            name=name,
            tensors={key: tensor.detach().to(self._dtype) for key, tensor in self.tensors.items()},
            step=step,
            base_model=facts.checkpoint_name,
            base_hash=facts.checkpoint_hash,
            metadata={**origin, "ti.config": json.dumps(dict(settings), sort_keys=True)},
        )
        return Content(hypernetwork_bytes(made, self._ending), None)


def _length(tensors: Mapping[str, Tensor], prefix: str) -> float:
    found = (each for name, each in tensors.items() if name.startswith(f"{prefix}."))
    squares = [each.detach().square().sum() for each in found]
    return float(torch.stack(squares).sum().sqrt())


class HypernetworkKind:
    """Hypernetworks as a `LearnableKind`."""

    folder, loss_csv = "hypernetworks", "hypernetwork_loss.csv"

    def __init__(self, config: HypernetworkTrainConfig) -> None:
        self.config, self.seed, self._all = config.hypernetwork, config.compute.seed, config
        self.suffix = f".{config.output.save_model_as}"
        self._dtype = DTYPES[config.output.save_precision]

    def origin(self, facts: ModelFacts) -> Origin | None:
        """See `LearnableKind.origin`. What the file is built like is written into the settings, so
        that a run can be resumed without the file."""
        if not self.config.weights:
            return None
        path = Path(self.config.weights)
        found, digest = read_hypernetwork(path), file_sha256(path)
        config = replace(self._all, hypernetwork=self.config.as_built(found))
        memory = memory_beside(path, digest, found)
        return Origin(path, digest, found.step, found.tensors, config, memory=memory)

    def check(self, facts: ModelFacts, saved: Mapping[str, Tensor] | None) -> None:
        """See `LearnableKind.check`. The widths of the model are found out by `start`."""
        if saved is not None:
            _require_same(self.config.structure, saved)

    def start(
        self, facts: ModelFacts, session: Session, saved: Mapping[str, Tensor] | None
    ) -> tuple[HypernetworkModules, tuple[Notice, ...]]:
        """See `LearnableKind.start`."""
        there = attention_widths(facts, session)
        if saved is None:
            begin, notices = new_hypernetwork(self.config, self.seed, there)
        else:
            begin, notices = self._continued(saved, there), []
        made = HypernetworkModules(begin, session.device, self.suffix, self._dtype)
        return made, tuple(notices)

    def _continued(self, saved: Mapping[str, Tensor], there: tuple[int, ...]) -> Hypernetwork:
        widths, structure = widths_of(saved), self.config.structure
        if not set(widths) <= set(there):
            raise TrainingError(
                "the run cannot continue with this model",
                f"its modules are for {_listed(widths)}, the model's attention has "
                f"{_listed(there)}",
                "give the model that the run was started with",
            )
        tensors = {name: saved[name] for name in shapes(structure, widths)}
        init = self.config.weight_init
        return Hypernetwork(self.config.hypernetwork_name, structure, tensors, weight_init=init)

    def beside(self, content: bytes, state: TrainState) -> Mapping[str, bytes]:
        """The optimizer's memory, where the settings want it and it is one that A1111 reads."""
        if not self._all.output.save_optimizer_state:
            return {}
        names = list(shapes(self.config.structure, widths_of(state.tensors)))
        data = memory_file(content, names, state, self._all.optimizer.arguments)
        return {MEMORY: data} if data else {}

    def announce(self, host: Host, path: Path) -> None:
        """The host may refresh its list of hypernetworks."""
        host.hypernetwork_saved(path)


def attention_widths(facts: ModelFacts, session: Session) -> tuple[int, ...]:
    """The widths of the contexts of all attention layers, ascending: the network is run once, on
    nothing, and what its layers read is looked at."""
    seen: set[int] = set()

    def look(context: Tensor) -> tuple[Tensor, Tensor]:
        seen.add(context.shape[-1])
        return context, context

    nothing = torch.zeros(1, *facts.latent.shape(_PROBE, _PROBE))
    with torch.no_grad():
        session.predict(nothing, torch.zeros(1).long(), session.encode_prompts([""], {}), look)
    return tuple(sorted(seen))


def new_hypernetwork(
    config: HypernetworkConfig, seed: int, there: tuple[int, ...] | None
) -> tuple[Hypernetwork, list[Notice]]:
    """A file's, or a new one, for a model with attention of the widths `there`; None for any model
    that has those of the settings.

    Raises HypernetworkError for widths that the model does not have, ConfigError where a layer of
    the structure would be too wide or too narrow for one of them.
    """
    if config.weights:
        begin, notices = _from_file(config, there)
    else:
        widths, structure = config.sizes or there or (), config.structure
        _require_there(widths, there)
        for width in widths:
            check_width(structure, width)
        tensors = beginning(structure, widths, config.weight_init, seed)
        name, init = config.hypernetwork_name, config.weight_init
        begin, notices = Hypernetwork(name, structure, tensors, weight_init=init), []
    return begin, [*notices, *about(begin.structure)]


def about(structure: Structure) -> list[Notice]:
    """What to know about a structure before time is spent on it."""
    notices = []
    if why := structure.only_a1111():
        fix = f"change {setting('activation_func')}, or use {setting('activate_output')}"
        notices.append(
            Notice("warning", "only AUTOMATIC1111 will read the file correctly", why, fix)
        )
    if structure.activation in ACROSS_THE_BATCH:
        what = f"{structure.activation} mixes the images of a batch"
        why = "what one image shows depends on those that are made with it, in A1111 too"
        fix = f"choose another {setting('activation_func')}"
        notices.append(Notice("warning", what, why, fix))
    return notices


def _from_file(
    config: HypernetworkConfig, there: tuple[int, ...] | None
) -> tuple[Hypernetwork, list[Notice]]:
    """The hypernetwork of a file, less the modules that the model has no use for."""
    found = read_hypernetwork(Path(config.weights))
    begin = replace(found, name=config.hypernetwork_name)
    unused = [] if there is None else [width for width in found.widths if width not in there]
    if not unused or there is None:
        return begin, []
    if len(unused) == len(found.widths):
        _require_there(found.widths, there)
    kept = {k: each for k, each in found.tensors.items() if width_of(k) not in unused}
    what = f"the modules of {config.weights} for {_listed(unused)} are left out"
    notice = Notice("warning", what, f"the model's attention has {_listed(there)}")
    return replace(begin, tensors=kept), [notice]


def _require_there(widths: Iterable[int], there: tuple[int, ...] | None) -> None:
    missing = [] if there is None else [width for width in widths if width not in there]
    if missing and there:
        raise HypernetworkError(
            f"the model has no attention that is {_listed(missing)} wide",
            f"it has {_listed(there)}",
            f"leave {setting('enable_sizes')} empty, or choose among these",
        )


def _require_same(structure: Structure, saved: Mapping[str, Tensor]) -> None:
    wanted = shapes(structure, widths_of(saved))
    if {name: tuple(each.shape) for name, each in saved.items()} != wanted:
        raise TrainingError(
            "the run cannot continue with another structure",
            f"{setting('layer_structure')}, {setting('activation_func')} or another setting of "
            "the modules has changed",
            "leave them as they were, or start a new run",
        )


def _listed(widths: Iterable[int]) -> str:
    return ", ".join(map(str, widths))
