"""The demonstration, cut short: it writes what it promises, with the bundled model and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ti_core.cli.main import main
from ti_core.demo.assets import model_folder, pictures_folder, scorer_file
from ti_core.demo.report import DemoReport, html_page
from ti_core.demo.scene import HELD_OUT
from ti_core.files.reading import read_embedding

MOST_BYTES = 12_000_000
FILES = {"sheet.png", "loss.png", "report.html", "report.json"}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demonstration with few steps and pictures."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    options = ["--out", str(folder), "--max_train_steps", "3", "--pictures", "4"]
    assert main(["demo", *options]) == 0
    return folder


def test_everything_promised_is_written(outcome: Path) -> None:
    assert {p.name for p in outcome.iterdir()} >= FILES
    assert read_embedding(outcome / "embedding/lily.safetensors").step == 3
    with Image.open(outcome / "sheet.png") as sheet:
        assert sheet.width > 1000


def test_report_has_the_figures(outcome: Path) -> None:
    report = json.loads((outcome / "report.json").read_text())
    assert {"concept", "score_before", "score_after", "steps", "seconds"} <= set(report)
    assert report["steps"] == 3
    assert 0 <= report["score_after"] <= 1
    assert report["seconds"] > 0


def test_page_shows_names_as_text() -> None:
    report = DemoReport("<b>x", "object", "a <i>", ("[name]",), None, None, 4, 3, 1.0, 0, 1, "e/x")
    page = html_page(report)
    assert "<b>x" not in page
    assert "not scored" in page


@pytest.mark.slow
def test_own_pictures_are_taught_without_a_score(tmp_path: Path) -> None:
    options = ["--out", str(tmp_path / "out"), "--max_train_steps", "2", "--pictures", "4"]
    assert main(["demo", *options, "--train_data_dir", str(pictures_folder("fish"))]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["score_after"] is None


def test_unknown_concept_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--concept", "haert"]) == 2
    assert "did you mean heart?" in capsys.readouterr().err


def test_every_held_out_concept_has_five_pictures_with_captions() -> None:
    for name in HELD_OUT:
        folder = pictures_folder(name)
        assert len(list(folder.glob("*.png"))) == 5
        for path in folder.glob("*.png"):
            caption = path.with_suffix(".txt").read_text()
            assert "[name]" in caption
            assert name not in caption


def test_held_out_concepts_are_no_words_of_the_model() -> None:
    caption_words = json.loads((model_folder() / "tokenizer/vocab.json").read_text())
    assert not {f"{name}</w>" for name in HELD_OUT} & set(caption_words)


def test_everything_bundled_is_at_most_12_megabytes() -> None:
    files = [p for p in scorer_file().parent.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files if "__pycache__" not in p.parts) <= MOST_BYTES
