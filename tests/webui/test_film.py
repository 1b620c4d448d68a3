"""Previews over time: a strip, and the first beside the chosen one; events in words."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from ti_core.events import Notice
from ti_core.train import events as training
from ti_core.train.progress import Preview
from ti_webui.film import film, first_of_each_step, some_of
from ti_webui.happenings import happenings


@pytest.fixture
def previews(tmp_path: Path) -> list[Preview]:
    """Two prompts at each of 41 steps, the second prompt's blue."""
    found = []
    for step in range(0, 410, 10):
        for prompt, colour in (("<b>one", (step % 256, 0, 0)), ("two", (0, 0, 255))):
            path = tmp_path / f"{step}-{colour[2]}.png"
            Image.new("RGB", (64, 64), colour).save(path)
            found.append(Preview(path, step, prompt))
    return found


def colours(html: str) -> list[tuple[int, ...]]:
    """Of the pictures in the HTML, in its order."""
    found = []
    for data in re.findall('base64,([^"]+)', html):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            found.append(image.getpixel((20, 20)))
    return found  # type: ignore[return-value]


def test_the_first_preview_stands_beside_the_last_and_all_are_in_the_strip(
    previews: list[Preview],
) -> None:
    html = film(previews[:6])
    found = colours(html)
    assert len(found) == 2 + 3, "those of the first prompt"
    assert [abs(found[0][0] - red) < 6 for red in (0,)] == [True]
    assert abs(found[1][0] - 20) < 6
    assert all(blue < 30 for _, _, blue in found)
    assert "<figcaption>step 0</figcaption>" in html
    assert "<figcaption>step 20</figcaption>" in html
    assert 'type="range" min="0" max="2" value="2"' in html
    assert html.count('aria-pressed="true"') == 1
    assert "<b>" not in html
    assert "&lt;b&gt;one" in html


def test_a_long_run_is_thinned_but_for_its_ends(previews: list[Preview]) -> None:
    frames = first_of_each_step(previews)
    shown = some_of(frames)
    assert len(frames) == 41
    assert len(shown) == len({one.step for one in shown}) == 20
    assert (shown[0].step, shown[-1].step) == (0, 400)


def test_one_preview_is_no_film_and_missing_files_are_left_out(previews: list[Preview]) -> None:
    assert film([]) == film(previews[:2]) == ""
    previews[2].path.unlink()
    assert [one.step for one in first_of_each_step(previews[:6])] == [0, 10, 20]
    previews[3].path.unlink()
    assert [one.step for one in first_of_each_step(previews[:6])] == [0, 20]


def test_events_are_told_in_words_but_for_the_steps(tmp_path: Path) -> None:
    copy = tmp_path / "zz-000010.safetensors"
    told = happenings(
        [
            Notice("warning", "something is odd", "it is so", "change it"),
            training.StepDone(9, 0, 1, 0.5, 0.005, 0.1),
            training.PreviewReady(10, tmp_path / "zz-10.png", "a zz"),
            training.Saved(10, copy, "best"),
            training.Validated(10, 0.25, 0.5, True),
            training.RateChanged(11, 0.8, 0.004),
            training.Paused(12),
            training.Resumed(12),
            training.Finished(20, copy, tmp_path, "done", 200.0, {}),
            training.Failed(21, "no memory", tmp_path),
        ]
    )
    assert told[0].startswith("something is odd")
    assert told[1:] == [
        "step 10: preview zz-10.png: a zz",
        "step 10: the best copy so far was saved: zz-000010.safetensors",
        "step 10: validation loss 0.5000, the lowest so far",
        "step 11: the learning rate is 0.004, ×0.8",
        "step 12: paused",
        "step 12: the pause is over",
        "step 20: zz-000010.safetensors was written after 3 min 20 s",
        "step 21: no memory",
    ]
