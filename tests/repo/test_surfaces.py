"""What a surface lacks is argued in docs/surfaces.md."""

from __future__ import annotations

from pathlib import Path

from ti_core.options import leaves
from ti_core.train.config import TrainConfig

from . import surfaces

PAGE = Path(__file__).parents[2] / "docs" / "surfaces.md"


def test_reasons_name_settings_as_the_page_does() -> None:
    assert surfaces.NOT_ON_THE_PAGE["use_style_template"] == "*Prompt template* has it"


def test_reasons_are_about_settings() -> None:
    known = {path[-1] for path, _ in leaves(TrainConfig)}
    assert surfaces.NOT_ON_NODES.keys() <= known


def test_gaps_that_nobody_has_spoken_of_are_few() -> None:
    assert surfaces.markdown().count("not yet") <= 30


def test_an_input_counts_more_than_a_reason() -> None:
    table = surfaces.markdown()
    assert "| `--train_batch_size` | *Batch size* | Training Settings |" in table
    assert "| `--weights` | the embedding that is chosen | the embedding on the cable |" in table
    assert "| `--color_aug` | *Colour augmentation* | Training Dataset (advanced) |" in table


def test_the_page_was_written_from_the_settings() -> None:
    """`python -m tests.repo` does it; a setting of yesterday need not be there yet."""
    rows = set(PAGE.read_text(encoding="utf-8").splitlines())
    there = [row in rows for row in surfaces.markdown().splitlines()]
    assert sum(there) >= 0.9 * len(there)
