"""What is in an embedding and in a prompt, as HTML."""

from __future__ import annotations

from collections.abc import Mapping

from ti_core.files.embedding import Embedding
from ti_core.files.library_entry import Entry
from ti_core.prompts.words import PromptWords
from ti_core.tools.nearest import Neighbour
from ti_core.tools.strength import Strength

from . import markup, tables
from .about_file import in_words
from .markup import escape


def file_html(entry: Entry, embedding: Embedding) -> str:
    """What its file tells."""
    rows = [("file", entry.file)]
    rows += [("preview", entry.picture)] if entry.picture else []
    rows += [(f"{key}: vectors × width", f"{n} × {w}") for key, (n, w) in entry.shapes.items()]
    rows += [("steps", str(embedding.step)), *in_words(embedding)]
    told = sorted(embedding.metadata.items())
    cut = [(key, value if len(value) < 600 else f"{value[:600]} …") for key, value in told]
    head = f'<div class="ti-head"><b>{escape(entry.name)}</b></div>'
    notes = tables.folded(f"{len(cut)} notes in the file", tables.table(("note", ""), cut))
    return head + tables.table(("the value in its file", ""), rows) + notes


def words_html(words: PromptWords) -> str:
    """What a prompt's words are, and in a box each what only looks like an embedding."""
    rows = [
        (
            one.name,
            f"{one.start + 1}–{one.end}" if one.end > 0 else "",
            str(one.chunk),
            ", ".join(f"{key} {count}" for key, count in one.vectors.items()),
            f"{one.weight:.4g}",
        )
        for one in words.found
    ]
    head = ("used", "characters", "chunk", "vectors", "weight")
    found = tables.table(head, rows) if rows else markup.box("note", "no embedding is used")
    return found + "".join(markup.box("warning", str(one.notice)) for one in words.missed)


def strength_html(found: Strength, near: Mapping[str, list[list[Neighbour]]]) -> str:
    """How loud each vector is, and which words it is near to."""
    rows = [
        (
            f"{key} {number}",
            tables.strength_tag(ratio),
            ", ".join(f"{each.text} {each.cosine:.2f}" for each in near[key][number]) or "–",
        )
        for key, ratios in found.ratios.items()
        for number, ratio in enumerate(ratios)
    ]
    text = f"Strength: {found.loudest:.2f}, {found.verdict}"
    return markup.box("note", text) + tables.table(("vector", "strength", "near to"), rows)
