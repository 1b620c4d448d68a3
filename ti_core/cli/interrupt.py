"""Ctrl-C and SIGTERM: the first asks the run to save and stop, a second Ctrl-C ends it at once."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType


class Stop:
    """Whether, and by which signal, the user asked to stop."""

    signal: int | None = None

    def __init__(self, ask: Callable[[], None] = lambda: None) -> None:
        self.ask = ask

    def requested(self) -> bool:
        """For work that asks whether to stop."""
        return self.signal is not None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """A signal handler."""
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        self.ask()
        print("\nstopping after this step; Ctrl-C again ends at once", file=sys.stderr)


@contextlib.contextmanager
def stop_on_signals(ask: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM; the handlers that were there come back afterwards.

    `ask` is called at the first of them: `Control.finish`, for work that is told to stop.
    """
    stop = Stop(ask)
    before = {number: signal.signal(number, stop.handle) for number in _signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signals() -> tuple[signal.Signals, ...]:
    return signal.SIGINT, signal.SIGTERM
