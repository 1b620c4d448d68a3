"""The running job on a page: what is looked at each second, by every browser for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr
from PIL import Image

from ti_core.train.control import FASTER, SLOWER
from ti_core.train.progress import JobProgress, Preview

from . import markup
from .film import film
from .gradio_versions import Component, Updates, component, gallery, html, on
from .happenings import happenings
from .job import Job
from .job_view import JobView, Signature
from .studio import Studio

POLL = "ti_poll"
"""The button that javascript/ presses once a second while the tab is seen."""
_SHOWN = 12
"""Previews; all of them are in the run folder."""
_NO_EVENTS = '<p class="ti-fine">Events of a training are listed here.</p>'
_IDLE = (
    '<div class="ti-idle">Nothing is running. A training continues when you close this page.</div>'
)


@dataclass
class Live(JobView):
    """The components, and what they show."""

    bar: gr.HTML
    """The progress in one line; made here, and rendered where it stays in sight."""
    film: gr.HTML
    gallery: gr.Gallery
    notes: gr.HTML
    events: gr.HTML
    pause: gr.Button
    go_on: gr.Button
    save: gr.Button
    preview: gr.Button
    slower: gr.Button
    faster: gr.Button
    prompt: gr.Textbox
    """What is to be written to use the embedding."""
    send: gr.Button
    try_it: gr.Button
    no_job = "no training is running"
    will_end = "Interrupt requested: the run ends after the current step and saves everything"

    @property
    def parts(self) -> list[Component]:
        """The components that show the job."""
        rates = (self.slower, self.faster)
        buttons = [self.pause, self.go_on, self.save, self.preview, *rates, self.interrupt]
        return [
            self.progress,
            self.gallery,
            self.notes,
            *buttons,
            self.prompt,
            self.send,
            self.try_it,
            self.bar,
            self.film,
            self.events,
        ]

    def signature(self, job: Job) -> Signature:
        """Changes when something on the page has to; each of the first parts belongs to something
        that is replaced only when it changes: anyone who reads in it is not disturbed."""
        progress = job.progress
        told = (len(progress.notices), len(progress.findings))
        moving = (progress.state, progress.stage, progress.step, job.control.paused)
        strengths = len(progress.strengths)
        happened = (len(progress.validations), str(progress.copy), progress.state)
        pictures = len(progress.previews)
        return ((job.id, pictures), (job.id, *told), happened, moving, strengths)

    def updates(self, job: Job, seen: Signature | None) -> Updates:
        """An update for each of the parts behind the progress."""
        progress, now = job.progress, self.signature(job)
        same = [before == part for before, part in zip(seen or (), now, strict=False)]
        same = same or [False] * len(now)
        bar = gr.update(value=markup.bar(progress, job.name))
        return [
            gr.update() if same[0] else gr.update(value=pictures(progress.previews)),
            gr.update() if same[1] else gr.update(value=_notes(progress)),
            *self._buttons(job),
            bar,
            gr.update() if same[0] else gr.update(value=film(progress.previews)),
            gr.update() if all(same[:3]) else gr.update(value=_events(job)),
        ]

    def _buttons(self, job: Job) -> Updates:
        progress = job.progress
        going = not progress.over
        training = progress.state in ("running", "paused")
        paused = job.control.paused and going
        usable = progress.result is not None
        return [
            gr.update(visible=not paused, interactive=training),
            gr.update(visible=paused),
            *(gr.update(interactive=training) for _ in range(4)),
            gr.update(interactive=going),
            gr.update(value=progress.result.stem if progress.result else "", visible=usable),
            gr.update(visible=usable and "txt2img" in self.studio.send_to),
            gr.update(visible=usable and "try" in self.studio.own_tabs),
        ]

    # -- buttons ---------------------------------------------------------------------------

    def press_pause(self) -> str:
        """Wait before the next step."""
        self.running().control.pause()
        return ""

    def press_go_on(self) -> str:
        """End the pause."""
        self.running().control.go_on()
        return ""

    def press_save(self) -> str:
        """Save the state and a copy before the next step."""
        self.running().control.save_now()
        return markup.box("note", "saved before the next step")

    def press_preview(self) -> str:
        """Make the previews before the next step."""
        self.running().control.preview_now()
        return markup.box("note", "previews come before the next step")

    def press_slower(self) -> str:
        """A lower learning rate."""
        return self._multiply(SLOWER)

    def press_faster(self) -> str:
        """A higher one."""
        return self._multiply(FASTER)

    def _multiply(self, factor: float) -> str:
        self.running().control.change_rate(factor)
        return markup.box("note", f"the learning rate is multiplied by {factor:g}")


def _notes(progress: JobProgress) -> str:
    return markup.findings(progress.findings) + markup.notices(progress.notices)


def _events(job: Job) -> str:
    return markup.lines(happenings(job.events()[0]))


def pictures(previews: Sequence[Preview]) -> list[tuple[Image.Image, str]]:
    """The newest previews first, for a gallery; those whose file is gone are left out."""
    found = []
    for preview in reversed(previews[-_SHOWN:]):
        image = _opened(preview.path)
        if image is not None:
            found.append((image, f"step {preview.step}: {preview.prompt}"))
    return found


def _opened(path: Path) -> Image.Image | None:
    """gradio serves copies of images, and no file from a folder that it does not know."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except OSError:
        return None


def build_live(studio: Studio) -> Live:
    """Make the part of a page that shows the running job. No text of a button ever changes: a web
    UI translates those that it finds when its page is opened."""
    progress = gr.HTML(_IDLE, elem_id="ti_job_progress")
    strip = gr.HTML("", elem_id="ti_film")
    with gr.Row(elem_id="ti_controls"):
        small = partial(gr.Button, interactive=False, min_width=60, size="sm")
        pause = small("Pause", elem_id="ti_pause")
        go_on = gr.Button("Continue", visible=False, min_width=60, size="sm", elem_id="ti_go_on")
        save = small("Save now", elem_id="ti_save_now")
        preview = small("Preview now", elem_id="ti_preview_now")
        interrupt = small("Interrupt", variant="stop", elem_id="ti_interrupt")
    with gr.Row(elem_id="ti_rates"):
        slower = small(f"Rate ×{SLOWER:g}", elem_id="ti_slower")
        faster = small(f"Rate ×{FASTER:g}", elem_id="ti_faster")
    with gr.Row(elem_id="ti_use"):
        looks = {"show_copy_button": True, "buttons": ["copy"]}
        prompt = component(
            gr.Textbox,
            label="Write in a prompt",
            interactive=False,
            visible=False,
            elem_id="ti_prompt",
            **looks,
        )
        send = gr.Button("Send to txt2img", visible=False, elem_id="ti_send_to_txt2img")
        try_it = gr.Button("Try it", variant="primary", visible=False, elem_id="ti_try_it")
    if studio.shared:
        studio.shared.try_it = try_it
    previews = gallery("Previews", 3, "ti_previews")
    notes = html(elem_id="ti_notes")
    with gr.Accordion("Events", open=False, elem_id="ti_events_fold"):
        events = gr.HTML(_NO_EVENTS, elem_id="ti_events")
    buttons = (pause, go_on, save, preview, slower, faster)
    bar = gr.HTML("", elem_id="ti_job_bar", render=False)
    shown = (bar, strip, previews, notes, events)
    return Live(studio, "train", progress, interrupt, *shown, *buttons, prompt, send, try_it)


def bind_live(live: Live, message: gr.HTML) -> None:
    """Bind its buttons, when all of its components are there; `message` is an HTML for answers."""
    seen = gr.State(None)
    poll = gr.Button("Refresh", elem_id=POLL, elem_classes=["ti-hidden"])
    on(poll.click, live.look, [seen, *live.asked], [seen, *live.outputs], quiet=True)
    presses = (
        (live.pause, live.press_pause),
        (live.go_on, live.press_go_on),
        (live.save, live.press_save),
        (live.preview, live.press_preview),
        (live.slower, live.press_slower),
        (live.faster, live.press_faster),
        (live.interrupt, live.press_interrupt),
    )
    for button, press in presses:
        on(button.click, markup.with_error_box(press), [], [message], quiet=True)
    if "txt2img" in live.studio.send_to:
        on(live.send.click, None, [live.prompt], [], js=live.studio.send_to["txt2img"])
