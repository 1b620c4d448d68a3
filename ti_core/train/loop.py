"""The training loop: one update after another, against the model that the host has loaded."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..data.latent_cache.latents import Latents
from ..errors import NotFiniteError, TIError, setting
from ..events import Event, Notice
from ..files.embedding import Embedding
from ..files.infotext import infotext, save_png
from ..files.writing import write_embedding
from ..options import recorded, to_dict
from ..port.memory import memory_errors
from ..port.session import Host, PreviewRequest, Session
from .batches import Batches, batch_loss, encode_pictures
from .config import TrainConfig
from .control import Control
from .events import (
    Encoding,
    Failed,
    Finished,
    Listener,
    Paused,
    Previewing,
    PreviewReady,
    Resumed,
    Saved,
    Started,
    StepDone,
)
from .gradients import LossScale, all_finite, require_alive, unscale
from .optimizers import OPTIMIZERS, set_rate
from .plan import Plan, make_plan
from .plot import save_loss_plot
from .run_folder import RunFolder
from .sidecars import write_beside
from .state import OptimizerMemory, TrainState, list_states, save_state
from .vectors import EmbeddingVectors, Start, described, norms, starting_rows

_MOST_RECOVERIES = 3
_SECONDS_OF_SILENCE = 1.0
_log = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    host: Host,
    on_event: Listener = lambda event: None,
    control: Control | None = None,
    resume: RunFolder | None = None,
    extra_settings: dict[str, object] | None = None,
    folder: RunFolder | None = None,
) -> Path:
    """Train an embedding and return the path of its file.

    `control` tells what the user asks for while it goes on; when that is to finish, everything is
    saved and the present embedding is returned. `extra_settings` (the host's own) are kept in the
    run folder. A new run makes a `folder` of its own unless one is given.
    Raises TIError; what was learned until then lies in the run folder.
    """
    plan = make_plan(config, host, resume)
    with host.session(config.compute.mixed_precision) as session:
        folder = resume or folder or _new_folder(config)
        folder.csv_every = config.output.loss_csv_every
        folder.write_settings({"train": to_dict(config), **(extra_settings or {})})
        path = Run(plan, session, folder, on_event).go(control or Control())
    host.embedding_saved(path)
    return path


def _new_folder(config: TrainConfig) -> RunFolder:
    return RunFolder.create(Path(config.output.logging_dir), config.file_stem)


class Run:
    """One training, from its first to its last update in this process."""

    def __init__(self, plan: Plan, session: Session, folder: RunFolder, listener: Listener) -> None:
        self.plan, self.session, self.folder, self.listener = plan, session, folder, listener
        self.config = plan.config
        if plan.state:
            start = Start(plan.state.tensors)
        else:
            start = starting_rows(self.config.embedding, plan.facts, session)
        self.notices = (*plan.notices, *start.notices)
        self.vectors = EmbeddingVectors(self.config.name, start.rows, session.device)
        entry = OPTIMIZERS[self.config.optimizer.optimizer_type]
        self.optimizer = entry.make(self.vectors.parameters())
        self.memory = OptimizerMemory(self.optimizer)
        self.scale = LossScale.for_precision(self.config.compute.mixed_precision)
        self.step, self.rate_factor, self.recoveries = 0, 1.0, 0
        self.alive, self.updating = False, False
        self.latest_preview: Path | None = None
        if plan.state:
            self._restore(plan.state)
            self.recoveries = 0  # whoever resumes has changed something, or wants to try again
        self.good = self._state()

    # -- the run ---------------------------------------------------------------------------

    def go(self, control: Control) -> Path:
        """All updates; see `train`."""
        began = time.perf_counter()
        try:
            self._begin()
            self.batches = Batches(self.plan, self._encode(control), self.session)
            self.session.release("vae")
            self._make_first_previews()
            while self.step < self.config.optimizer.max_train_steps and self._goes_on(control):
                with memory_errors():
                    self._update()
                self._milestones()
            return self._finish(time.perf_counter() - began)
        except BaseException as error:
            self._rescue(error)
            raise

    def _encode(self, control: Control) -> Latents:
        told = time.monotonic()

        def progress(done: int, total: int) -> bool:
            nonlocal told
            if time.monotonic() - told > _SECONDS_OF_SILENCE:
                self._emit(Encoding(done, total))
                told = time.monotonic()
            return not control.finishing

        return encode_pictures(self.plan, self.session, progress, self._emit)

    def _goes_on(self, control: Control) -> bool:
        """Do what was asked for; False when the run shall end."""
        self._answer(control)
        if control.paused:
            self._emit(Paused(self.step))
            while control.paused:
                control.wait()
                self._answer(control)
            self._emit(Resumed(self.step))
        return not control.finishing

    def _answer(self, control: Control) -> None:
        for request in control.requests():
            if request == "preview":
                self._make_previews()
            else:
                self._save_state()
                self._save_copy()

    def _begin(self) -> None:
        self.folder.forget_after(self.step)
        plan = self.plan
        for notice in self.notices:
            self._emit(notice)
        self._emit(
            Started(
                name=self.config.name,
                run_folder=self.folder.path,
                step=self.step,
                max_steps=self.config.optimizer.max_train_steps,
                pictures=len(plan.dataset.items),
                template=plan.dataset.template_name,
                model=plan.facts.checkpoint_name,
                vectors=len(self.vectors.parameters()[0]),
                norms=norms(self.vectors.rows),
                segments=[(s.start, s.until, s.rate) for s in plan.schedule.segments],
            )
        )

    def _finish(self, seconds: float) -> Path:
        """The embedding first, then the state: a kill in between only repeats a few steps."""
        done = self.step >= self.config.optimizer.max_train_steps
        embedding = self._write(self.plan.final_path, self.config.file_stem)
        if self.good.step != self.step or not list_states(self.folder.state):
            self._save_state()
        self._plot()
        if self.config.output.write_sidecars:
            for notice in write_beside(self.plan.final_path, embedding, self.latest_preview):
                self._emit(notice)
        path, length = self.plan.final_path, norms(self.vectors.rows)
        reason: Literal["done", "stopped"] = "done" if done else "stopped"
        self._emit(Finished(self.step, path, self.folder.path, reason, seconds, length))
        return path

    def _rescue(self, error: BaseException) -> None:
        """Keep what was learned, whatever went wrong; never hide what went wrong."""
        try:
            if self.step > self.good.step and not self.updating:
                self._save_state()
                self._save_copy()
        except (TIError, OSError) as second:
            _log.warning(
                "and what was learned since step %d could not be saved: %s", self.good.step, second
            )
        failed = Failed(self.step, str(error) or type(error).__name__, self.folder.path)
        with contextlib.suppress(TIError):  # the disk may be what failed
            self.folder.record(failed)
        self.listener(failed)

    # -- one update ------------------------------------------------------------------------

    def _update(self) -> None:
        began = time.perf_counter()
        loss = self._gradients()
        while loss is None:
            if not self.scale.shrink():
                self._fall_back()
            loss = self._gradients()
        rate = self.plan.rate(self.step) * self.rate_factor
        self.plan.clipping.apply(self.vectors.parameters(), self.step)
        set_rate(self.optimizer, rate)
        self.updating = True
        self.optimizer.step()
        self.scale.count_good()
        self.step += 1
        self.updating = False
        self._report(loss, rate, time.perf_counter() - began)

    def _gradients(self) -> float | None:
        """Fill the vectors' gradients for this step; the mean loss, or None if not finite."""
        parameters = self.vectors.parameters()
        self.optimizer.zero_grad(set_to_none=True)
        passes = self.config.optimizer.gradient_accumulation_steps
        total, teaches = 0.0, False
        for batch in self.batches.of_step(self.step):
            loss = batch_loss(batch, self.session, self.vectors, self.plan) / passes
            if loss.requires_grad:
                (loss * self.scale.value).backward()
            elif batch.teaches:
                require_alive(sorted(self.vectors.rows), parameters)
            total, teaches = total + loss.item(), teaches or batch.teaches
        unscale(parameters, self.scale.value)
        if not math.isfinite(total) or not all_finite(p.grad for p in parameters):
            return None
        if not self.alive and teaches:
            require_alive(sorted(self.vectors.rows), parameters)
            self.alive = True
        return total

    def _fall_back(self) -> None:
        """Return to the last good state with half the rate, at most three times."""
        at = self.step
        if self.recoveries >= _MOST_RECOVERIES:
            raise NotFiniteError(
                f"the loss is not a finite number at step {at + 1}",
                f"it stayed so after {_MOST_RECOVERIES} attempts with lower learning rates",
                f"try {setting('mixed_precision')} no, a lower learning rate, other "
                "pictures or another VAE",
            )
        factor, count = self.rate_factor / 2, self.recoveries + 1
        self._restore(self.good)
        self.rate_factor, self.recoveries = factor, count
        self.folder.forget_after(self.step)
        self._emit(
            Notice(
                "warning",
                f"the loss was not a finite number at step {at + 1}",
                f"training returned to step {self.step} and goes on with {factor:g} of the rate",
            )
        )

    def _report(self, loss: float, rate: float, seconds: float) -> None:
        epoch, place = self.plan.order.epoch(self.step - 1)
        self._emit(StepDone(self.step, epoch, place, loss, rate, seconds))

    # -- saving and showing ----------------------------------------------------------------

    def _milestones(self) -> None:
        output, preview = self.config.output, self.config.preview
        if self.step % output.save_state_every_n_steps == 0:
            self._save_state()
        if output.save_every_n_steps and self.step % output.save_every_n_steps == 0:
            self._save_copy()
            self._plot()
        every = preview.sample_every_n_steps
        if every and self.step % every == 0:
            self._make_previews()

    def _make_first_previews(self) -> None:
        preview = self.config.preview
        if self.step == 0 and preview.sample_at_first and preview.sample_every_n_steps:
            self._make_previews()

    def _make_previews(self) -> None:
        """A preview that fails is told about, and training goes on (A1111 dies of it)."""
        for number, request in enumerate(self.plan.previews):
            self._emit(Previewing(self.step, number + 1, len(self.plan.previews)))
            try:
                self._preview(number, request)
            except Exception as error:
                _log.debug("preview failed", exc_info=True)
                what = f"preview {number} at step {self.step} failed"
                self._emit(Notice("warning", what, str(error), "training goes on"))
        self.session.release("vae")

    def _preview(self, number: int, request: PreviewRequest) -> None:
        image = self.session.preview(replace(request, count=1), self.vectors.embeddings())[0]
        path = self.folder.image_path(self.config.name, self.step, number)
        save_png(path, image, infotext(request, request.seed, self.plan.facts, {}))
        self._emit(PreviewReady(self.step, path, request.prompt))
        if number == 0:
            self.latest_preview = path

    def _save_copy(self) -> None:
        path = self.folder.copy_path(self.config.name, self.step)
        self._write(path, path.stem)
        self._emit(Saved(self.step, path, "copy"))

    def _write(self, path: Path, name: str) -> Embedding:
        told = (self.plan.facts, recorded(self.config), self.config.embedding)
        embedding = described(name, self.vectors.rows, self.step, *told)
        write_embedding(path, embedding)
        return embedding

    def _plot(self) -> None:
        save_loss_plot(self.folder.path / "loss.png", self.folder.losses(), self.config.name)

    def _save_state(self) -> None:
        state = self._state()
        path = save_state(self.folder.state, state)
        self.good = state
        self._emit(Saved(self.step, path, "state"))

    def _state(self) -> TrainState:
        facts = self.plan.facts
        return TrainState(
            step=self.step,
            tensors=self.vectors.snapshot(),
            moments=self.memory.save(),
            optimizer=self.config.optimizer.optimizer_type,
            loss_scale=self.scale.value,
            good_updates=self.scale.good_updates,
            rate_factor=self.rate_factor,
            recoveries=self.recoveries,
            pictures=len(self.plan.dataset.items),
            facts={"model": facts.checkpoint_name, "hash": facts.checkpoint_hash},
        )

    def _restore(self, state: TrainState) -> None:
        self.step = state.step
        self.vectors.restore(state.tensors)
        self.memory.restore(state.moments)
        self.scale = LossScale(state.loss_scale, state.good_updates)
        self.rate_factor, self.recoveries = state.rate_factor, state.recoveries

    def _emit(self, event: Event) -> None:
        self.folder.record(event)
        self.listener(event)
