"""The embeddings that a page offers."""

from __future__ import annotations

import gradio as gr

from .studio import Studio


def embedding_names(studio: Studio) -> list[str]:
    """Names of those that fit the model, sorted; all, while no model is loaded."""
    facts = studio.facts()
    return _names(studio, tuple(sorted(facts.widths.values())) if facts else ())


def all_names(studio: Studio) -> list[str]:
    """Names of all of them: while a page is built, no model may be asked for."""
    return _names(studio, ())


def _names(studio: Studio, widths: tuple[int, ...]) -> list[str]:
    found = {entry.name for entry in studio.library().entries if widths in ((), entry.widths)}
    return sorted(found, key=str.lower)


def embeddings_update(studio: Studio, value: str | None = None) -> dict[str, object]:
    """An update for a dropdown of embeddings, with one of them chosen if it is named."""
    choices = embedding_names(studio)
    return gr.update(choices=choices) if value is None else gr.update(choices=choices, value=value)
