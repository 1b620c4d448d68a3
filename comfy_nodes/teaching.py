"""What the training nodes do alike: a training, unless it is remembered, shown on its node."""

from __future__ import annotations

from dataclasses import dataclass

from .applied_hypernetwork import about_applied
from .bridge import Bridge
from .content import content_of
from .kinds import Kind, T
from .loaded_model import Clip, Model, Vae, host_of
from .preset import NO_PRESET, about_preset, with_preset
from .remembered import Remembered, recall, remember
from .runs import track_training
from .sockets import DatasetValue, SettingsValue
from .training import run


@dataclass(frozen=True)
class Lent:
    """What a graph lends to a training node."""

    node: str
    """Its number."""
    model: Model
    clip: Clip
    vae: Vae
    name: str
    """Of the checkpoint, if known."""
    workflow: str = ""
    """Of the graph in the browser."""


def teach(
    kind: Kind[T],
    lent: Lent,
    start: T,
    dataset: DatasetValue,
    settings: SettingsValue,
    resume: str,
    preset: str,
) -> Remembered[T]:
    """Train, or find again what was trained from the same content. Raises as `run` does."""
    host = host_of(lent.model, lent.clip, lent.vae, lent.name)
    notices = list(about_applied(lent.model))
    if preset != NO_PRESET:
        values = kind.preset(preset, host.describe(), dataset.data)
        settings, dataset = with_preset(values, settings, dataset, resume)
        notices += [about_preset(preset, values, kind.made_with)]
        notices += kind.otherwise(start, preset, values)
    content = _content(kind, lent, start, dataset, settings, preset)
    found: Remembered[T] | None = recall(content) if resume == "new" else None
    if found is not None:
        return found
    with track_training(lent.node, start.name, lent.workflow) as going:
        bridge = Bridge(going, kind.trains)
        for notice in notices:
            bridge(notice)
        made = run(kind, start, dataset, settings, host, resume, going.control, bridge)
    found = Remembered(made, bridge.told())
    if resume == "new" and bridge.is_done:
        remember(content, found)
    return found


def _content(
    kind: Kind[T], lent: Lent, start: T, dataset: DatasetValue, settings: SettingsValue, preset: str
) -> str:
    """Equal for equal trainings."""
    parts = (lent.model, lent.clip, lent.vae, start, dataset, settings, preset)
    return content_of(kind.group, lent.name, *parts)
