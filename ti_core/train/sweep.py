"""A sweep: trainings that differ in some settings, one after the other, and a page to compare them.

A host that has a model loaded makes one like this:

    chosen = combinations(typed_choices(["learning_rate=0.005,0.001"]), TrainConfig)
    variants = make_variants(chosen, lambda settings: make_config(TrainConfig, settings, saved))
    require_possible(variants, host)
    page = sweep(SweepFolder.create(variants), host, on_event, control)

and continues with it by `sweep(SweepFolder.read(path), host, on_event, control)`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import NoModelError, TIError, TrainingError
from ..events import Event, Listener
from ..files.atomic import make_folder
from ..options import SettingValues
from ..port.session import Host
from .config import BaseTrainConfig
from .control import Control
from .events import Finished
from .loop import train
from .plan import Plan, make_plan
from .run_folder import RunFolder
from .run_lock import locked
from .sweep_events import SweepEnded, SweepStarted, VariantEnded, VariantStarted
from .sweep_folder import SweepFolder
from .sweep_page import write_page
from .sweep_result import result_of
from .sweep_variants import Variant

_log = logging.getLogger(__name__)
Planner = Callable[[BaseTrainConfig, "RunFolder | None"], Plan]
"""Config of a variant, and its run folder where it is resumed → the plan; see `make_plan`."""


def sweep(
    folder: SweepFolder,
    host: Host,
    on_event: Listener = lambda event: None,
    control: Control | None = None,
    extra_settings: SettingValues | None = None,
    planner: Planner | None = None,
) -> Path:
    """Train what is left of the sweep in `folder`; returns the path of its comparison page.

    `on_event` gets the events of the sweep (`sweep_events`) and of its trainings; `control` is that
    of whichever training runs: a request to finish ends the sweep, and the same call continues
    there. `extra_settings` (the host's own) are kept in each run folder, `planner` replaces
    `make_plan`. A training that fails is noted, and the others follow.
    Raises HostBusyError while the sweep is running elsewhere, NoModelError, StorageError where its
    folder cannot be written, and TrainingError when every training has failed.
    """
    one = _Sweep(folder, host, on_event, control or Control(), extra_settings or {}, planner)
    with locked(folder.path):
        return one.go()


def require_possible(
    variants: Sequence[Variant], host: Host, planner: Planner | None = None
) -> None:
    """Before a folder is made: raise the error of the first training where none of them can
    begin."""
    planner = planner or _planner(host)
    first: TIError | None = None
    for variant in variants:
        try:
            planner(variant.config, None)
            return
        except TIError as error:
            first = first or error
    if first:
        raise first


def _planner(host: Host) -> Planner:
    return lambda config, resume: make_plan(config, host, resume)


class _Sweep:
    def __init__(
        self,
        folder: SweepFolder,
        host: Host,
        on_event: Listener,
        control: Control,
        extra: SettingValues,
        planner: Planner | None,
    ) -> None:
        self.folder, self.host, self.on_event = folder, host, on_event
        self.control, self.extra = control, extra
        self.planner = planner or _planner(host)

    def go(self) -> Path:
        """See `sweep`."""
        folder = self.folder
        self.on_event(SweepStarted(folder.name, folder.path, len(folder.entries), self._in("done")))
        for number, entry in enumerate(folder.entries):
            if self.control.finishing:
                break
            if entry.state != "done":
                self._variant(number)
        write_page(folder)
        done, failed = self._in("done"), self._in("failed")
        left = len(folder.entries) - done - failed
        self.on_event(SweepEnded(folder.page, done, failed, left))
        if failed == len(folder.entries):
            raise TrainingError(
                "every training of the sweep failed",
                folder.entries[0].error,
                "correct the cause, and resume the sweep",
            )
        return folder.page

    def _in(self, state: str) -> int:
        return sum(entry.state == state for entry in self.folder.entries)

    def _variant(self, number: int) -> None:
        """Train one; what goes wrong with it is noted."""
        folder, variant = self.folder, self.folder.entries[number].variant
        folder.change(number, state="running", error="")
        self.on_event(
            VariantStarted(number + 1, len(folder.entries), variant.name, variant.settings)
        )
        state, error = "stopped", ""
        try:
            state = self._trained(variant.config, folder.run_of(folder.entries[number]))
        except NoModelError:  # the others would have none either
            raise
        except Exception as failure:
            state, error = "failed", _told(failure)
        finally:
            result = result_of(folder.run_of(folder.entries[number]))
            folder.change(number, state=state, error=error, result=result)
        self.on_event(VariantEnded(number + 1, variant.name, state, error))
        write_page(folder)

    def _trained(self, config: BaseTrainConfig, run: RunFolder) -> str:
        """Train, from where the run is; returns the state that the variant is in then."""
        ended: list[Finished] = []

        def listen(event: Event) -> None:
            if isinstance(event, Finished):
                ended.append(event)
            self.on_event(event)

        resume = run if run.settings_path.is_file() else None
        plan = self.planner(config, resume)
        make_folder(run.path)
        train(config, self.host, listen, self.control, resume, self.extra, run, plan)
        return "done" if ended[-1].reason == "done" else "stopped"


def _told(failure: Exception) -> str:
    """A defect of ours is shown with its kind, and in the log with its traceback."""
    if isinstance(failure, TIError):
        return str(failure)
    _log.error("a training of the sweep failed", exc_info=failure)
    return f"{type(failure).__name__}: {failure}"
