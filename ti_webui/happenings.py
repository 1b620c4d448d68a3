"""Events of a training in words, for people who want to know what it did when."""

from __future__ import annotations

from collections.abc import Iterable

from ti_core.events import Event, Notice
from ti_core.train import events as training
from ti_core.train.progress import duration_text

_KINDS = {
    "copy": "a copy was saved",
    "best": "the best copy so far was saved",
    "state": "everything needed to resume was saved",
    "card": "a card was written",
}


def happenings(events: Iterable[Event]) -> list[str]:
    """A line for each event but the steps themselves, in their order."""
    return list(filter(None, map(_words, events)))


def _words(event: Event) -> str:
    if isinstance(event, Notice):
        return str(event)
    if isinstance(event, training.Started):
        told = f"{event.pictures} image(s), {event.size}, model {event.model or 'unknown'}"
        return f"step {event.step}: training to step {event.max_steps} begins: {told}"
    if isinstance(event, training.PreviewReady):
        return f"step {event.step}: preview {event.path.name}: {event.prompt}"
    if isinstance(event, training.Saved):
        kind = _KINDS.get(event.kind, f"{event.kind} was saved")
        return f"step {event.step}: {kind}: {event.path.name}"
    if isinstance(event, training.Validated):
        best = ", the lowest so far" if event.is_best else ""
        loss = event.loss if event.held_out_loss is None else event.held_out_loss
        return f"step {event.step}: validation loss {loss:.4f}{best}"
    return _turn(event)


def _turn(event: Event) -> str:
    """What the user did, and the end."""
    if isinstance(event, training.Paused):
        return f"step {event.step}: paused"
    if isinstance(event, training.Resumed):
        return f"step {event.step}: the pause is over"
    if isinstance(event, training.RateChanged):
        return f"step {event.step}: the learning rate is {event.rate:g}, ×{event.factor:g}"
    if isinstance(event, training.Finished):
        took = duration_text(event.seconds)
        return f"step {event.step}: {event.path.name} was written after {took}"
    if isinstance(event, training.Failed):
        return f"step {event.step}: {event.error}"
    return ""
