"""Jobs that wait for their turn. They are kept by the server: a page may be closed meanwhile."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ti_core.errors import HostBusyError, NotFoundError

MOST_WAITING = 50


@dataclass(frozen=True)
class Waiting:
    """A job that has not begun."""

    name: str
    begin: Callable[[], object]
    """Begins it. Raises HostBusyError while another job runs; other errors are its own to show."""
    body: Mapping[str, object] = field(default_factory=dict)
    """What `/ti/v1/queue` would be asked for it, to be kept on disk; empty: it is not kept."""
    id: str = field(default_factory=lambda: secrets.token_hex(8))


class Queue:
    """What waits, in its order. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._lock = threading.Lock()
        self.changed: Callable[[], None] | None = None
        """Called whenever something has come, gone or moved."""
        self.stopped = False
        """Whether the user has stopped it: then nothing begins."""

    def list(self) -> list[Waiting]:
        """All of it, the next one first."""
        return list(self._waiting)

    def add(self, waiting: Waiting) -> None:
        """Put it at the end. Raises HostBusyError when too many wait."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                what = f"{MOST_WAITING} trainings are in the queue already"
                raise HostBusyError(what, "", "wait for the end of one, or remove some")
            self._waiting.append(waiting)
        self._tell()

    def remove(self, waiting_id: str) -> Waiting:
        """Take one out. Raises NotFoundError when it is not there any more."""
        with self._lock:
            found = self._find(waiting_id)
            self._waiting.remove(found)
        self._tell()
        return found

    def move(self, waiting_id: str, places: int) -> None:
        """Bring one forward (negative) or back. Raises NotFoundError."""
        with self._lock:
            found = self._find(waiting_id)
            place = self._waiting.index(found)
            self._waiting.remove(found)
            self._waiting.insert(max(0, place + places), found)
        self._tell()

    def take(self) -> Waiting | None:
        """The next one, taken out of the queue; None for nothing, and while it is stopped."""
        with self._lock:
            found = None if self.stopped or not self._waiting else self._waiting.pop(0)
        if found:
            self._tell()
        return found

    def put_back(self, waiting: Waiting) -> None:
        """Let it be the next one again."""
        with self._lock:
            self._waiting.insert(0, waiting)
        self._tell()

    def _tell(self) -> None:
        if self.changed:
            self.changed()

    def _find(self, waiting_id: str) -> Waiting:
        for waiting in self._waiting:
            if waiting.id == waiting_id:
                return waiting
        raise NotFoundError("that is not in the queue", "it may have begun", "look at the list")
