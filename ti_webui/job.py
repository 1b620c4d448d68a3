"""Long work in a thread of its own: it continues when the browser is closed, and any page can look.

One job at a time in a process, as there is one model; others can wait in a queue. What a job does
is told by events; pages read its `JobProgress`, the API reads the events themselves.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ti_core.errors import HostBusyError, HostError, TIError
from ti_core.events import Event
from ti_core.options import SettingValues
from ti_core.train.control import Control
from ti_core.train.progress import JobProgress, after

from .waiting import Queue, Waiting

Kind = Literal[
    "create",
    "train",
    "preprocess",
    "compare",
    "hypernetwork",
    "sweep",
    "model",
    "generate",
    "other",
]
MOST_EVENTS = 20_000
"""Events that a job remembers; a training's log on disk has all of them."""
_MOST_JOBS = 20
_log = logging.getLogger(__name__)


class Job:
    """One piece of work. Every method may be called from any thread."""

    def __init__(self, kind: Kind, name: str) -> None:
        self.id = secrets.token_hex(8)
        self.kind, self.name = kind, name
        self.settings: SettingValues = {}
        """What it was begun with, by the names of the settings, for pages that are opened later."""
        self.control = Control()
        self.failure: TIError | None = None
        """The foreseen error that it ended with."""
        self._progress = JobProgress()
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._count = 0
        self.follow: Callable[[JobProgress], None] = lambda progress: None
        """Called in the thread of the work whenever something has happened."""
        self._lock = threading.Lock()
        self._over = threading.Event()

    # -- for pages -------------------------------------------------------------------------

    @property
    def progress(self) -> JobProgress:
        """How it stands now."""
        return self._progress

    def events(self, after: int = 0) -> tuple[list[Event], int]:
        """(the events from number `after` on, the number to ask with the next time)."""
        with self._lock:
            forgotten = self._count - len(self._events)
            return list(self._events)[max(0, after - forgotten) :], self._count

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end; False when the time is up before."""
        return self._over.wait(seconds)

    def outcome(self) -> Path:
        """What it has made, when it is over. Raises its failure, and HostError when it was stopped
        before anything was made."""
        self.wait()
        if self.failure is not None:
            raise self.failure
        if self.progress.result is None:
            if self.progress.error:
                raise RuntimeError(self.progress.error)
            raise HostError(f"{self.name} was stopped", "", "ask again")
        return self.progress.result

    # -- for the work ----------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Something has happened: the listener that work takes as `on_event`."""
        with self._lock:
            self._events.append(event)
            self._count += 1
            self._progress = after(self._progress, event)
        self.follow(self._progress)

    def change(self, **fields: Any) -> None:
        """Set fields of the progress for which there are no events."""
        with self._lock:
            self._progress = replace(self._progress, **fields)

    # -- for `Jobs` ------------------------------------------------------------------------

    def work(self, work: Callable[[Job], Path | None]) -> None:
        """Do it; whatever goes wrong is kept in the progress, to be shown."""
        self.change(state="running")
        try:
            result = None if self.control.finishing else work(self)
            state = "stopped" if self.control.finishing and self._unfinished() else "done"
            self.change(state=state, result=result or self.progress.result)
        except TIError as error:
            self.failure = error
            self.change(state="failed", error=str(error))
        except Exception as error:
            _log.exception("%s %s failed", self.kind, self.name)
            self.change(state="failed", error=_spelled(error))

    def end(self) -> None:
        """Nothing more will happen."""
        self.change(ended=time.time())
        self._over.set()

    def _unfinished(self) -> bool:
        return self.progress.step < self.progress.total or not self.progress.total


def _spelled(error: Exception) -> str:
    """An error that no one foresaw: its name belongs to it."""
    return f"{type(error).__name__}: {error}; the traceback is in the program's console"


def call(work: Callable[[], None]) -> None:
    """Run it in the thread of the caller."""
    work()


class Jobs:
    """The running job, and those before it."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque(maxlen=_MOST_JOBS)
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self.queue = Queue()
        """What begins when the running job has ended."""

    def start(
        self,
        kind: Kind,
        name: str,
        work: Callable[[Job], Path | None],
        claim: Callable[[], AbstractContextManager[object]] = nullcontext,
        run: Callable[[Callable[[], None]], None] = call,
        show: Callable[[Job], AbstractContextManager[object]] = nullcontext,
    ) -> Job:
        """Begin `work(job)` in a thread; `claim`, `run` and `show` are the Studio's.

        Raises HostBusyError while another job is running.
        """
        with self._lock:
            self.require_free()
            job = Job(kind, name)
            self._jobs.append(job)
        args = (job, work, claim, run, show, self.advance)
        target = threading.Thread(target=_body, args=args, daemon=True)
        target.name = f"textual inversion {kind} {name}"
        target.start()
        return job

    def enqueue(self, waiting: Waiting) -> None:
        """Let a job wait for its turn, which comes at once where nothing runs. Raises HostBusyError
        when too many wait."""
        self.queue.add(waiting)
        self.advance()

    def advance(self) -> None:
        """Begin what is next in the queue, unless a job is running: whenever one has ended, however
        it did, or the queue is not stopped any more."""
        with self._turn:
            while not self.running and (waiting := self.queue.take()):
                try:
                    waiting.begin()
                except HostBusyError:  # a job that began meanwhile: at its end this is called again
                    self.queue.put_back(waiting)
                    return
                except Exception:
                    _log.exception("%s could not begin", waiting.name)

    @property
    def latest(self) -> Job | None:
        """The running job, or the one that ended last."""
        return self._jobs[-1] if self._jobs else None

    @property
    def running(self) -> Job | None:
        """The running job, if there is one."""
        job = self.latest
        return job if job and not job.progress.over else None

    def list(self) -> list[Job]:
        """Those that are remembered, newest first."""
        return list(reversed(self._jobs))

    def latest_of(self, kind: Kind) -> Job | None:
        """The newest of a kind."""
        return next((job for job in self.list() if job.kind == kind), None)

    def find(self, job_id: str) -> Job | None:
        """The job of this number, while it is remembered."""
        return next((job for job in self._jobs if job.id == job_id), None)

    def require_free(self) -> None:
        """Raise HostBusyError while a job is running."""
        job = self.running
        if job:
            what = f"{job.name or job.kind} is already running"
            raise HostBusyError(what, "one job at a time", "wait for its end, or interrupt it")


def _body(
    job: Job,
    work: Callable[[Job], Path | None],
    claim: Callable[[], AbstractContextManager[object]],
    run: Callable[[Callable[[], None]], None],
    show: Callable[[Job], AbstractContextManager[object]],
    advance: Callable[[], None],
) -> None:
    try:
        with claim(), show(job):
            run(lambda: job.work(work))
    except Exception as error:
        _log.exception("the model could not be claimed for %s", job.name)
        job.change(state="failed", error=_spelled(error))
    finally:
        job.end()
        advance()


jobs = Jobs()
"""Those of this process; they outlive a reload of the web UI."""
