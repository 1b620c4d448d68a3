"""The embeddings that a page offers."""

from __future__ import annotations

import gradio as gr

from ti_core.files.library_entry import Entry
from ti_core.port.session import ModelFacts

from .gradio_versions import labelled
from .studio import Studio


def embedding_choices(studio: Studio) -> list[tuple[str, str]]:
    """(what is shown, name) of every embedding: those that fit the model first, then the others
    with their reason; all by name while no model is loaded."""
    facts = studio.facts()
    reasons = {
        entry.name: misfit(entry, facts)
        for entry in sorted(studio.library().entries, key=lambda entry: not misfit(entry, facts))
    }
    names = sorted(reasons, key=lambda name: (bool(reasons[name]), name.lower()))
    return [(f"{name} ({reasons[name]})" if reasons[name] else name, name) for name in names]


def misfit(entry: Entry, facts: ModelFacts | None) -> str:
    """Why the model cannot use an embedding; empty where it can, and while none is loaded."""
    if facts is None or entry.widths == tuple(sorted(facts.widths.values())):
        return ""
    own, wanted = (" + ".join(map(str, w)) for w in (entry.tables.values(), facts.widths.values()))
    return f"does not fit: {entry.model}, {own} wide; the model expects {wanted}"


def all_names(studio: Studio) -> list[str]:
    """Names of all of them: while a page is built, no model may be asked for."""
    return sorted({entry.name for entry in studio.library().entries}, key=str.lower)


def embeddings_update(studio: Studio, value: str | None = None) -> dict[str, object]:
    """An update for a dropdown of embeddings, with one of them chosen if it is named."""
    choices = labelled(embedding_choices(studio))
    return gr.update(choices=choices) if value is None else gr.update(choices=choices, value=value)
