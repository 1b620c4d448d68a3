"""An embedding's word, sent to a prompt of the web UI's own pages."""

from __future__ import annotations

import gradio as gr

from ti_core.files.embedding import Embedding, is_negative

from .gradio_versions import Component, Updates, on
from .studio import Studio

_PAGES = ("txt2img", "img2img")


def word_to_send(name: str = "", embedding: Embedding | None = None) -> Updates:
    """Values for what `build_sending` gives: the word, and the prompt that it is meant for."""
    prompt = "negative" if embedding and is_negative(embedding) else ""
    return [name, prompt, *(gr.update(interactive=bool(name)) for _ in _PAGES)]


def build_sending(studio: Studio) -> list[Component]:
    """A button for each page; they are seen where there are such pages. Its outputs."""
    labels = ("Word to send", "Prompt that it is for")
    sent: list[Component] = [gr.Textbox(label=label, visible=False) for label in labels]
    buttons: list[Component] = []
    with gr.Row(visible=bool(studio.send_to)):
        for page in _PAGES:
            name = f"ti_library_send_to_{page}"
            button = gr.Button(f"Send to {page}", interactive=False, elem_id=name)
            buttons.append(button)
            if page in studio.send_to:
                on(button.click, None, sent, [], js=studio.send_to[page])
    return [*sent, *buttons]
