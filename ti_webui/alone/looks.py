"""The colours of the page that stands alone; in a web UI they are the web UI's own."""

from __future__ import annotations

import gradio as gr


def theme() -> gr.themes.Base:
    """gradio's, with the contrast of 4.5 to 1 that WCAG AA asks of small text: its help texts have
    1.9 to 1, its buttons 2.8 to 1. A theme has one accent; that of the dark is in style.css."""
    button = {
        f"button_primary_{part}{mode}": colour
        for mode in ("", "_dark")
        for part, colour in (
            ("background_fill", "*primary_700"),
            ("background_fill_hover", "*primary_800"),
            ("border_color", "*primary_700"),
        )
    }
    return gr.themes.Default().set(
        body_text_color_subdued="*neutral_500",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        color_accent="*primary_700",
        **button,
    )
