"""The page as a whole."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from typing import Any

import gradio as gr
import pytest

from ti_core.hosts.fake import FakeHost
from ti_webui.gradio_versions import on
from ti_webui.job import Jobs
from ti_webui.panel import TABS, build_panel
from ti_webui.studio import Studio


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    """Built while no model is loaded, as web UIs build their pages."""

    def host() -> FakeHost:
        raise AssertionError("the page asks for a model while it is built")

    folder = tmp_path_factory.mktemp("embeddings")
    return build_panel(Studio(host=host, embeddings_dirs=lambda: [folder], jobs=Jobs()))


def test_there_is_a_tab_for_each_thing_to_do(panel: gr.Blocks) -> None:
    found = [b.elem_id for b in panel.blocks.values() if isinstance(b, gr.Tab)]
    wanted = [f"ti_tab_{name}" for name in TABS]
    assert [name for name in found if name in wanted] == wanted


def test_every_element_has_a_name_of_its_own(panel: gr.Blocks) -> None:
    names = Counter(b.elem_id for b in panel.blocks.values() if b.elem_id)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(name.startswith("ti_") for name in names)


def test_no_name_is_one_of_a1111s_own_train_tab(panel: gr.Blocks) -> None:
    """Both are on one page, and its scripts look elements up by name."""
    taken = {"ti_gallery_container", "ti_output", "ti_gallery", "ti_progress", "ti_error"}
    assert not taken & {b.elem_id for b in panel.blocks.values() if b.elem_id}


def test_no_default_is_frozen_into_ui_config(panel: gr.Blocks) -> None:
    """A1111 saves the defaults of a page at its first start; better ones would never arrive."""
    assert all(vars(block).get("do_not_save_to_config") for block in panel.blocks.values())


def test_no_event_is_an_endpoint_of_gradios_own_api(panel: gr.Blocks) -> None:
    """Programs use /ti/v1, where settings are checked by their names."""
    endpoints = panel.get_api_info()["named_endpoints"]
    assert endpoints == {}


def test_two_panels_share_no_component(panel: gr.Blocks) -> None:
    """A web UI builds its page anew at each reload."""
    other = build_panel(Studio(host=FakeHost, embeddings_dirs=list, jobs=Jobs()))
    assert not {id(b) for b in panel.blocks.values()} & {id(b) for b in other.blocks.values()}


def test_names_of_files_that_are_not_utf_8_can_be_sent_to_a_page() -> None:
    """gradio answers a half character with 500; a poll of the page would do so each second."""
    bound: list[Any] = []

    def event(does: Any, **how: object) -> None:
        bound.append(does)

    state = {1, 2}

    def press(text: str, event: gr.SelectData) -> Any:
        return [f"{text} caf\udce9", gr.update(choices=[("\udcff", "x")]), ("\ud800", 1), state]

    on(event, press)
    shown = bound[0]("x", None)
    json.dumps(shown[:3], ensure_ascii=False).encode()
    assert shown[0] == "x caf\\udce9"
    assert shown[2] == ("\\ud800", 1)
    assert shown[3] is state, "what a page keeps is not touched"
    assert list(inspect.signature(bound[0]).parameters) == ["text", "event"]
