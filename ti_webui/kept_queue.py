"""The queue on disk: what waits is there again when the program has been restarted."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from ti_core.errors import HostBusyError, TIError
from ti_core.files.atomic import make_folder, write_bytes
from ti_core.files.text_file import read_json

from .api_orders import Orders
from .studio import Studio
from .training import waiting_training
from .waiting import Waiting

FILE = "queue.json"
"""In the log directory."""
_log = logging.getLogger(__name__)


def keep_queue(studio: Studio) -> None:
    """Bring back what waited when the program ended, and keep every change from then on; a queue
    that is kept already stays as it is. What is brought back waits until the user continues it:
    the model may not be loaded yet."""
    queue = studio.jobs.queue
    if queue.changed is not None:
        return
    for waiting in _kept(studio):
        try:
            queue.add(waiting)
        except HostBusyError as error:
            _log.warning("%s is not in the queue any more: %s", waiting.name, error)
        queue.stopped = True
    queue.changed = lambda: _write(studio)


def _kept(studio: Studio) -> Iterator[Waiting]:
    try:
        path = _file(studio)
        found = read_json(path) if path.exists() else []
    except TIError as error:
        _log.warning("the queue was not brought back: %s", error)
        return
    for each in found if isinstance(found, list) else ():
        body = each.get("body") if isinstance(each, Mapping) else None
        if isinstance(body, dict):
            yield _waiting(studio, str(each.get("name", ""))[:200], body)


def _waiting(studio: Studio, name: str, body: dict[str, object]) -> Waiting:
    return waiting_training(studio, name, lambda: Orders(studio).order(body), body)


def _write(studio: Studio) -> None:
    waiting = studio.jobs.queue.list()
    kept = [{"name": each.name, "body": each.body} for each in waiting if each.body]
    try:
        path = _file(studio)
        make_folder(path.parent)
        write_bytes(path, json.dumps(kept, indent=1).encode())
    except TIError as error:
        _log.warning("the queue was not kept: %s", error)


def _file(studio: Studio) -> Path:
    return studio.places().within(studio.settings().logging_dir) / FILE
