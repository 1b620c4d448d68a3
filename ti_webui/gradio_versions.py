"""The differences between gradio 3.41, 4.40 and the current release, in one place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gradio as gr
from gradio.components import Component as Component

T = TypeVar("T")
Input = gr.Textbox | gr.Dropdown | gr.Radio | gr.Checkbox | gr.CheckboxGroup | gr.Number | gr.Slider
"""What a user can fill in."""
Updates = list[Any]
"""What a handler gives to its outputs, in their order: values, or what `gr.update` makes."""
MAJOR = int(gr.__version__.split(".")[0])


def component(kind: Callable[..., T], **wishes: object) -> T:
    """A component with those of the wishes that this version of gradio understands.

    For looks only: what a component must have is given to its class itself.
    """
    known = inspect.signature(kind).parameters
    return kind(**{name: value for name, value in wishes.items() if name in known})


def html(value: str = "", **looks: object) -> gr.HTML:
    """A place for boxes of `markup`; it takes no room while there is none."""
    return component(gr.HTML, value=value, padding=False, elem_classes=["ti-about"], **looks)


def text_line(label: str, elem_id: str, **looks: Any) -> gr.Textbox:
    """A field for one line."""
    return gr.Textbox(label=label, max_lines=1, elem_id=elem_id, **looks)


def set_choices(dropdown: gr.Dropdown, names: Sequence[str]) -> None:
    """The entries of a dropdown that is made already and not shown yet."""
    dropdown.choices = labelled([(name, name) for name in names])


def labelled(choices: Sequence[tuple[str, str]]) -> list[Any]:
    """Choices of a dropdown as (what is shown, value); gradio 3.41 can show values only."""
    return list(choices) if MAJOR >= 4 else [value for _, value in choices]


def gallery(label: str, columns: int, elem_id: str, **looks: object) -> gr.Gallery:
    """Whole images that are shown, not uploaded."""
    wishes = {"height": "auto", "object_fit": "contain", "interactive": False, **looks}
    return component(gr.Gallery, label=label, columns=columns, elem_id=elem_id, **wishes)


def on(
    event: Callable[..., object],
    does: Callable[..., object] | None,
    inputs: Sequence[Component] = (),
    outputs: Sequence[Component] = (),
    js: str | None = None,
    quiet: bool = False,
) -> None:
    """Bind an event, such as `button.click`; `js` is JavaScript that runs in the page before.

    A quiet one shows no progress and does not be in the queue. None of them is listed as an
    endpoint: programs use `/ti/v1`. What an event takes is known by gradio's version: Forge puts a
    wrapper without a signature around each.
    """
    wishes: dict[str, object] = {"_js" if MAJOR < 4 else "js": js} if js else {}
    wishes |= {"queue": False, "show_progress": "hidden"} if quiet else {}
    wishes |= {"api_visibility": "private"} if MAJOR >= 6 else {"api_name": False}
    event(does and _sendable(does), inputs=list(inputs), outputs=list(outputs), **wishes)


def _sendable(does: Callable[..., object]) -> Callable[..., object]:
    """The same handler, its texts such as JSON can carry. Names of files that are not UTF-8 have
    half characters in them, which gradio would answer with 500."""

    @functools.wraps(does)
    def handler(*values: object, **named: object) -> object:
        return _whole(does(*values, **named))

    return handler


def _whole(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return tuple(map(_whole, value)) if type(value) is tuple else value
