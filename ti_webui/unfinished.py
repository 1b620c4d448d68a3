"""Trainings that did not reach their end, beside Resume: after a crash, or the day after."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ti_core.errors import NotFoundError
from ti_core.train.run_folder import RunFolder
from ti_core.train.runs import ResumableRun, resumable

from .gradio_versions import Updates
from .studio import Studio
from .thumbnails import thumbnail

_MOST = 12
"""Runs that are shown, the newest."""


class Unfinished:
    """The list as pages see it; only runs in it are ever opened."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.runs: dict[str, ResumableRun] = {}
        """By what they are called in the page, newest first."""

    def look(self) -> None:
        """Read the log directories; the run that is running is left out."""
        job = self.studio.jobs.running
        busy = job.progress.run_folder if job else None
        found = [run for logs in self.studio.logging_dirs() for run in resumable(logs)]
        found.sort(key=lambda run: run.saved, reverse=True)
        some = [run for run in found if run.folder.path != busy][:_MOST]
        self.runs = {run.label: run for run in some}

    def updates(self, chosen: str | None) -> Updates:
        """[update of the dropdown, of the gallery]"""
        shown = bool(self.runs)
        pictures = [
            (thumbnail(run.preview, run.name), f"{run.step}/{run.max_steps} {run.name}")
            for run in self.runs.values()
        ]
        return [
            gr.update(choices=list(self.runs), value=chosen, visible=shown),
            gr.update(value=pictures, visible=shown),
        ]

    def newest(self, name: str = "") -> str | None:
        """The label of the newest run, of this name if one is given."""
        return next((text for text, run in self.runs.items() if name in ("", run.name)), None)

    def folder(self, chosen: str) -> RunFolder:
        """The folder of a run in the list. Raises NotFoundError for another."""
        if chosen not in self.runs:
            self.look()
        if chosen not in self.runs:
            fix = "choose one of the list"
            raise NotFoundError(f"there is no unfinished run {chosen!r}", "it may be finished", fix)
        return self.runs[chosen].folder

    def at(self, folder: Path | None) -> str | None:
        """The label of the run in a folder."""
        return next((text for text, run in self.runs.items() if run.folder.path == folder), None)
