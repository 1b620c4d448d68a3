"""The differences between gradio 3.41, 4.40 and the current release, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

MAJOR = int(gr.__version__.split(".")[0])


def made(kind: Callable[..., Any], **wishes: Any) -> Any:
    """A component with those of the wishes that this version of gradio understands.

    For looks only: what a component must have is given to its class itself.
    """
    known = inspect.signature(kind).parameters
    return kind(**{name: value for name, value in wishes.items() if name in known})


def html(value: str = "", **looks: Any) -> Any:
    """A place for boxes of `markup`; it takes no room while there is none."""
    return made(gr.HTML, value=value, padding=False, elem_classes=["ti-about"], **looks)


def on(
    event: Callable[..., Any],
    does: Callable[..., Any] | None,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    js: str | None = None,
    quiet: bool = False,
) -> Any:
    """Bind an event, such as `button.click`; `js` is JavaScript that runs in the page before.

    A quiet one shows no progress and does not stand in the queue. None of them is listed as an
    endpoint: programs use `/ti/v1`. What an event takes is known by gradio's version: Forge puts a
    wrapper without a signature around each.
    """
    wishes: dict[str, Any] = {"_js" if MAJOR < 4 else "js": js} if js else {}
    wishes |= {"queue": False, "show_progress": "hidden"} if quiet else {}
    wishes |= {"api_visibility": "private"} if MAJOR >= 6 else {"api_name": False}
    return event(does, inputs=list(inputs), outputs=list(outputs), **wishes)
