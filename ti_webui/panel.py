"""The panel: one page with a sub-tab for each thing to do.

The page's own JavaScript presses the hidden button `#ti_poll` once a second while
`#ti_job_progress` is seen; whatever a page shows of a running job comes by that button, in every
version of gradio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import gradio as gr

from .gradio_versions import Updates, component, on, text_line
from .kept_queue import keep_queue
from .markup import LABELS, headline
from .studio import Shared, Studio
from .tabs import compare, create, data, hypernetwork, library, train

TABS = {
    "train": train.build,
    "data": data.build,
    "compare": compare.build,
    "library": library.build,
    "hypernetwork": hypernetwork.build,
    "create": create.build,
}
"""The first is open when the page is; those of the program itself (`Studio.own_tabs`) follow it."""


def build_panel(studio: Studio) -> gr.Blocks:
    """The page; a web UI shows it as a tab, `ti ui` alone."""
    with component(gr.Blocks, analytics_enabled=False, title="Textual Inversion Studio") as panel:
        studio = replace(studio, shared=shared_fields())
        keep_queue(studio)
        if studio.headline():
            _build_header(studio)
        studio.welcome(studio)
        with gr.Tabs(elem_id="ti_tabs"):
            for name, build in _tabs(studio):
                with gr.Tab(name.title(), elem_id=f"ti_tab_{name}"):
                    build(studio)
        for bind in studio.shared.later if studio.shared else ():
            bind()
    _keep_out_of_saved_defaults(panel)
    return panel


def _tabs(studio: Studio) -> Iterable[tuple[str, Callable[[Studio], object]]]:
    first, *others = TABS.items()
    return (first, *studio.own_tabs.items(), *others)


def _build_header(studio: Studio) -> None:
    """It is looked at while somebody moves in the page: another model may have been loaded."""

    def look(seen: str | None) -> Updates:
        now = headline(studio.headline())
        return [now, gr.update() if now == seen else gr.update(value=now)]

    header = gr.HTML(headline(studio.headline()), elem_id="ti_header")
    gr.HTML("", elem_id="ti_job_progress_header", elem_classes=["ti-hidden"])
    poll = gr.Button("Refresh", elem_id="ti_poll_header", elem_classes=["ti-hidden"])
    seen = gr.State(None)
    on(poll.click, look, [seen], [seen, header], quiet=True)


def shared_fields() -> Shared:
    """The fields that several tabs speak of, to be shown by the tab that they belong to."""
    looks = {"placeholder": "Path to directory with input images", "render": False}
    folder = text_line("Dataset directory", "ti_train_train_data_dir", **looks)
    embedding = gr.Dropdown(
        choices=[],
        label=LABELS["token_string"],
        info="an existing one, to train it further, or a new word",
        allow_custom_value=True,
        elem_id="ti_train_token_string",
        render=False,
    )
    return Shared(folder, embedding)


def _keep_out_of_saved_defaults(panel: gr.Blocks) -> None:
    """A1111 writes every component's default into ui-config.json, and better ones would not
    arrive; what a user saves as a default is kept there by `form_memory`."""
    for block in panel.blocks.values():
        vars(block).update(do_not_save_to_config=True)
