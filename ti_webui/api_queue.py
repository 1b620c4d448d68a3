"""`/ti/v1/queue`: trainings that wait for their turn."""

from __future__ import annotations

from collections.abc import Callable

from ti_core import options
from ti_core.errors import ConfigError

from .api_bodies import only
from .studio import Studio
from .training import TrainRequest, enqueue_training


class QueueApi:
    """What each route does; `order` reads the body of /jobs."""

    def __init__(
        self, studio: Studio, order: Callable[[options.SettingValues], TrainRequest]
    ) -> None:
        self.studio, self._order = studio, order

    def add(self, body: options.SettingValues) -> object:
        """The same as for /jobs: it begins when everything before it has ended."""
        waiting = enqueue_training(self.studio, lambda: self._order(body), body)
        return {"id": waiting.id, "name": waiting.name}

    def list(self) -> object:
        """{"stopped": whether no training of it starts, "waiting": [{"id", "name"}, …]}"""
        queue = self.studio.jobs.queue
        waiting = [{"id": each.id, "name": each.name} for each in queue.list()]
        return {"stopped": queue.stopped, "waiting": waiting}

    def remove(self, waiting_id: str) -> object:
        """Take one out of the queue."""
        self.studio.jobs.queue.remove(waiting_id)
        return self.list()

    def change(self, body: options.SettingValues) -> object:
        """{"stopped": true or false}, or {"id": one of it, "places": how many places back}"""
        only(body, ("stopped", "id", "places"))
        jobs, places = self.studio.jobs, body.get("places", 0)
        if isinstance(places, bool) or not isinstance(places, int):
            raise ConfigError(f'"places" is {places!r}', "", "give a whole number, such as -1")
        if "id" in body:
            jobs.queue.move(str(body["id"]), places)
        if isinstance(body.get("stopped"), bool):
            jobs.queue.stopped = bool(body["stopped"])
            jobs.advance()
        return self.list()
