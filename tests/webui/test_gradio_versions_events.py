"""Events are bound alike in every version of gradio, and inside of Forge."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from ti_webui import gradio_versions
from ti_webui.gradio_versions import component, on


class Wrapper:
    """As Forge's EventWrapper: its signature tells nothing."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self.given = kwargs


@pytest.mark.parametrize(("major", "name"), [(3, "_js"), (4, "js"), (6, "js")])
def test_what_an_event_is_told_gets_through_forges_wrapper(
    major: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradio_versions, "MAJOR", major)
    event = Wrapper()
    box = gr.Textbox(render=False)
    on(event, None, [box], [box], js="() => 1", quiet=True)
    hidden = {"api_visibility": "private"} if major >= 6 else {"api_name": False}
    common = {"inputs": [box], "outputs": [box], "queue": False, "show_progress": "hidden"}
    assert event.given == {**common, **hidden, name: "() => 1"}


def test_an_event_is_bound_in_the_gradio_that_is_here() -> None:
    with gr.Blocks() as page:
        button = gr.Button("press")
        on(button.click, lambda: None, js="() => 1", quiet=True)
    (bound,) = page.fns.values()
    assert bound.queue is False
    assert bound.js == "() => 1"


def test_looks_that_a_version_does_not_know_are_left_out() -> None:
    with gr.Blocks():
        box = component(gr.Textbox, label="Name", no_such_look=True)
    assert box.label == "Name"
