"""`make bench`: parts are run, skipped or ended, and written to the page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import gpu, suite

FOLDER = Path(__file__).parents[2] / "benchmarks"


def script(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    (folder / "one.py").write_text(code)
    monkeypatch.setattr(suite, "HERE", folder)


@pytest.mark.parametrize(
    ("code", "limit", "shown"),
    [
        ("print('| a | b |\\n|---|---|\\n| x | 2.00 × |')", 60, "| x | 2.00 × |"),
        ("print('plain  columns')", 60, "```\nplain  columns\n```"),
        ("raise ValueError('no card')", 60, "ValueError: no card"),
        ("import time; time.sleep(60)", 1, "ended after 1 seconds"),
    ],
)
def test_a_part_is_shown_with_its_command_or_why_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, limit: int, shown: str
) -> None:
    script(monkeypatch, tmp_path, code)
    text = suite.shown(suite.outcome(suite.Part("One thing", ("one", "--fast"), limit)))
    assert text.startswith("### One thing\n\n`python benchmarks/one.py --fast` (")
    assert text.endswith(shown)


def test_a_part_without_enough_memory_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "main_memory", lambda: 8 * 10**9)
    found = suite.outcome(suite.Part("Large", ("memory",), 60, memory=9))
    assert found.why == "skipped: it needs 9 GB of memory"


def test_all_parts_together_take_less_than_a_quarter_of_an_hour() -> None:
    assert sum(part.limit for part in suite.PARTS.values()) <= 15 * 60
    assert all((FOLDER / f"{part.arguments[0]}.py").is_file() for part in suite.PARTS.values())


def test_the_page_keeps_its_text_and_gets_other_results() -> None:
    found = [suite.Outcome(suite.Part("A", ("a",), 1), "| a | 1.00 × |", 2.0)]
    old = f"before\n{suite.BEGIN}\nold\n{suite.END}\nafter\n"
    new = suite.page(old, "a machine", found)
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "old" not in new
    assert "Measured on a machine." in new
    assert suite.page(new, "a machine", found) == new
    assert suite.BEGIN in suite.PAGE.read_text(encoding="utf-8")


def test_the_picture_has_a_bar_for_each_ratio() -> None:
    text = (
        "| start | s | beside |\n|---|---|---|\n| import | 2.00 | 1.00 × |\n| ti | 0.2 | 0.10 × |"
    )
    rows = suite.bars([suite.Outcome(suite.Part("A", ("a",), 1), text, 2.0)])
    assert rows == [("import", 1.0), ("ti", 0.1)]
    drawn = ElementTree.fromstring(suite.picture(rows))
    widths = [float(each.get("width", 0)) for each in drawn if each.tag.endswith("rect")][1:]
    assert widths[0] == pytest.approx(10 * widths[1], rel=0.01)


def test_an_unknown_part_is_an_error() -> None:
    command = [sys.executable, str(FOLDER / "suite.py"), "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no part 'nonsense': choose startup, step" in done.stderr


def test_the_parts_for_a_graphics_card_take_less_than_eight_minutes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu, "model_file", lambda folder, family: folder / family)
    found = gpu.parts(tmp_path)
    assert sum(part.limit for part in found) <= 8 * 60
    assert all((FOLDER / f"{part.arguments[0]}.py").is_file() for part in found)


@pytest.mark.slow
def test_without_a_graphics_card_its_benchmark_says_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    command = [sys.executable, str(FOLDER / "gpu.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no CUDA device here" in done.stderr
