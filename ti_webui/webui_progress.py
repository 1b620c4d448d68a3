"""A job where the web UI shows its own work: the bar of its pages, and `/sdapi/v1/progress`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from modules import shared
from PIL import Image

from ti_core.train.progress import JobProgress, last_texts

from .job import Job
from .markup import escape

_NAMES = {"train": "train-embedding", "create": "create-embedding"}
"""What A1111 calls its jobs."""


@contextmanager
def in_webui(job: Job) -> Iterator[None]:
    """While open, the web UI's state is that of the job, and its Interrupt ends the job."""
    shared.state.begin(job=_NAMES.get(job.kind, job.kind))
    shown = 0

    def follow(progress: JobProgress) -> None:
        nonlocal shown
        _tell(progress)
        if len(progress.previews) > shown:
            shown = len(progress.previews)
            with suppress(OSError), Image.open(progress.previews[-1].path) as picture:
                shared.state.assign_current_image(picture.convert("RGB"))
        if shared.state.interrupted:
            job.control.finish()

    job.follow = follow
    try:
        yield
    finally:
        job.follow = lambda progress: None
        shared.state.end()


def _tell(progress: JobProgress) -> None:
    state = shared.state
    state.job_count, state.job_no = progress.total or -1, progress.step
    state.textinfo = textinfo(progress)


def textinfo(progress: JobProgress) -> str:
    """A1111's paragraph about a training."""
    lines = [("Loss", f"{progress.last_loss:.7f}")] if progress.last_loss is not None else []
    lines += [("Step", str(progress.step)), *last_texts(progress)]
    return "<p>" + "<br/>".join(f"{label}: {escape(text)}" for label, text in lines) + "</p>"
