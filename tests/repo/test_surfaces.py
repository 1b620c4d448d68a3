"""What a surface lacks is argued in docs/surfaces.md."""

from __future__ import annotations

from pathlib import Path

from ti_webui.training import SETTLED

from . import surfaces

PAGE = Path(__file__).parents[2] / "docs" / "surfaces.md"


def test_what_the_page_leaves_out_is_what_is_argued() -> None:
    there = surfaces.on_the_page()
    assert not surfaces.stale(surfaces.NOT_ON_THE_PAGE, there)
    assert surfaces.NOT_ON_THE_PAGE.keys() == set(SETTLED)


def test_no_reason_outlives_the_gap_on_nodes() -> None:
    there = {each.id for schema in surfaces.schemas() for each in schema.inputs}
    # Create Embedding's and others' inputs of these names mean another thing
    assert not surfaces.stale(surfaces.NOT_ON_NODES, there - {"overwrite", "resolution"})


def test_gaps_that_nobody_has_spoken_of_are_few() -> None:
    assert surfaces.markdown().count("not yet") <= 20


def test_the_page_shows_them() -> None:
    """`python -m tests.repo` writes it."""
    assert surfaces.markdown() in PAGE.read_text(encoding="utf-8")
