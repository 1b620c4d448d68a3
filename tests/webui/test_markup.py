"""HTML of the panel: readable, and nothing raw from outside."""

from __future__ import annotations

import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.checkup.finding import Finding
from ti_core.errors import ConfigError, TIError
from ti_core.events import Notice
from ti_core.schedule import Segment, parse_schedule
from ti_core.train.progress import JobProgress
from ti_core.train.validations import Found
from ti_webui import markup
from ti_webui.curve import curve, strength_curve
from ti_webui.outlook import Outlook

from ..errors import TEXTS, error_classes

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)">"\'&'
KNOWN_TAGS = set("div span b i p ul li details summary svg line text polyline title".split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.tags <= KNOWN_TAGS
    assert not {name for name in reader.attributes if name.startswith("on")}
    return reader


def everywhere(text: str) -> str:
    """Every place of the panel's HTML into which a foreign text can come."""
    progress = JobProgress(
        state="failed",
        stage=text,
        error=text,
        losses=((1, 0.5, 0.1), (2, 0.4, 0.1)),
        strengths=((2, 1.0),),
        result=Path("folder") / (text.replace("/", "").replace("\0", "") or "x"),
        total=2,
        step=2,
    )
    parts = (
        markup.progress_html(progress, text),
        markup.error_box(text),
        markup.notices([Notice("warning", text, text, text)]),
        markup.findings([Finding("rule", "error", text, text, text, (text,) * 5)]),
        markup.findings([Finding("rule", "note", text)]),
        markup.outlook(Outlook(memory=1, memory_formula=text, model=text, trouble=text)),
    )
    return "".join(parts)


def test_html_in_names_paths_and_captions_stays_text() -> None:
    found = read(everywhere(EVIL))
    assert "<script>alert(1)</script>" in found.text


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_whatever_becomes_a_tag(text: str) -> None:
    read(everywhere(text + "<b onclick=x>"))


def test_errors_speak_of_labels_not_of_options() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_schedule("0.1:3, x", 10)
    text = read(markup.error_box(caught.value)).text
    assert "“Embedding Learning rate” '0.1:3, x': 'x' is not a rate" in text


@pytest.mark.parametrize("kind", error_classes())
def test_every_error_can_be_shown(kind: type[TIError]) -> None:
    text = read(markup.error_box(kind(*TEXTS))).text
    assert "“Max steps” is 0: “Seed” too; use “Overwrite Old Embedding”" in text


def test_the_schedule_is_told_in_steps_that_people_count() -> None:
    segments = (Segment(0.005, 0, 100), Segment(0.001, 100, 1500))
    told = markup.outlook(Outlook(segments, 1500, vectors=4))
    text = read(told).text
    assert "0.005 for steps 1 to 100" in text
    assert "0.001 for steps 101 to 1,500" in text
    assert "4 of the 75 tokens of a prompt chunk, 71 are left" in text
    assert "width:6.67%" in told
    assert "Decay" not in text
    assert "early stopping" not in text
    text = read(markup.outlook(Outlook(segments, 1500, "cosine", early_stopping=True))).text
    assert "Decay: cosine" in text
    assert "Fewer steps with early stopping" in text


def test_a_running_job_tells_where_it_is_and_how_long_it_takes() -> None:
    progress = JobProgress(
        state="running",
        stage="training",
        step=50,
        total=200,
        losses=((49, 0.2, 0.005), (50, 0.1, 0.005)),
        loss=0.1,
        rate=0.005,
        seconds_per_step=2.0,
        strengths=((0, 1.0), (50, 6.0)),
    )
    html = markup.progress_html(progress, "word")
    text = " ".join(read(html).text.split())
    for part in ("word", "training", "50 of 200", "0.1000", "0.005", "about 5 min 00 s"):
        assert part in text
    assert "width:25.00%" in html
    assert "6.00 overtrained" in text


def test_epoch_both_losses_and_what_came_last_are_shown() -> None:
    progress = JobProgress(state="running", total=9, loss=0.25, last_loss=0.125, rate=0.005)
    progress = replace(progress, epoch="Epoch 2: 3/5", prompt="a <b>", copy=Path("run/w-000005.pt"))
    html = markup.progress_html(progress, "word")
    text = " ".join(read(html).text.split())
    for part in ("smoothed loss 0.2500", "last loss 0.1250", "epoch 2: 3/5", "Last prompt: a <b>"):
        assert part in text
    assert "Last saved embedding: w-000005.pt" in text
    assert "Last saved image" not in text


def test_many_notices_do_not_flood_the_page() -> None:
    html = markup.notices([Notice("info", f"number {i}.") for i in range(100)])
    assert "number 99." in html
    assert "number 0." not in html
    assert "and 60 more" in html


def test_a_finished_file_is_called_as_prompts_call_its_kind() -> None:
    copy = Path("run") / "hypernetworks" / "w-000005.pt"
    progress = JobProgress(state="done", copy=copy, result=Path("w.pt"))
    told = markup.progress_html(progress, "w", "hypernetwork")
    assert "Write &lt;hypernet:w:1&gt; in a prompt" in told
    assert "Last saved hypernetwork:</i> w-000005.pt" in told
    assert "embedding" not in told
    told = markup.progress_html(progress, "w", "hypernetwork", uses_networks=False)
    assert "hypernet:" not in told
    assert "The file is w.pt; this web UI does not use hypernetworks" in told
    assert "(ComfyUI: embedding:w)" in markup.progress_html(progress, "w")


def test_a_curve_needs_two_points_and_has_no_loss_below_nothing() -> None:
    assert curve([(1, 0.5, 0.1)]) == ""
    assert curve([(1, float("nan"), 0.1), (2, 0.5, 0.1)]) == ""
    drawn = curve([(i, 0.001 if i % 2 else 1.0, 0.1) for i in range(1, 50)])
    assert 'text-anchor="end">-' not in drawn
    assert drawn.count("<polyline") == 2


def test_the_curve_shows_validations_and_the_best_of_them() -> None:
    points = [(i, 0.5, 0.1) for i in range(1, 101)]
    found = [Found(0, 0.4), Found(50, 0.1), Found(100, 0.2)]
    drawn = curve(points, (), found)
    assert (drawn.count("<polyline"), drawn.count("ti-best-dot")) == (3, 1)
    assert "<title>best at step 50: 0.1000</title>" in drawn
    held_out = curve(points, (), [one._replace(held_out=1 - one.loss) for one in found])
    assert (held_out.count("<polyline"), held_out.count("ti-held-out")) == (4, 1)
    assert "<title>best at step 100: 0.8000</title>" in held_out
    assert curve(points, (), found[:1]) == curve(points)


def test_strength_and_drift_are_drawn_below_the_loss() -> None:
    strengths, drifts = ((0, 1.0), (50, 1.5)), ((0, 0.0), (50, 0.75))
    progress = JobProgress(state="running", strengths=strengths, drifts=drifts)
    drawn = markup.progress_html(progress, "word")
    assert drawn.count("<polyline") == 2
    text = " ".join(read(drawn).text.split())
    assert "strength: length of the longest vector" in text
    assert "drift: distance from the start" in text
    early = JobProgress(state="running", strengths=((0, 1.0),), drifts=((0, 0.0),))
    assert "<polyline" not in markup.progress_html(early, "word")
    assert "nan" not in strength_curve(((0, 1.0), (1, float("nan")), (2, 3.0)), ())


def test_the_validation_loss_is_among_the_figures() -> None:
    progress = JobProgress(state="running", validations=(Found(0, 0.4), Found(50, 0.125)))
    text = " ".join(read(markup.progress_html(progress, "word")).text.split())
    assert "validation loss 0.1250 (best 0.1250 at step 50)" in text


def test_the_curve_marks_where_the_schedule_changes() -> None:
    points = [(i, 0.5, 0.1) for i in range(1, 101)]
    segments = [(0, 40, 0.005), (40, 100, 0.001)]
    assert curve(points, segments).count("ti-mark") == 1


def test_a_name_that_is_not_utf_8_can_be_sent_to_a_page() -> None:
    shown = markup.box("note", os.fsdecode(b"caf\xe9") + " <b>")
    assert "caf\\udce9 &lt;b&gt;" in shown
    shown.encode()
