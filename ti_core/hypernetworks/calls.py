"""`<hypernet:name:0.7>` in prompts: which hypernetworks they call, and how strongly (A1111)."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import ConfigError
from ..events import Notice
from ..options import nearest
from ..port.session import Hypernetwork as Changes
from .applying import Applied, in_turn
from .hypernetwork import Hypernetwork
from .reading import read_hypernetwork
from .writing import ENDINGS

_TAG = re.compile(r"<hypernet:([^>]+)>")
_MOST_FILES = 10_000


class Call(NamedTuple):
    """One hypernetwork in a prompt."""

    name: str
    """Of its file, without ending; letter case counts."""
    multiplier: float = 1.0


def calls_in(prompt: str) -> tuple[str, tuple[Call, ...]]:
    """The prompt without such tags, and what they call, in order. A name without a number counts
    fully, and one may stand there twice. A1111 reads prompts so, and not negative ones.

    Raises ConfigError for a multiplier that is not a number.
    """
    return _TAG.sub("", prompt), tuple(_call(found[1]) for found in _TAG.finditer(prompt))


def _call(text: str) -> Call:
    name, *rest = text.split(":")
    if not rest:
        return Call(name)
    try:
        multiplier = float(rest[0])
        if not math.isfinite(multiplier):
            raise ValueError(rest[0])
    except ValueError as error:
        what = f"<hypernet:{text:.200}> in the prompt"
        fix = f"write <hypernet:{name:.100}:1>"
        raise ConfigError(what, f"{rest[0]!r:.100} is not a number", fix) from error
    return Call(name, multiplier)


def hypernetworks_in(files: Iterable[Path], folders: Iterable[Path] = ()) -> dict[str, Path]:
    """Name → file: those in folders and below, where of two of one name the last in the order of
    paths is meant, as in A1111; then the listed files, which come before all others."""
    found: dict[str, Path] = {}
    for folder in folders:
        there = [path for path in folder.rglob("*") if path.suffix in ENDINGS][:_MOST_FILES]
        for path in sorted(there, key=lambda path: str(path).lower()):
            found[path.stem] = path
    return found | {path.stem: path for path in files}


def require_known(calls: Iterable[Call], known: Mapping[str, Path]) -> None:
    """Raise ConfigError for a name that none of these files has."""
    for call in calls:
        _path_of(call.name, known)


def called(
    calls: Sequence[Call], known: Mapping[str, Path], device: torch.device
) -> tuple[Changes | None, tuple[int, ...]]:
    """What these calls add to a model, and the widths that they change; None for no calls.

    Raises ConfigError for an unknown name, HypernetworkError for a file that cannot be used.
    """
    found = loaded(calls, known, device)
    applied = [
        Applied(found[name].structure, found[name].tensors, multiplier)
        for name, multiplier in calls
    ]
    widths = {width for each in found.values() for width in each.widths}
    return (in_turn(applied) if applied else None), tuple(sorted(widths))


def loaded(
    calls: Iterable[Call], known: Mapping[str, Path], device: torch.device
) -> dict[str, Hypernetwork]:
    """Name → what its file holds, each read once, on this device. Raises as `called` does."""
    names = dict.fromkeys(call.name for call in calls)
    return {name: _on(device, read_hypernetwork(_path_of(name, known))) for name in names}


def misfit(names: Sequence[str], changed: Collection[int], context: int) -> Notice | None:
    """A warning where these hypernetworks have no module for the prompts of a model, which are
    `context` wide; A1111 and ComfyUI say nothing. `changed` are the widths of their modules."""
    if not names or context in changed:
        return None
    what = f"{', '.join(names)}: made for another kind of model"
    why = f"there is no module for its prompts, which are {context} wide"
    return Notice("warning", what, why)


def _on(device: torch.device, one: Hypernetwork) -> Hypernetwork:
    return replace(one, tensors={name: each.to(device) for name, each in one.tensors.items()})


def _path_of(name: str, known: Mapping[str, Path]) -> Path:
    if name not in known:
        what = f"there is no hypernetwork {name!r:.200}"
        raise ConfigError(what, "", nearest(name, list(known)) or "check the name in the prompt")
    return known[name]
