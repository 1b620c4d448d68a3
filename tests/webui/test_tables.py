"""Tables and tags: everything from outside is escaped."""

from __future__ import annotations

import pytest

from ti_core.tools.strength import VERDICTS
from ti_webui import tables
from ti_webui.tables import Figure, Tag, folded, strength_tag, table

EVIL = "<img src=x onerror=alert(1)>\"'&"


@pytest.mark.parametrize(
    "cell", [EVIL, Figure(EVIL), Tag(EVIL), Tag("x", EVIL), Tag("x", "", EVIL)]
)
def test_no_cell_can_bring_html_of_its_own(cell: tables.Cell) -> None:
    html = table((EVIL,), [(cell,)])
    assert "<img" not in html
    assert html.count('"') % 2 == 0
    assert "&lt;img" in html


def test_numbers_stand_at_the_right_and_text_does_not() -> None:
    html = table(("a", "b", "c"), [(1234, 0.5, "x")])
    assert (
        '<td class="ti-number">1,234</td><td class="ti-number">0.5</td><td class="ti-short">x</td>'
        in html
    )


def test_only_long_text_may_be_broken_into_lines() -> None:
    assert "ti-short" not in table(("a",), [("a name that goes on and on",)])


def test_the_best_row_is_marked() -> None:
    html = table(("a",), [("x",), ("y",)], best=1)
    assert '<tr class="ti-best"><td class="ti-short">y</td></tr>' in html
    assert html.count("ti-best") == 1


def test_nothing_is_shown_of_nothing() -> None:
    assert table(("a",), []) == ""
    assert folded("3 skipped", "") == ""
    assert tables.tag(strength_tag(None)) == ""


def test_a_strength_is_told_with_its_word_and_what_that_means() -> None:
    assert strength_tag(1.0) == Tag("1.00 normal", "normal", VERDICTS["normal"])
    assert strength_tag(7.25).kind == "overtrained"


def test_a_folded_part_escapes_its_title() -> None:
    assert "<b>" not in folded("<b>", "inside")
