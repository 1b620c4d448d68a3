"""A training from its beginning to its end, against the model that the host has loaded."""

from __future__ import annotations

import contextlib
import datetime
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..data.latent_cache.fingerprint import vae_facts
from ..data.latent_cache.latents import Latents
from ..errors import HostMemoryError, TIError, setting
from ..events import Event, Listener, Notice
from ..options import SettingValues, to_dict
from ..port.session import Host, Session
from ..schedule import early_end
from .batches import Batches
from .changes import noted_pictures
from .commands import obey
from .config import BaseTrainConfig
from .control import Control
from .deferred import Deferred
from .early_stopping import ending, settled
from .encoding import encoded
from .events import (
    EndChanged,
    Failed,
    Finished,
    Paused,
    RateChanged,
    Resumed,
    Started,
    StepDone,
    Validated,
)
from .group import Group
from .keeping import Keeper
from .milestones import ends_epoch, validation_is_due
from .plan import Plan, make_plan
from .result import Result
from .run_folder import RunFolder
from .run_lock import locked
from .share import identity, require_shares
from .starts import from_better_start
from .state import list_states
from .surroundings import changed_surroundings, surroundings
from .trackers import tracked
from .update import Made, Updater
from .validation import Validation
from .validations import Validations

_PROMPT_SHOWN = 300
"""Letters; more would fill the log."""
_log = logging.getLogger(__name__)


def train(
    config: BaseTrainConfig,
    host: Host,
    on_event: Listener = lambda event: None,
    control: Control | None = None,
    resume: RunFolder | None = None,
    extra_settings: dict[str, object] | None = None,
    folder: RunFolder | None = None,
    plan: Plan | None = None,
    group: Group | None = None,
) -> Path:
    """Train what `config` describes and return the path of its file, of several words the first.

    `control` carries the user's requests; a run that is asked to finish writes everything as after
    its last step. `extra_settings` (the host's own) are kept in the run folder. A new run creates
    a `folder` unless one is given, and makes a `plan` of the same config, host and run. In a
    `group` of processes this is the first one, and the others `follow`.
    Raises TIError; what was learned until then is in the run folder.
    """
    with contextlib.ExitStack() as stack:
        if resume:
            stack.enter_context(locked(resume.path))
        plan = plan or make_plan(config, host, resume)
        config = plan.config
        require_shares(config, group.size if group else 1)
        session = stack.enter_context(host.session(config.compute.precision()))
        if config.compute.pack_weights:
            session.pack_weights()
        control = control or Control()
        plan, latents, group = from_better_start(plan, session, control, on_event, group)
        logging_dir = Path(config.output.logging_dir)
        folder = resume or folder or RunFolder.create(logging_dir, config.file_stem)
        if not resume:
            stack.enter_context(locked(folder.path))
        step = plan.state.step if plan.state else 0
        listener = stack.enter_context(tracked(config, folder, step, on_event))
        run = TrainingRun(plan, session, folder, listener, group, latents)
        made_with = {"made_with": surroundings(session)}
        settings = {"name": config.name, "train": to_dict(plan.config), **made_with}
        run.begin({**settings, **run.noted(), **(extra_settings or {})})
        paths = run.go(control)
    for path in paths:
        plan.kind.announce(host, path)
    return paths[0]


class TrainingRun:
    """One training, from its first to its last update in this process."""

    def __init__(
        self,
        plan: Plan,
        session: Session,
        folder: RunFolder,
        listener: Listener,
        group: Group | None = None,
        latents: Latents | None = None,
    ) -> None:
        """`latents`: those of the plan's images, where they are there already."""
        self.group, self._latents = group or Group(), latents
        self.plan, self.session, self.folder, self.listener = plan, session, folder, listener
        saved = plan.state.tensors if plan.state else None
        self.learnable, self.notices = plan.kind.start(plan.facts, session, saved)
        self.updater = Updater(plan, session, self.learnable, self.group)
        self.validations = Validations(plan.state.validations if plan.state else ())
        self._look_ahead()
        self.keeper = Keeper(
            plan, session, folder, self.learnable, self.updater, self.validations, self._emit
        )
        self.deferred = Deferred(plan, session, self.learnable, self.group.size == 1)
        self._unlogged: list[StepDone] = []
        """Updates that are not in the log yet."""

    def noted(self) -> SettingValues:
        """What A1111's `settings-*.json` has beside the settings, under its names."""
        facts = self.plan.facts
        return {
            "datetime": f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}",
            "model_name": facts.checkpoint_name,
            "model_hash": facts.checkpoint_hash,
            "num_of_dataset_images": len(self.plan.dataset.items),
            "initial_step": self.updater.step,
            "template": self.plan.dataset.template_name,
            "size": self.learnable.size,
        }

    def begin(self, settings: SettingValues) -> None:
        """Make the folder one that can be resumed: first the state, then the settings."""
        if not list_states(self.folder.state):
            if self.plan.origin:  # a run that continues a file may replace it
                self.folder.add_results([self.plan.origin.digest])
            self.keeper.begin()
        self.folder.write_pictures(noted_pictures(self.plan.dataset))
        self.folder.write_settings(settings)

    def go(self, control: Control) -> list[Path]:
        """The order of a run, and the files that it made; see `train`."""
        began = time.perf_counter()
        try:
            # start: logs end at the step where this run continues
            self._start()
            had_all = self._done
            if had_all and not self._must_validate:
                self.keeper.catch_up()
            else:
                self._updates(control)
            # finish: state, previews of the end, files, sidecars, plot
            results = self.keeper.finish(ended=self._done)
            for result in results if had_all else ():
                self._emit(self._was_done(result))
            paths = [result.path for result in results]
            self._end(paths, time.perf_counter() - began)
        except BaseException as error:
            self._rescue(error)
            raise
        return paths

    def _updates(self, control: Control) -> None:
        """All that are left to do. How one is made: `Updater.update`."""
        self.keeper.note_vae(vae_facts(self.session).fingerprint)
        # encode: (B, 3, H, W) pixels → (2, c, h, w), mean and deviation, of every picture
        latents = self._latents or encoded(self.plan, self.session, control, self._emit)
        batches = Batches(self.plan, latents, self.session)
        validation = Validation(self.plan, latents, self.session)
        self.session.release("vae")
        self.group.agree(identity(self.plan), control)
        self._validate(validation)
        self.keeper.catch_up()
        began = self.updater.step
        while not self._done and self._continues(control):
            if self.updater.step > began:  # what applies first was told at the start
                self._tell_rate()
            # update: passes and a step of the optimizer → a loss; on a GPU several at a time
            started = time.perf_counter()
            made = self._made_together(batches, control) or [self._made(batches)]
            self._report(made, time.perf_counter() - started)
            # alive: what has a gradient must move
            self.updater.require_moving()
            # validate: the same questions each time → a loss to compare copies by
            self._validate(validation)
            # milestones: state, copy and plot, previews
            self.keeper.milestones()
            if ends_epoch(self.plan, self.updater.step):
                control.epoch_ended()

    def _made_together(self, batches: Batches, control: Control) -> list[Made] | None:
        """See `deferred`. None where the next update is to be made alone."""
        step = self.updater.step
        count = self.deferred.count(step, self._ending.fall.end)
        if count < 2 or control.is_asked:
            return None
        made = self.updater.updates(batches, count, lambda: control.is_asked)
        if made is None:
            self.deferred.undone(step, count)
        return made

    def _made(self, batches: Batches) -> Made:
        """The next update. From NaN training recovers by the last good state and half the rate."""
        made = self._updated(batches)
        while made is None:
            self._recover()
            made = self._updated(batches)
        return made

    def _updated(self, batches: Batches) -> Made | None:
        """As `Updater.update`, a rung further down each time that memory runs out."""
        while True:
            try:
                return self.updater.update(batches)
            except HostMemoryError:
                rung = self.updater.go_down()
                if rung is None:
                    raise
            # here, where the error holds nothing of the failed step any more
            self.updater.make_room()
            self.keeper.save_state()  # first: a resumed run makes its steps in the same way
            what = f"memory ran out at step {self.updater.step + 1}, which is repeated"
            self._emit(Notice("warning", f"{what}: {rung.what}", rung.price))

    @property
    def _must_validate(self) -> bool:
        """It is due, and a run that ended here has not done it."""
        step = self.updater.step
        return validation_is_due(self.plan, step) and not self.validations.done_at(step)

    def _validate(self, validation: Validation) -> None:
        """Where it is due."""
        if not self._must_validate:
            return
        step = self.updater.step
        with self.updater.results():
            found = validation.found(step, self.learnable.extra_networks())
        if not found.is_finite:
            what = f"the validation loss is not a finite number at step {step}"
            self._emit(Notice("warning", what, "", "training continues"))
            return
        self.validations.add(found)
        is_best = self.validations.is_best(step)
        self._emit(Validated(step, found.loss, found.held_out, is_best))
        if not self._ending.why and settled(self.validations.all, self.plan.config.validation):
            self._change_end()
            self._tell_fall()
        self.keeper.write_validations()

    def _look_ahead(self) -> None:
        """How the run ends, as its validations tell now; it sets the rates until then."""
        self._ending = ending(self.validations.all, self.plan.config, self.updater.step)
        self.updater.fall = self._ending.fall

    def _change_end(self) -> None:
        before = self._ending.fall.end
        self._look_ahead()
        if self._ending.fall.end != before:
            self._emit(EndChanged(self.updater.step, self._ending.fall.end))

    def _tell_fall(self) -> None:
        (_, end), why = self._ending.fall, self._ending.why
        if why and self.plan.config.optimizer.decay:
            self._emit(Notice("info", f"the learning rate falls to 0 by step {end}", str(why)))

    @property
    def _done(self) -> bool:
        return self.updater.step >= self._ending.fall.end

    def _start(self) -> None:
        self.folder.sweep()
        self.folder.forget_after(self.updater.step, self.plan.kind.loss_csv)
        plan, config = self.plan, self.plan.config
        before = plan.state.facts if plan.state else {}
        elsewhere = changed_surroundings(before, surroundings(self.session))
        for notice in (*plan.notices, *self.notices, *elsewhere):
            self._emit(notice)
        measures, strength, verdict = self.keeper.measured()
        self._emit(
            Started(
                name=config.name,
                run_folder=self.folder.path,
                step=self.updater.step,
                max_steps=self._ending.fall.end,
                pictures=len(plan.dataset.items),
                template=plan.dataset.template_name,
                model=plan.facts.checkpoint_name,
                size=self.learnable.size,
                measures=measures,
                strength=strength,
                verdict=verdict,
                usual_lengths=dict(self.learnable.usual_lengths),
                segments=[(s.start, s.until, s.rate) for s in config.optimizer.schedule.segments],
                steps_per_epoch=plan.order.steps_per_epoch,
                loss=self.updater.loss,
            )
        )
        self.keeper.measure()

    def _continues(self, control: Control) -> bool:
        """Answer the user's requests; False when the run is to end."""
        self._answer(control)
        if control.paused:
            self._emit(Paused(self.updater.step))
            while control.paused:
                control.wait()
                self._answer(control)
            self._emit(Resumed(self.updater.step))
        return not control.finishing

    def _answer(self, control: Control) -> None:
        for notice in obey(self.folder.commands, control):
            self._emit(notice)
        factor = control.rate_change()
        if factor != 1:
            self._change_rate(factor)
        for request in control.requests():
            if request == "preview":
                self.keeper.make_previews()
            else:
                self.keeper.save_state()
                self.keeper.save_copy()

    def _change_rate(self, factor: float) -> None:
        """The state comes first: a run that is resumed makes its steps at the same rates."""
        self.updater.change_rate(factor)
        self.keeper.save_state()
        self._emit(RateChanged(self.updater.step, factor, self.updater.rate))

    def _tell_rate(self) -> None:
        """As A1111 does on its console when the next part of the schedule begins."""
        for segment in self.plan.config.optimizer.schedule.segments:
            if segment.start == self.updater.step:
                now = replace(segment, rate=segment.rate * self.updater.rate_factor)
                self._emit(Notice("info", f"the learning rate is now {now}"))

    def _recover(self) -> None:
        at, kept = self.updater.step, self.keeper.keep_last_finite()
        self.updater.recover(self.keeper.good, kept)
        self.validations.restore(self.keeper.good.validations)
        self._change_end()
        step, factor = self.updater.step, self.updater.rate_factor
        self.folder.forget_after(step, self.plan.kind.loss_csv)
        self._emit(
            Notice(
                "warning",
                f"the loss was not a finite number at step {at + 1}",
                f"training returned to step {step} and continues with {factor:g} of the rate",
                kept,
            )
        )

    def _report(self, made: Sequence[Made], seconds: float) -> None:
        self.deferred.took(len(made), seconds)
        self._unlogged = [self._told(one, seconds / len(made)) for one in made]
        while self._unlogged:
            done = self._unlogged[0]
            self._record(done)
            del self._unlogged[0]
            self.listener(done)

    def _told(self, made: Made, seconds: float) -> StepDone:
        epoch, place = self.plan.order.epoch(made.step - 1)
        prompt = self.plan.prompt(made.step - 1)[:_PROMPT_SHOWN]
        return StepDone(made.step, epoch, place, made.loss, made.rate, seconds, prompt)

    def _was_done(self, result: Result) -> Notice:
        """What a run that had all of its steps is told when it is resumed."""
        step, name = self.updater.step, self.plan.config.name
        ended_early = step < self.plan.config.optimizer.last_step
        what = (
            f"{name} {f'ended at step {step}' if ended_early else f'has all of its {step} steps'}"
        )
        found = "was missing and is written" if result.written else "is there"
        why = f"{result.path} {found}"
        options = self.plan.config.optimizer
        ended = early_end(options.schedule, options.max_train_steps)
        fix = ended[-1] if ended else f"to continue, raise {setting('max_train_steps')}"
        if ended_early:
            fix = ""  # the end of the run tells it
        return Notice("info", what, why, fix)

    def _end(self, paths: list[Path], seconds: float) -> None:
        last, why = self.plan.config.optimizer.last_step, self._ending.why
        if why and self._done:
            what = f"training ended at step {self.updater.step} of {last}"
            fix = f"to continue, turn off {setting('early_stopping')}"
            self._emit(Notice("info", what, str(why), fix))
        self._emit(
            Finished(
                self.updater.step,
                paths[0],
                self.folder.path,
                "done" if self._done else "stopped",
                seconds,
                *self.keeper.measured(),
                *self._best(),
                paths[1:],
            )
        )

    def _best(self) -> tuple[int | None, Path | None]:
        """Step and file of the best copy, where there is one."""
        best, path = self.validations.best, self.keeper.best_path
        return (best.step, path) if best and path.is_file() else (None, None)

    def _rescue(self, error: BaseException) -> None:
        """Keep what was learned, whatever went wrong; never hide what went wrong."""
        step, good = self.updater.step, self.keeper.good.step
        try:
            if step > good and not self.updater.torn:
                if self._unlogged:  # as a whole: half of the first one's lines may be there
                    known = self._unlogged[0].step - 1
                    self.folder.forget_after(known, self.plan.kind.loss_csv)
                    for done in self._unlogged:
                        self._record(done)
                self.keeper.save_state()
                self.keeper.save_copy(missing_only=True)  # after NaN it is of a higher rate
        except (TIError, OSError) as second:
            _log.warning("what was learned since step %d could not be saved: %s", good, second)
        failed = Failed(step, str(error) or type(error).__name__, self.folder.path)
        with contextlib.suppress(TIError):  # the disk may be what failed
            self._record(failed)
        self.listener(failed)

    def _emit(self, event: Event) -> None:
        self._record(event)
        self.listener(event)

    def _record(self, event: Event) -> None:
        every, table = self.plan.config.output.loss_csv_every, self.plan.kind.loss_csv
        self.folder.record(event, every, table)
