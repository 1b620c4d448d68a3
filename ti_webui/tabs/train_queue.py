"""Trainings one after the other: what waits, beside the running job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import gradio as gr

from .. import markup, tables
from ..gradio_versions import Component, Updates, on
from ..job_view import Press, errors_first
from ..studio import Studio

Seen = tuple[object, ...]


class QueuePage:
    """What the buttons do."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def look(self, seen: Seen | None) -> Updates:
        """[what was seen now, updates of the list, of the choice, of the buttons], on news."""
        queue = self.studio.jobs.queue
        now = (queue.stopped, *(each.id for each in queue.list()))
        return [
            now,
            *([gr.update()] * 6 if seen is not None and tuple(seen) == now else self.shown()),
        ]

    def shown(self) -> Updates:
        """[the list, update of the choice, of Remove, of Move up, of Stop, of Continue]"""
        queue = self.studio.jobs.queue
        names = self._labels()
        some = bool(names)
        return [
            gr.update(value=self._html(names), visible=some or queue.stopped),
            gr.update(choices=list(names), value=next(iter(names), None), visible=some),
            *(gr.update(visible=some) for _ in range(2)),
            gr.update(visible=some and not queue.stopped),
            gr.update(visible=queue.stopped),
        ]

    def press_remove(self, label: str) -> Updates:
        """[what to say, then as `shown`]"""
        self.studio.jobs.queue.remove(self._labels().get(label or "", ""))
        return ["", *self.shown()]

    def press_up(self, label: str) -> Updates:
        """As `press_remove`: one place forward."""
        self.studio.jobs.queue.move(self._labels().get(label or "", ""), -1)
        return ["", *self.shown()]

    def press_stop(self) -> Updates:
        """As `press_remove`: the running job ends as it would, and no other one begins."""
        self.studio.jobs.queue.stopped = True
        return ["", *self.shown()]

    def press_go_on(self) -> Updates:
        """As `press_remove`."""
        self.studio.jobs.queue.stopped = False
        self.studio.jobs.advance()
        return ["", *self.shown()]

    def _labels(self) -> dict[str, str]:
        """What is shown of each → its id."""
        waiting = self.studio.jobs.queue.list()
        return {f"{place + 1}. {each.name}": each.id for place, each in enumerate(waiting)}

    def _html(self, names: Iterable[str]) -> str:
        stopped = self.studio.jobs.queue.stopped
        said = "the queue is stopped: no training of it starts" if stopped else ""
        return tables.table(("queue",), [(name,) for name in names]) + markup.box("note", said)


class QueueLayout:
    """Its components, in a column."""

    def __init__(self, studio: Studio) -> None:
        self.page = QueuePage(studio)
        self.add = gr.Button("Add to queue", elem_id="ti_queue_add")
        self.list = gr.HTML("", visible=False, elem_id="ti_queue")
        self.chosen = gr.Dropdown([], label="Queue", visible=False, elem_id="ti_queue_chosen")
        with gr.Row():
            self.buttons = [
                gr.Button(text, visible=False, size="sm", min_width=90, elem_id=f"ti_queue_{name}")
                for name, text in (
                    ("remove", "Remove"),
                    ("up", "Move up"),
                    ("stop", "Stop queue"),
                    ("go_on", "Continue queue"),
                )
            ]
        self.poll = gr.Button("Refresh", elem_id="ti_poll_queue", elem_classes=["ti-hidden"])
        gr.HTML("", elem_id="ti_job_progress_queue", elem_classes=["ti-hidden"])

    def bind(self, press: Press, values: Sequence[Component], message: gr.HTML) -> None:
        """`press` adds what the form says, and returns what to say."""
        page, shown = self.page, [self.list, self.chosen, *self.buttons]
        outputs = [message, *shown]

        def add(*values: object) -> Updates:
            return [*press(*values), *page.shown()]

        on(self.add.click, errors_first(add, len(outputs)), values, outputs)
        works: tuple[tuple[Press, list[Component]], ...] = (
            (page.press_remove, [self.chosen]),
            (page.press_up, [self.chosen]),
            (page.press_stop, []),
            (page.press_go_on, []),
        )
        for button, (work, asked) in zip(self.buttons, works, strict=True):
            on(button.click, errors_first(work, len(outputs)), asked, outputs, quiet=True)
        seen = gr.State(None)
        on(self.poll.click, page.look, [seen], [seen, *shown], quiet=True)
