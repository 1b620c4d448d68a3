"""Reads hypernetworks: A1111's `.pt` of every version, and our `.safetensors`.

Nothing in a file is executed, and no size is believed: shapes follow from the structure that the
file describes, and numbers are copied only when all of them have those shapes and are in the file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError, FileError, HypernetworkError, UnsafeFileError
from ..files.advice import AGAIN
from ..files.mistaken import START, mistaken, unreadable
from ..files.names import composed, printable
from ..files.notes import from_comment, texts
from ..files.regular_file import open_regular
from ..files.safetensors_directory import read_header, text_metadata
from ..files.safetensors_file import read_safetensors
from ..files.safetensors_header import TensorEntry
from ..files.torch_pickle import read_torch
from ..files.zip_directory import ZIP_START, read_comment
from .fields import info_in, step_in, structure_in, text_in
from .hypernetwork import SIDES, Hypernetwork, shapes, width_of
from .structure import Structure, check_width

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
"""Tensor name → its shape."""
FIELDS = "ti.hypernetwork"
"""Where the metadata of our `.safetensors` has A1111's fields, as JSON."""
_OLD_NAMES = {"linear1": "linear.0", "linear2": "linear.1"}
"""Of the first version, which had two layers and nothing between them."""
_MOST_WIDTHS = 32
_WIDEST = 2**14
_FLOATS = ("F32", "F16", "BF16", "F64")


@dataclass(frozen=True)
class Facts:
    """What is known about a hypernetwork without its numbers."""

    name: str
    """What it is called by: the stem of its file, as in A1111."""
    structure: Structure
    widths: tuple[int, ...]
    step: int
    base_model: str
    numbers: int


@dataclass(frozen=True)
class _Content:
    """A file whose shapes have been looked at."""

    path: Path
    fields: Mapping[Any, object]
    metadata: dict[str, str]
    structure: Structure
    shapes: Shapes

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(map(width_of, self.shapes)))

    @property
    def numbers(self) -> int:
        return sum(map(math.prod, self.shapes.values()))


def is_hypernetwork(path: Path) -> bool:
    """Whether a file says that it is one, be it a good one or a damaged one. What is wrong with
    any other file, its own reader tells."""
    try:
        if _is_safetensors(path):
            return FIELDS in text_metadata(read_header(path))
        with open_regular(path) as file:
            return bool(_pairs(read_torch(file, path, map_memory=True)))
    except FileError:
        return False


def peek_hypernetwork(path: Path) -> Facts:
    """What is in a file; its numbers are not read. Raises as `read_hypernetwork`."""
    if _is_safetensors(path):
        found = _safetensors_content(path)
    else:
        found, _ = _torch_content(path)
    model = text_in(found.fields, "sd_checkpoint_name")
    name, step = printable(composed(path.stem)), step_in(found.fields)
    return Facts(name, found.structure, found.widths, step, model, found.numbers)


def read_hypernetwork(path: Path) -> Hypernetwork:
    """The hypernetwork in a file. It is called by the file's stem, as in A1111 and ComfyUI.

    Raises HypernetworkError where there is none, or where it is damaged or cannot be built;
    UnsafeFileError for a file that asks for code to be run or lies about its sizes; FileError.
    """
    if _is_safetensors(path):
        found = _safetensors_content(path)
        tensors, _ = read_safetensors(path, lambda header: list(found.shapes))
    else:
        found, tensors = _torch_content(path)
    fields = found.fields
    return Hypernetwork(
        printable(composed(path.stem)),
        found.structure,
        {name: _numbers(path, name, tensors[name]) for name in found.shapes},
        step_in(fields),
        text_in(fields, "weight_initialization") or "Normal",
        text_in(fields, "sd_checkpoint_name"),
        text_in(fields, "sd_checkpoint"),
        info_in(fields),
        found.metadata,
    )


def _is_safetensors(path: Path) -> bool:
    """Whether it can be one, by its first bytes. Raises HypernetworkError for what people take for
    a hypernetwork."""
    if not os.path.exists(path):
        raise HypernetworkError(f"there is no hypernetwork {path}", "", "check the path")
    start = _start(path)
    if other := mistaken(start):
        raise HypernetworkError(f"{path} contains no hypernetwork", other[0], _advice(other[1]))
    return start[8:9] == b"{"


def _start(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(START)
    except OSError as error:
        why = error.strerror or str(error)
        raise FileError(f"cannot read {path}", why, "copy the file again") from error


def _advice(fix: str) -> str:
    return fix if fix == AGAIN else "give a hypernetwork's file"


# --- safetensors ------------------------------------------------------------------------------


def _safetensors_content(path: Path) -> _Content:
    header = read_header(path)
    metadata = text_metadata(header)
    fields = _json_fields(path, metadata.get(FIELDS))
    found = {name: _shape(path, name, entry) for name, entry in header.items()}
    widths = dict.fromkeys(_width_of(path, name) for name in found)
    structure = structure_in(fields, path)
    wanted = _wanted(path, structure, tuple(widths))
    _require_same(path, found, wanted)
    notes = {printable(k): printable(v) for k, v in metadata.items() if k != FIELDS}
    return _Content(path, fields, notes, structure, wanted)


def _json_fields(path: Path, text: str | None) -> dict[str, object]:
    if text is None:
        why = f"its metadata has no {FIELDS!r}"
        raise HypernetworkError(
            f"{path} contains no hypernetwork", why, "give a hypernetwork's file"
        )
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HypernetworkError(f"{path} is damaged", f"{FIELDS}: {error}", AGAIN) from error
    if not isinstance(fields, dict):
        raise HypernetworkError(f"{path} is damaged", f"{FIELDS} is not an object", AGAIN)
    return fields


def _shape(path: Path, name: str, entry: TensorEntry) -> Shape:
    if entry["dtype"] not in _FLOATS:
        why = f"{name[:80]!r} has numbers of the type {entry['dtype']}"
        raise HypernetworkError(f"{path} cannot be read", why, "save it as fp32")
    return tuple(entry["shape"])


def _width_of(path: Path, name: str) -> int:
    width = name.partition(".")[0]
    if not (width.isascii() and width.isdigit() and len(width) < 6):
        why = f"{name[:80]!r} belongs to no module"
        raise HypernetworkError(f"{path} contains no hypernetwork", why)
    return int(width)


# --- torch ------------------------------------------------------------------------------------


def _torch_content(path: Path) -> tuple[_Content, dict[str, Tensor]]:
    start = _start(path)
    with open_regular(path) as file:
        comment = read_comment(file, path) if start.startswith(ZIP_START) else b""
        try:
            content = read_torch(file, path, map_memory=True)
        except UnsafeFileError:
            raise
        except FileError as error:
            if other := unreadable(start):
                fix = _advice(other[1])
                raise HypernetworkError(
                    f"{path} contains no hypernetwork", other[0], fix
                ) from error
            raise
        size = os.fstat(file.fileno()).st_size
    modules = _modules(path, content)
    assert isinstance(content, Mapping)  # `_modules` has found some in it
    structure = structure_in(content, path)
    wanted = _wanted(path, structure, tuple(modules))
    tensors = dict(_named(path, modules))
    _require_same(path, {name: tuple(t.shape) for name, t in tensors.items()}, wanted)
    _require_room(path, tensors, size)
    notes = texts(from_comment(comment))
    return _Content(path, content, notes, structure, wanted), tensors


def _modules(path: Path, content: object) -> dict[int, Any]:
    """Width → the pair of modules."""
    found = _pairs(content)
    if not found:
        raise HypernetworkError(f"{path} contains no hypernetwork", *_mistake(content))
    return found


def _pairs(content: object) -> dict[int, Any]:
    """What stands under whole numbers, as nothing but modules does."""
    items = content.items() if isinstance(content, Mapping) else ()
    return {k: v for k, v in items if type(k) is int and isinstance(v, (tuple, list))}


def _mistake(content: object) -> tuple[str, str]:
    """(what it is instead, what to do)"""
    keys = content.keys() if isinstance(content, Mapping) else ()
    if "optimizer_state_dict" in keys:
        return "it is what A1111's optimizer kept beside one", "give the .pt without .optim"
    if "string_to_param" in keys or "emb_params" in keys:
        return "it is an embedding", "use it by its name in prompts"
    return "it has no modules for the widths of a model", "give a hypernetwork's file"


def _named(path: Path, modules: Mapping[int, Any]) -> Iterator[tuple[str, Tensor]]:
    for width, pair in modules.items():
        if len(pair) != len(SIDES) or not all(isinstance(each, Mapping) for each in pair):
            why = f"its module for the width {width} is not a pair of dictionaries"
            raise HypernetworkError(f"{path} is damaged", why, AGAIN)
        for side, module in zip(SIDES, pair, strict=True):
            for key, tensor in module.items():
                if not isinstance(key, str) or not isinstance(tensor, Tensor):
                    why = f"its module for the width {width} holds something else than tensors"
                    raise HypernetworkError(f"{path} is damaged", why, AGAIN)
                layer, dot, rest = key.partition(".")
                yield f"{width}.{side}.{_OLD_NAMES.get(layer, layer)}{dot}{rest}", tensor


def _require_room(path: Path, tensors: Mapping[str, Tensor], size: int) -> None:
    """Names cost a file nothing, and every tensor is copied: no two may be in one place."""
    if sum(each.numel() * each.element_size() for each in tensors.values()) > size:
        why = "its tensors claim more bytes than the file has"
        raise UnsafeFileError(f"{path} was rejected", why, "do not use this file")


# --- both -------------------------------------------------------------------------------------


def _wanted(
    path: Path, structure: Structure, widths: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    if not 1 <= len(widths) <= _MOST_WIDTHS or not all(0 < each <= _WIDEST for each in widths):
        spelled = ", ".join(str(each) for each in widths[:_MOST_WIDTHS])
        why = f"it has modules for the widths {spelled or 'none'}"
        raise HypernetworkError(f"{path} cannot be used", why, "give a hypernetwork's file")
    try:
        for width in widths:
            check_width(structure, width)
    except ConfigError as error:
        raise HypernetworkError(f"{path} cannot be used", f"{error.what}: {error.why}") from error
    return shapes(structure, widths)


def _require_same(path: Path, found: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> None:
    for name in (*wanted, *found):
        if found.get(name) != wanted.get(name):
            has, wants = (_spelled(each.get(name)) for each in (found, wanted))
            why = f"{name[:80]} is {has}, and in its structure it is {wants}"
            raise HypernetworkError(f"{path} does not fit its own structure", why, AGAIN)


def _spelled(shape: Shape | None) -> str:
    return "not there" if shape is None else "x".join(map(str, shape)) or "a single number"


def _numbers(path: Path, name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise HypernetworkError(f"{path} cannot be read", f"{name} has no fractional numbers")
    order = torch.contiguous_format
    made = tensor.detach().to(torch.float32, copy=True, memory_format=order)
    if not torch.stack(torch.aminmax(made)).isfinite().all():
        raise HypernetworkError(
            f"{path} is damaged", f"{name} contains numbers that are not finite"
        )
    return made
