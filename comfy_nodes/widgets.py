"""Node inputs made from the settings' own descriptions, so that nothing is described twice."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from comfy_api.latest import io

from ..ti_core.options import Option, about, choices_of, value_type

T = TypeVar("T")
MOST_IN_A_FORM = 2**53 - 1
"""Browsers count no further."""
SHORT_LABELS = {
    "sample_every_n_steps": "Preview every N steps",
    "save_every_n_steps": "Save a copy every N steps",
    "layer_structure": "Layer structure",
    "activation_func": "Activation function",
    "weight_init": "Weights initialization",
    "dropout_structure": "Dropout structure",
}
"""Setting → its label on nodes, for which A1111's is too wide."""


def widgets(kind: type, *names: str) -> list[io.Input]:
    """The inputs for these fields of a config class: label, help, default, limits and choices are
    the field's; its name is the input's id."""
    return [widget(kind, name) for name in names]


def widget(
    kind: type,
    name: str,
    *,
    multiline: bool = False,
    choices: Sequence[str] = (),
    most: float = MOST_IN_A_FORM,
    optional: bool = False,
    **changes: Any,
) -> io.Input:
    """One such input; `changes` replace what the description says (`help`, `default`, `advanced`),
    `choices` those of the type; `most` is a lower limit than the field's. An input that a node did
    not have at first is `optional`, so that graphs without it still run."""
    field = next(field for field in dataclasses.fields(kind) if field.name == name)
    default = changes.pop("default", field.default)
    changes = {"label": SHORT_LABELS.get(name, about(field).label), **changes}
    known = dataclasses.replace(about(field), **changes)
    wanted, _ = value_type(kind, field)
    told = {
        "display_name": known.label,
        "tooltip": _tooltip(known),
        "default": default,
        "advanced": known.advanced or None,
        "optional": optional,
    }
    choices = choices or choices_of(kind, field)
    if choices:
        return make(io.Combo.Input, name, options=list(choices), **told)
    if wanted is str:
        hint = known.label if multiline else None
        return make(io.String.Input, name, multiline=multiline, placeholder=hint, **told)
    if wanted is bool:
        return make(io.Boolean.Input, name, **told)
    low, high = known.limits
    told["min"] = None if low is None else wanted(low)
    told["max"] = None if high is None else wanted(min(high, most))
    if wanted is float:
        return make(io.Float.Input, name, step=0.01, round=0.0001, **told)
    # a seed that changes by itself would train again at each run
    return make(io.Int.Input, name, step=1, control_after_generate=False, **told)


def optional(inputs: list[io.Input]) -> list[io.Input]:
    """Prompts sent to the API may leave them out."""
    for each in inputs:
        each.optional = True
    return inputs


def _tooltip(known: Option) -> str:
    unit = f" ({known.unit})" if known.unit else ""
    return f"{known.help[:1].upper()}{known.help[1:]}{unit}."


def make(kind: Callable[..., T], *args: object, **told: object) -> T:
    """An object of ComfyUI's API, without what this version of it does not know yet."""
    known = inspect.signature(kind).parameters
    return kind(*args, **{key: value for key, value in told.items() if key in known})


def values_of(kind: type, given: Mapping[str, object]) -> dict[str, Any]:
    """Those of the given inputs that are fields of a config class."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {key: value for key, value in given.items() if key in names}
