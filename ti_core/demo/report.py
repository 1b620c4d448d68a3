"""What the demonstration leaves behind: report.json, report.html and sheet.png."""

from __future__ import annotations

import dataclasses
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from ..files.atomic import write_bytes
from ..files.lettering import default_font

_CELL, _GAP, _MARGIN, _LINE = 144, 8, 24, 34
_ACROSS = 8


@dataclass(frozen=True)
class DemoReport:
    """The outcome of a demonstration."""

    concept: str
    kind: str
    sentence: str
    prompts: tuple[str, ...]
    score_before: float | None
    """Share of the images, 0 to 1, that show the concept; None if no one can judge."""
    score_after: float | None
    pictures: int
    steps: int
    seconds: float
    """For everything, images included."""
    seed: int
    vectors: int
    embedding: str
    """Path of the file, relative to the report."""


def write_report(
    folder: Path,
    report: DemoReport,
    examples: Sequence[Image.Image],
    before: Sequence[Image.Image],
    after: Sequence[Image.Image],
) -> None:
    """Write all three files. Raises StorageError."""
    data = io.BytesIO()
    draw_sheet(report, examples, before, after).save(data, "PNG")
    write_bytes(folder / "sheet.png", data.getvalue())
    text = json.dumps(dataclasses.asdict(report), indent=2) + "\n"
    write_bytes(folder / "report.json", text.encode())
    write_bytes(folder / "report.html", html_page(report).encode())


def draw_sheet(
    report: DemoReport,
    examples: Sequence[Image.Image],
    before: Sequence[Image.Image],
    after: Sequence[Image.Image],
) -> Image.Image:
    """Training images, then the same prompts and seeds before and after, two rows each."""
    rows = [
        (
            f"the {len(examples)} images that teach '{report.concept}': {report.sentence}",
            examples,
        ),
        (f"before: {_percent(report.score_before)}", before[:_ACROSS]),
        ("", before[_ACROSS : 2 * _ACROSS]),
        (f"after {report.steps} steps: {_percent(report.score_after)}", after[:_ACROSS]),
        ("", after[_ACROSS : 2 * _ACROSS]),
    ]
    rows = [(title, images) for title, images in rows if images]
    height = 2 * _MARGIN + sum(_row_height(title) for title, _ in rows)
    width = 2 * _MARGIN + _ACROSS * (_CELL + _GAP) - _GAP
    sheet = Image.new("RGB", (width, height), "white")
    y = _MARGIN
    for title, images in rows:
        _draw_row(sheet, y, title, images)
        y += _row_height(title)
    return sheet


def _row_height(title: str) -> int:
    return _CELL + _GAP + (_LINE if title else 0)


def _draw_row(sheet: Image.Image, y: int, title: str, images: Sequence[Image.Image]) -> None:
    if title:
        font = default_font(20)
        ImageDraw.Draw(sheet).text((_MARGIN, y), title, fill=(30, 30, 30), font=font)
        y += _LINE
    for number, image in enumerate(images):
        cell = image.resize((_CELL, _CELL), Image.Resampling.LANCZOS)
        sheet.paste(cell, (_MARGIN + number * (_CELL + _GAP), y))


def _percent(score: float | None) -> str:
    return "not scored" if score is None else f"{score:.0%} show it"


def html_page(report: DemoReport) -> str:
    """A page that stands on its own beside sheet.png and loss.png."""
    facts = {
        "Concept": f"{report.concept} ({report.kind}): {report.sentence}",
        "Score before": _percent(report.score_before),
        "Score after": _percent(report.score_after),
        "Images scored": report.pictures,
        "Prompts": " · ".join(p.replace("[name]", report.concept) for p in report.prompts),
        "Vectors": report.vectors,
        "Steps": report.steps,
        "Seconds": f"{report.seconds:.0f}",
        "Seed": report.seed,
    }
    rows = "\n".join(
        f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>"
        for k, v in facts.items()
    )
    name, file = html.escape(report.concept), html.escape(report.embedding)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}: a new word</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 1280px; margin: auto; padding: 1rem }}
img {{ max-width: 100%; border: 1px solid #ddd; margin: 1rem 0 }}
th {{ text-align: left; padding-right: 2rem; vertical-align: top; font-weight: 600 }}
</style></head><body>
<h1>The model has learned a new word: {name}</h1>
<p>The model itself has not changed. What was learned is the small file
<a href="{file}">{file}</a>; a prompt uses it by its name.</p>
<img src="sheet.png" alt="training images, images before, images after">
<table>{rows}</table>
<img src="loss.png" alt="training loss">
</body></html>
"""
