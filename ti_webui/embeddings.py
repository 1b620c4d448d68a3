"""The embeddings that a page offers."""

from __future__ import annotations

import gradio as gr

from ti_core.errors import HostError
from ti_core.files.library import Library

from .studio import Studio


def embedding_names(studio: Studio) -> list[str]:
    """Names of those that fit the model, sorted; all, while no model is loaded."""
    return _names(studio, _widths(studio))


def all_names(studio: Studio) -> list[str]:
    """Names of all of them: while a page is built, no model may be asked for."""
    return _names(studio, ())


def _names(studio: Studio, widths: tuple[int, ...]) -> list[str]:
    library = Library(studio.embeddings_dirs())
    library.refresh()
    found = {entry.name for entry in library.entries if widths in ((), entry.widths)}
    return sorted(found, key=str.lower)


def _widths(studio: Studio) -> tuple[int, ...]:
    try:
        return tuple(sorted(studio.host().describe().widths.values()))
    except HostError:
        return ()


def refreshed(studio: Studio, value: str | None = None) -> dict[str, object]:
    """An update for a dropdown of embeddings, with one of them chosen if it is named."""
    choices = embedding_names(studio)
    return gr.update(choices=choices) if value is None else gr.update(choices=choices, value=value)
