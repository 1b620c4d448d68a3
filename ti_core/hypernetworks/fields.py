"""What a hypernetwork's file says beside its numbers, under A1111's names.

Older files lack what later versions of A1111 added; what is assumed then is what A1111 assumes
(`Hypernetwork.load`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, HypernetworkError
from ..files.names import printable
from ..files.notes import step_of
from .hypernetwork import Hypernetwork
from .structure import Structure, old_dropout

_LONGEST = 10_000
"""Letters of `optional_info`."""
_LONGEST_NAME = 1000
_LARGEST = 1e9
"""Of a structure's numbers; NaN and infinity are not below it."""


def structure_in(fields: Mapping[Any, object], path: Path) -> Structure:
    """The structure that a file describes. Raises HypernetworkError for one that no one can build;
    `path` is the file's name in errors."""
    layers = _numbers(fields, "layer_structure", path) or (1, 2, 1)
    activation = fields.get("activation_func")
    try:
        return Structure(
            layers,
            "linear" if activation is None else str(activation)[:_LONGEST_NAME],
            _flag(fields, "is_layer_norm", False),
            _flag(fields, "activate_output", True),
            _dropout(fields, layers, path),
        )
    except ConfigError as error:
        raise HypernetworkError(f"{path} cannot be used", f"{error.what}: {error.why}") from error


def _dropout(
    fields: Mapping[Any, object], layers: tuple[float, ...], path: Path
) -> tuple[float, ...]:
    found = _numbers(fields, "dropout_structure", path)
    if found is not None:
        return found[: len(layers)]
    if not _flag(fields, "use_dropout", False):
        return ()
    return old_dropout(layers, _flag(fields, "last_layer_dropout", False))


def _flag(fields: Mapping[Any, object], name: str, missing: bool) -> bool:
    value = fields.get(name, missing)
    return value if isinstance(value, bool) else bool(value) and value == value


def _numbers(fields: Mapping[Any, object], name: str, path: Path) -> tuple[float, ...] | None:
    value: Any = fields.get(name)
    if value is None:
        return None
    good = isinstance(value, (list, tuple)) and all(
        type(each) in (int, float) and abs(each) < _LARGEST for each in value
    )
    if not good:
        raise HypernetworkError(f"{path} is damaged", f"its {name} is not a list of numbers")
    return tuple(map(float, value))


def step_in(fields: Mapping[Any, object]) -> int:
    """Updates that made it; 0 where the file does not say."""
    return step_of(fields.get("step"))


def text_in(fields: Mapping[Any, object], name: str, longest: int = _LONGEST_NAME) -> str:
    """A text of the file; "" where there is none."""
    value = fields.get(name)
    return printable(value[:longest]) if isinstance(value, str) else ""


def info_in(fields: Mapping[Any, object]) -> str:
    """A1111's `optional_info`."""
    return text_in(fields, "optional_info", _LONGEST)


def fields_of(hypernetwork: Hypernetwork) -> dict[str, Any]:
    """What `Hypernetwork.save` of A1111 writes beside the modules.

    Two values are chosen so that ComfyUI computes the same: the activation function is "linear"
    and never None, which ComfyUI refuses; and `use_dropout` is False, since ComfyUI would drop
    numbers while it makes images. A1111 reads from `dropout_structure` whether there is dropout.
    """
    structure = hypernetwork.structure
    dropout = structure.dropout or (0.0,) * len(structure.layers)
    return {
        "step": hypernetwork.step,
        "name": hypernetwork.name,
        "layer_structure": [float(each) for each in structure.layers],
        "activation_func": structure.activation,
        "is_layer_norm": structure.layer_norm,
        "weight_initialization": hypernetwork.weight_init,
        "sd_checkpoint": hypernetwork.base_hash or None,
        "sd_checkpoint_name": hypernetwork.base_model or None,
        "activate_output": structure.activate_output,
        "use_dropout": False,
        "dropout_structure": [float(each) for each in dropout],
        "last_layer_dropout": dropout[-2] != 0,
        "optional_info": hypernetwork.optional_info or None,
    }
