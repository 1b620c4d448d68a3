"""What a form says that its preset does not: told, marked, and taken back with one click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ti_core.options import SettingValues, about, leaves
from ti_core.train.config import TrainConfig

_OWN = ("token_string", "init_word", "train_data_dir", "logging_dir", "expected_data")
"""Of one training: no preset speaks of them."""


@dataclass(frozen=True)
class Difference:
    """A setting that is not as the preset has it."""

    name: str
    label: str
    value: str
    usual: str


def differences(settings: SettingValues, usual: SettingValues) -> list[Difference]:
    """Those of a form's settings that are not at their `usual` values, in the form's order."""
    labels = {path[-1]: about(item).label for path, item in leaves(TrainConfig)}
    found = []
    for name, value in settings.items():
        if name in _OWN or name not in usual or name not in labels:
            continue
        if _spelled(value) != _spelled(usual[name]):
            found.append(Difference(name, labels[name], _spelled(value), _spelled(usual[name])))
    return found


def _spelled(value: object) -> str:
    """As people read it, whatever kind of number or list a page makes of it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return f"{value:.10g}"
    if isinstance(value, (list, tuple)):
        return " × ".join(map(str, value)) or "–"
    return str(value).strip()


def back_to(usual: SettingValues) -> SettingValues:
    """What a click takes back: everything but what belongs to one training."""
    return {name: value for name, value in usual.items() if name not in _OWN}


def folds_of(found: Sequence[Difference], folds: Mapping[str, Sequence[str]]) -> list[str]:
    """The folds that hold such settings; the form's names of `resolution` are two."""
    names = {one.name for one in found}
    names |= {"width"} if "resolution" in names else set()
    return [fold for fold, inside in folds.items() if names & set(inside)]
