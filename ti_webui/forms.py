"""Forms made from config classes: a component for each setting, and a config from their values.

Labels, help texts, ranges and choices are those of `ti_core.options`; a setting is described there
and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import Field
from typing import Any, Generic, TypeVar, get_origin

import gradio as gr

from ti_core.data.config import LONGEST_SIDE
from ti_core.families import SIDE_STEP
from ti_core.options import (
    SettingValues,
    about,
    choices_of,
    leaves,
    make_config,
    owner,
    title_of,
    value_type,
)

from .gradio_versions import Input, Updates, component
from .markup import with_labels

T = TypeVar("T")
_WIDEST_SLIDER = 200
"""From end to end; a number is easier to write then."""
_FEW = 3
"""As many choices as fit beside each other."""
Shown = tuple[Callable[..., Input], dict[str, object]]
"""Class of a component, and its arguments."""
SIZES = {"minimum": 0, "maximum": LONGEST_SIDE, "step": SIDE_STEP}
"""Width and height; 0 is the size that the model was made for."""


class Form(Generic[T]):
    """The settings of a config class on a page. Components are made where `add` is called."""

    def __init__(self, kind: type[T], prefix: str, defaults: SettingValues | None = None) -> None:
        self.kind, self.prefix, self.defaults = kind, prefix, dict(defaults or {})
        self._fields = {path[-1]: (owner(kind, path), item) for path, item in leaves(kind)}
        self.components: dict[str, Input] = {}
        """Setting → component; `resolution` is two: `width` and `height`."""

    def add(self, name: str, **looks: object) -> Input:
        """Make the component of a setting at this place of the page."""
        holder, item = self._fields[name]
        if value_type(holder, item)[0] == tuple[int, int]:
            self.components |= size_sliders(self.prefix, self.defaults.get(item.name) or (0, 0))
            return self.components["height"]
        component = self._component(holder, item, looks)
        self.components[name] = component
        return component

    def put(self, name: str, component: Input) -> None:
        """A component of the caller's own is the setting's."""
        self.components[name] = component

    def add_group(self, group: type, leave_out: Collection[str] = ()) -> list[str]:
        """Make everything of a group of settings that is not on the page yet."""
        holders = {name: holder for name, (holder, _) in self._fields.items()}
        names = [n for some in self.rest(leave_out).values() for n in some if holders[n] is group]
        for name in names:
            self.add(name)
        return names

    def rest(self, leave_out: Collection[str] = ()) -> dict[str, list[str]]:
        """Title of a group → its settings that are not on the page yet, for `add`."""
        found: dict[str, list[str]] = {}
        for name, (holder, item) in self._fields.items():
            there = name in self.components or (name == "resolution" and "width" in self.components)
            if not there and name not in leave_out and shown_as(holder, item):
                found.setdefault(title_of(holder), []).append(name)
        return found

    @property
    def inputs(self) -> list[Input]:
        """The components, in the order in which `settings` wants their values."""
        return list(self.components.values())

    def settings(self, values: Sequence[Any]) -> SettingValues:
        """Setting → value, of what the page holds."""
        found = dict(zip(self.components, values, strict=True))
        if "width" in found and "resolution" in self._fields:
            size = int(found.pop("width") or 0), int(found.pop("height") or 0)
            found["resolution"] = size if any(size) else None
        return {name: self._read(name, value) for name, value in found.items()}

    def config(self, settings: SettingValues) -> T:
        """The config. Raises ConfigError for a value that is not possible."""
        return make_config(self.kind, dict(settings))

    def updates(self, settings: SettingValues) -> Updates:
        """For outputs = `inputs`: these settings are shown, the others stay as they are."""
        shown = dict(settings)
        if "resolution" in shown:
            shown["width"], shown["height"] = shown.pop("resolution") or (0, 0)
        return [
            gr.update(value=_spelled(shown[name])) if name in shown else gr.update()
            for name in self.components
        ]

    def _component(self, holder: type, item: Field[object], looks: dict[str, object]) -> Input:
        known = about(item)
        shown: Shown = shown_as(holder, item) or (gr.Textbox, {})
        kind, wishes = shown
        value = self.defaults.get(item.name, item.default)
        wishes |= {
            "label": known.label,
            "info": with_labels(known.help),
            "value": _spelled(value),
            "elem_id": f"{self.prefix}_{item.name}",
        }
        return component(kind, **(wishes | looks))

    def _read(self, name: str, value: object) -> object:
        if name not in self._fields:
            return value
        holder, item = self._fields[name]
        wanted, optional = value_type(holder, item)
        if get_origin(wanted) is tuple and isinstance(value, str):
            return tuple(line.strip() for line in value.splitlines() if line.strip())
        if optional and value in ("", None):
            return None
        return "" if wanted is str and value is None else value


def _spelled(value: object) -> object:
    """As a component shows it."""
    return "\n".join(value) if isinstance(value, tuple) else value


def size_sliders(prefix: str, size: tuple[int, int] = (0, 0)) -> dict[str, gr.Slider]:
    """ "width" and "height" → their component."""
    info = "0 is the size that the model was made for"
    return {
        name: component(
            gr.Slider,
            label=name.title(),
            value=value,
            info=info,
            elem_id=f"{prefix}_{name}",
            **SIZES,
        )
        for name, value in zip(("width", "height"), size, strict=True)
    }


def shown_as(holder: type, item: Field[object]) -> Shown | None:
    """How a setting is shown; None for what no form can hold."""
    known, (wanted, optional) = about(item), value_type(holder, item)
    if wanted is bool:
        return gr.Checkbox, {}
    if choices := choices_of(holder, item):
        return gr.Radio if len(choices) <= _FEW else gr.Dropdown, {"choices": list(choices)}
    if wanted in (int, float):
        return _number(wanted, *known.limits, optional)
    if wanted is str:
        return gr.Textbox, {"max_lines": 1}
    if wanted == tuple[str, ...]:
        return gr.Textbox, {"lines": 2}
    return (gr.Slider, dict(SIZES)) if wanted == tuple[int, int] else None


def _number(wanted: type, low: float | None, high: float | None, optional: bool) -> Shown:
    whole = wanted is int
    if low is None or high is None or high - low > _WIDEST_SLIDER or optional:
        return gr.Number, {"precision": 0} if whole else {}
    return gr.Slider, {"minimum": low, "maximum": high, "step": 1 if whole else (high - low) / 100}
