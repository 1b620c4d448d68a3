"""The benchmark of the library runs, and compares the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.library_scan import load_all, make_files, measure
from ti_core.files.library import Library


def test_every_figure_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "root").mkdir()
    figures = measure(tmp_path / "root", tmp_path / "cache", 20)
    assert len(figures) == 6
    assert all(seconds > 0 for seconds in figures.values())
    assert "17 embeddings, 3 skipped" in capsys.readouterr().out


def test_both_ways_find_the_same_number_of_embeddings(tmp_path: Path) -> None:
    paths = make_files(tmp_path, 20)
    library = Library([tmp_path])
    library.refresh()
    assert load_all(paths) == len(library.entries) == 17
