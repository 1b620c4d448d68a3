"""What a run leaves on the disk: states, copies, previews, and in the end the finished file."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..events import Listener, Notice
from ..files.embedding import Embedding
from ..files.infotext import infotext, save_png
from ..options import recorded
from ..port.session import PreviewRequest, Session
from .events import Previewing, PreviewReady, Saved
from .learnable import Learnable
from .plan import Plan
from .plot import save_loss_plot
from .run_folder import RunFolder
from .sidecars import write_sidecars
from .state import TrainState, list_states, save_state
from .update import Updater

_log = logging.getLogger(__name__)


class Keeper:
    """Writes the files of a run, and holds the last state that the run can return to."""

    def __init__(
        self,
        plan: Plan,
        session: Session,
        folder: RunFolder,
        learnable: Learnable,
        updater: Updater,
        emit: Listener,
    ) -> None:
        self._plan, self._session, self._folder = plan, session, folder
        self._learnable, self._updater, self._emit = learnable, updater, emit
        self._latest_preview: Path | None = None
        self.good = self._state()

    def milestones(self) -> None:
        """What is due after this step: state, copy and plot, previews."""
        output, step = self._plan.config.output, self._updater.step
        if step % output.save_state_every_n_steps == 0:
            self.save_state()
        if output.save_every_n_steps and step % output.save_every_n_steps == 0:
            self.save_copy()
            self._plot()
        every = self._plan.config.preview.sample_every_n_steps
        if every and step % every == 0:
            self.make_previews()

    def save_state(self) -> None:
        """Write what is needed to resume here."""
        state = self._state()
        path = save_state(self._folder.state, state)
        self.good = state
        self._saved(path, "state")

    def _state(self) -> TrainState:
        facts = self._plan.facts
        return replace(
            self._updater.state(),
            pictures=len(self._plan.dataset.items),
            facts={"model": facts.checkpoint_name, "hash": facts.checkpoint_hash},
        )

    def save_copy(self) -> None:
        """Write a numbered copy of the learnable."""
        kind, name = self._plan.kind, self._plan.config.name
        path = self._folder.copy_path(name, self._updater.step, kind.folder, kind.suffix)
        self._write(path)
        self._saved(path, "copy")

    def finish(self) -> None:
        """Write the finished file, the last state, the plot and what is beside the file.

        The file comes before the state: a kill in between only repeats a few steps.
        """
        path = self._plan.final_path
        subject = self._write(path)
        if self.good.step != self._updater.step or not list_states(self._folder.state):
            self.save_state()
        self._plot()
        if self._plan.config.output.write_sidecars:
            for notice in write_sidecars(path, subject, self._latest_preview):
                self._emit(notice)

    def first_previews(self) -> None:
        """Before the first update, to compare with."""
        preview = self._plan.config.preview
        if self._updater.step == 0 and preview.sample_at_first and preview.sample_every_n_steps:
            self.make_previews()

    def make_previews(self) -> None:
        """A preview that fails is reported, and training continues (A1111 dies of it)."""
        step, requests = self._updater.step, self._plan.previews
        for number, request in enumerate(requests):
            self._emit(Previewing(step, number + 1, len(requests)))
            try:
                self._preview(number, request)
            except Exception as error:
                _log.debug("preview failed", exc_info=True)
                what = f"preview {number} at step {step} failed"
                self._emit(Notice("warning", what, str(error), "training goes on"))
        self._session.release("vae")

    def _preview(self, number: int, request: PreviewRequest) -> None:
        added = self._learnable.extra_networks()
        one = replace(request, count=1)
        image = self._session.preview(one, added.embeddings, added.hypernetwork)[0]
        step = self._updater.step
        path = self._folder.image_path(self._plan.config.name, step, number)
        save_png(path, image, infotext(request, request.seed, self._plan.facts, {}))
        self._emit(PreviewReady(step, path, request.prompt))
        if number == 0:
            self._latest_preview = path

    def _write(self, path: Path) -> Embedding | None:
        settings = recorded(self._plan.config)
        return self._learnable.write(path, self._updater.step, self._plan.facts, settings)

    def _saved(self, path: Path, what: Literal["copy", "state"]) -> None:
        measures = self._learnable.measures()
        self._emit(Saved(self._updater.step, path, what, measures))

    def _plot(self) -> None:
        losses, name = self._folder.losses(), self._plan.config.name
        save_loss_plot(self._folder.path / "loss.png", losses, name)
