"""Tables and tags for the panel's pages; as in `markup`, every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ti_core.tools.strength import VERDICTS, verdict

from . import markup
from .markup import escape

_SHORT = 12
"""Characters that stay on one line."""


@dataclass(frozen=True)
class Tag:
    """A word in a coloured frame; `kind` is a class of style.css without its "ti-"."""

    text: str
    kind: str = ""
    why: str = ""
    """Shown when the mouse rests on it."""


class Figure(str):
    """A number that is spelled already."""


Cell = str | int | float | Tag


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], best: int | None = None) -> str:
    """An HTML table; numbers stand at the right, and the row of number `best` is marked."""
    lines = [_row(row, number == best) for number, row in enumerate(rows)]
    if not lines:
        return ""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    inside = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="ti-scroll"><table class="ti-table">{inside}</table></div>'


def _row(row: Sequence[Cell], best: bool) -> str:
    cells = "".join(_cell(value) for value in row)
    return f'<tr class="ti-best">{cells}</tr>' if best else f"<tr>{cells}</tr>"


def _cell(value: Cell) -> str:
    if isinstance(value, Tag):
        return f"<td>{tag(value)}</td>"
    if isinstance(value, Figure):
        return f'<td class="ti-number">{escape(value)}</td>'
    if isinstance(value, str):
        short = ' class="ti-short"' if len(value) <= _SHORT else ""
        return f"<td{short}>{escape(value)}</td>"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.5g}"
    return f'<td class="ti-number">{text}</td>'


def tag(value: Tag) -> str:
    """The HTML of a tag."""
    if not value.text:
        return ""
    why = f' title="{escape(value.why)}"' if value.why else ""
    return f'<span class="ti-tag ti-{escape(value.kind)}"{why}>{escape(value.text)}</span>'


def strength_tag(ratio: float | None) -> Tag:
    """How loud the loudest vector is; empty where that is not known."""
    if ratio is None:
        return Tag("")
    word = verdict(ratio)
    return Tag(f"{ratio:.2f} {word}", word, markup.with_labels(VERDICTS[word]))


def folded(title: str, inside: str) -> str:
    """HTML behind a line that opens it; nothing when there is nothing inside."""
    if not inside:
        return ""
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def fine(text: str) -> str:
    """A paragraph in small print."""
    return f'<p class="ti-fine">{escape(text)}</p>'
