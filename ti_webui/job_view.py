"""One kind of job on a page: how far it is, and a button that ends it.

As in `live`, the page presses `#ti_poll_<kind>` while `#ti_job_progress_<kind>` is in view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, NamedTuple

import gradio as gr

from ti_core.errors import HostError, TIError
from ti_core.options import SettingValues
from ti_core.train.progress import JobProgress

from . import markup
from .gradio_versions import Component, Updates, on
from .job import Job, Kind
from .markup import escape
from .studio import Studio

Signature = tuple[object, ...]


class Seen(NamedTuple):
    """What a page has shown."""

    moment: tuple[str, bool] | None
    """(id, whether it is over) of the latest job of any kind"""
    job: Signature | None


Show = Callable[[Job, JobProgress], Updates]
"""What else a page shows of a job: an update for each of its components."""
Press = Callable[..., Updates]
"""What a button does."""
SettingsOf = Callable[[Sequence[object]], SettingValues]
"""Values of a form's components → settings by name."""


@dataclass
class JobView:
    """The components."""

    studio: Studio
    kind: Kind
    progress: gr.HTML
    interrupt: gr.Button
    _: KW_ONLY
    more: Sequence[Component] = ()
    show: Show = lambda job, progress: []
    lists: Sequence[Component] = ()
    """Components that are brought up to date when a page is opened, and when any job begins or
    ends."""
    renew: Callable[..., Updates] = lambda opened: []
    """An update for each of these; told whether the page was opened just now, and what `asked`
    hold."""
    asked: Sequence[Component] = ()

    no_job: ClassVar[str] = "nothing is running"
    will_end: ClassVar[str] = (
        "Interrupt requested: the job ends after the current image and keeps what is made"
    )

    @property
    def parts(self) -> list[Component]:
        """The components that show the job."""
        return [self.progress, self.interrupt, *self.more]

    @property
    def outputs(self) -> list[Component]:
        """What `look` returns updates for, after what was seen."""
        return [*self.parts, *self.lists]

    def look(self, seen: Seen | None, *asked: object) -> Updates:
        """What is new since `seen`: [what was seen now, an update for each of the outputs]."""
        job, latest = self.studio.jobs.latest_of(self.kind), self.studio.jobs.latest
        moment = (latest.id, latest.progress.over) if latest else None
        now = Seen(moment, self.signature(job) if job else None)
        is_same = seen is not None and seen.moment == moment
        lists = [gr.update() for _ in self.lists] if is_same else self.renew(seen is None, *asked)
        before = seen.job if seen else None
        if job is None or now.job == before:
            return [now, *(gr.update() for _ in self.parts), *lists]
        used = self.studio.uses_networks()
        progress = gr.update(value=markup.progress_html(job.progress, job.name, job.kind, used))
        return [now, progress, *self.updates(job, before), *lists]

    def signature(self, job: Job) -> Signature:
        """Changes when something on the page has to."""
        progress = job.progress
        return (job.id, progress.state, progress.stage, progress.step, len(progress.notices))

    def updates(self, job: Job, seen: Signature | None) -> Updates:
        """An update for each of the parts behind the progress."""
        progress = job.progress
        return [gr.update(interactive=not progress.over), *self.show(job, progress)]

    def press_interrupt(self) -> str:
        """End the job; what is made stays."""
        self.running().control.finish()
        return markup.box("note", self.will_end)

    def running(self) -> Job:
        """The job that is shown. Raises HostError when none of its kind is running."""
        job = self.studio.jobs.latest_of(self.kind)
        if job is None or job.progress.over:
            raise HostError(self.no_job)
        return job


def build_job_view(studio: Studio, kind: Kind, idle: str) -> JobView:
    """Make the components; `idle` says what can be begun here."""
    text = f'<div class="ti-idle">{escape(idle)}</div>'
    progress = gr.HTML(text, elem_id=f"ti_job_progress_{kind}")
    interrupt = gr.Button(
        "Interrupt", variant="stop", size="sm", interactive=False, elem_id=f"ti_interrupt_{kind}"
    )
    return JobView(studio, kind, progress, interrupt)


def bind_job_view(
    view: JobView, message: gr.HTML, more: Sequence[Component] = (), show: Show | None = None
) -> None:
    """Bind it, when all components are there; `message` is an HTML for answers."""
    view.more = more
    view.show = show or view.show
    seen = gr.State(None)
    poll = gr.Button("Refresh", elem_id=f"ti_poll_{view.kind}", elem_classes=["ti-hidden"])
    on(poll.click, view.look, [seen, *view.asked], [seen, *view.outputs], quiet=True)
    press = markup.with_error_box(view.press_interrupt)
    on(view.interrupt.click, press, [], [message], quiet=True)


def errors_first(handler: Press, outputs: int, labels: Mapping[str, str] | None = None) -> Press:
    """A handler whose first output is HTML, where its errors go; the other outputs stay then.
    `labels` are those of a form that calls its settings otherwise (`markup.labels_of`)."""

    def shown(*values: object) -> Updates:
        try:
            return handler(*values)
        except TIError as error:
            told = markup.error_box(error, labels) if labels else markup.error_box(error)
            return [told, *(gr.update() for _ in range(outputs - 1))]

    return shown
