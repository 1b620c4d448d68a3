"""What `/ti/v1` tells of its settings and bodies: in our own words, and as JSON schemas."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from ti_core import options
from ti_core.files.label import Label
from ti_core.train.config import EmbeddingConfig, TrainConfig
from ti_core.train.hypernetwork_config import HypernetworkConfig, HypernetworkTrainConfig
from ti_core.train.hypernetwork_presets import HYPERNETWORK_PRESETS
from ti_core.train.presets import PRESETS

from . import hypernetworks
from .training import SETTLED

_SETTLED: Mapping[type, Collection[str]] = {
    TrainConfig: SETTLED,
    HypernetworkTrainConfig: hypernetworks.SETTLED,
}


def open_settings(kind: type = TrainConfig) -> list[options.Leaf]:
    """Those that may be given for a training of this kind."""
    return [leaf for leaf in options.leaves(kind) if leaf[1].name not in _SETTLED[kind]]


def setting_schema(
    path: tuple[str, ...], item: dataclasses.Field[object], kind: type = TrainConfig
) -> dict[str, object]:
    """A setting with its range and help."""
    holder = options.owner(kind, path)
    wanted, optional = options.value_type(holder, item)
    known = dataclasses.asdict(options.about(item))
    low, high = known.pop("limits")
    return {
        "name": item.name,
        "group": path[0],
        "type": getattr(wanted, "__name__", str(wanted)) if wanted in _SIMPLE else str(wanted),
        "optional": optional,
        "default": item.default,
        "choices": options.choices_of(holder, item),
        "low": low,
        "high": high,
        **known,
    }


_SIMPLE = {int: "integer", float: "number", str: "string", bool: "boolean"}


def job_schema() -> dict[str, object]:
    """JSON schema of what begins a training."""
    settings = {path[-1]: _value_schema(path, item) for path, item in open_settings()}
    preset = {"type": "string", "enum": list(PRESETS)}
    name = {"type": "string"}
    return _object({"settings": _object(settings), "preset": preset, "again": name, "resume": name})


def sweep_schema() -> dict[str, object]:
    """JSON schema of what begins a sweep."""
    settings = {path[-1]: _value_schema(path, item) for path, item in open_settings()}
    values: dict[str, object] = {name: {"type": "array"} for name in settings}
    listed = {"type": "array", "items": _object(settings)}
    given = {"settings": _object(settings), "grid": _object(values), "variants": listed}
    return _object({**given, "resume": {"type": "string"}})


def hypernetwork_job_schema() -> dict[str, object]:
    """JSON schema of what begins a training of a hypernetwork."""
    kind = HypernetworkTrainConfig
    settings = {path[-1]: _value_schema(path, item, kind) for path, item in open_settings(kind)}
    preset = {"type": "string", "enum": list(HYPERNETWORK_PRESETS)}
    return _object({"settings": _object(settings), "preset": preset, "resume": {"type": "string"}})


def hypernetwork_schema() -> dict[str, object]:
    """JSON schema of what makes a hypernetwork."""
    known = {path[-1]: item for path, item in options.leaves(HypernetworkConfig)}
    fields = {
        name: _value_schema((name,), known[name], HypernetworkConfig)
        for name in HYPERNETWORK_CREATED
    }
    return _object({**fields, "overwrite": {"type": "boolean"}})


def library_schema() -> dict[str, object]:
    """JSON schema of a part of the list of embeddings."""
    number, text = {"type": "integer"}, {"type": "string"}
    one = dict.fromkeys(("name", "file", "trigger", "base_model", "family", "reason"), text)
    shape = {"type": "object", "additionalProperties": {"type": "array", "items": number}}
    more = {"vectors": number, "step": number, "shapes": shape, "loaded": {"type": "boolean"}}
    items = {"type": "array", "items": _object({**one, **more})}
    following = {"type": "integer", "nullable": True}
    return _object({"embeddings": items, "total": number, "next": following})


def embedding_schema() -> dict[str, object]:
    """JSON schema of what makes an embedding."""
    known = {path[-1]: item for path, item in options.leaves(EmbeddingConfig)}
    fields = {name: _value_schema((name,), known[name], EmbeddingConfig) for name in CREATED}
    return _object({**fields, "overwrite": {"type": "boolean"}})


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


IMPORTED = _object({"name": {"type": "string"}, "text": {"type": "string"}})
"""JSON schema of another program's settings file."""
RATE = _object({"factor": {"type": "number"}})
"""JSON schema of a change of the learning rate."""
QUEUED = _object(
    {"stopped": {"type": "boolean"}, "id": {"type": "string"}, "places": {"type": "integer"}}
)
"""JSON schema of a change of the queue."""
RESTORED = _object({"file": {"type": "string"}})
"""JSON schema of what brings a copy back."""

_TEXT = {"type": "string"}
_WHICH = {"name": _TEXT, "file": _TEXT}
"""An embedding by its name, or by its file as the list has it."""
RENAMED = _object({**_WHICH, "new_name": _TEXT})
"""JSON schema of another name for an embedding."""
DELETED = _object(_WHICH)
"""JSON schema of what deletes an embedding."""
NOTED = _object({**_WHICH, **{item.name: _TEXT for item in dataclasses.fields(Label)}})
"""JSON schema of notes of an embedding."""


def _value_schema(
    path: tuple[str, ...], item: dataclasses.Field[object], kind: type = TrainConfig
) -> dict[str, object]:
    holder, known = options.owner(kind, path), options.about(item)
    wanted, optional = options.value_type(holder, item)
    told: dict[str, object] = {"description": known.help}
    if wanted in _SIMPLE and not optional:
        told["type"] = _SIMPLE[wanted]
    if choices := options.choices_of(holder, item):
        told["enum"] = list(choices)
    bounds = zip(("minimum", "maximum"), known.limits, strict=True)
    return {**told, **{name: limit for name, limit in bounds if limit is not None}}


CREATED = tuple(
    item.name for _, item in options.leaves(EmbeddingConfig) if item.name not in SETTLED
)
"""Settings of an embedding that is made from words."""
HYPERNETWORK_CREATED = tuple(
    item.name
    for _, item in options.leaves(HypernetworkConfig)
    if item.name not in hypernetworks.SETTLED
)
"""Settings of a hypernetwork that is made."""
