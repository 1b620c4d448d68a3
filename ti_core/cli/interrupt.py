"""Signals. Ctrl-C, SIGTERM and a closed terminal: the first asks the run to save and stop, a second
Ctrl-C ends it at once. SIGUSR1 and SIGUSR2 ask a training to save and to make previews."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Callable, Iterator
from types import FrameType

from ..train.group import started_processes
from .telling import remark

_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""The terminal was closed, or the connection to it lost; Windows has none."""


class Stop:
    """Whether, and by which signal, the user asked to stop."""

    signal: int | None = None

    def __init__(self, ask: Callable[[], None] = lambda: None) -> None:
        self.ask = ask

    def requested(self) -> bool:
        """For work that asks whether to stop."""
        return self.signal is not None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """A signal handler. A launcher of several processes passes on the Ctrl-C that they have got
        from the terminal already."""
        if self.signal is not None and number == signal.SIGINT and started_processes() < 2:
            raise KeyboardInterrupt
        self.signal = number
        self.ask()
        if number == _HANGUP:
            _leave_terminal()
        remark("\nstopping after this step; Ctrl-C again ends at once")


@contextlib.contextmanager
def stop_on_signals(ask: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """Catch SIGINT, SIGTERM and SIGHUP; the handlers that were there come back afterwards.

    `ask` is called at the first of them: `Control.finish`, for work that is told to stop.
    """
    stop = Stop(ask)
    numbers = [number for number in _signals() if not _is_ignored(number)]
    before = {number: signal.signal(number, stop.handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def wishes_by_signals(save: Callable[[], None], preview: Callable[[], None]) -> Iterator[None]:
    """SIGUSR1 calls `save`, SIGUSR2 `preview`, from now on and until the end of the work: neither
    ends the program, as the system would. Windows has no such signals."""
    named = {"SIGUSR1": save, "SIGUSR2": preview}
    wishes = {getattr(signal, name): wish for name, wish in named.items() if hasattr(signal, name)}

    def handle(number: int, frame: FrameType | None) -> None:
        wishes[number]()

    before = {number: signal.signal(number, handle) for number in wishes}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signals() -> tuple[signal.Signals, ...]:
    return (signal.SIGINT, signal.SIGTERM, *([_HANGUP] if _HANGUP else []))


def _is_ignored(number: signal.Signals) -> bool:
    """A program that was started by nohup outlives its terminal."""
    return number == _HANGUP and signal.getsignal(number) == signal.SIG_IGN


def end_on_hangup() -> None:
    """From now on a closed terminal ends the program as SIGTERM does."""

    def handle(number: int, frame: FrameType | None) -> None:
        _leave_terminal()
        signal.raise_signal(signal.SIGTERM)

    if _HANGUP and not _is_ignored(_HANGUP):
        signal.signal(_HANGUP, handle)


def _leave_terminal() -> None:
    """To write to a terminal that is gone is an error, which would end the work before it is saved.
    Files and pipes stay what they are."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for handle in (1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISCHR(os.fstat(handle).st_mode):
                os.dup2(nothing, handle)
    os.close(nothing)
