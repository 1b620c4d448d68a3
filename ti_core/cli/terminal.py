"""A terminal whose keys are read one by one, without Return, and which is left as it was found."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Protocol

_MOST_KEYS = 64
"""At one look; what is pasted by mistake is not obeyed to its end."""


class Terminal(Protocol):
    """Where keys come from."""

    def pressed(self) -> str:
        """The keys that were pressed since the last look; waits for none."""

    def close(self) -> None:
        """Leave it as it was found."""


def open_terminal() -> Terminal | None:
    """The terminal that the program was started on; None where input comes from elsewhere."""
    try:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        return WindowsConsole() if sys.platform == "win32" else PosixTerminal(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):  # there is no standard input
        return None


class WindowsConsole:
    """Windows' console needs no preparation."""

    def pressed(self) -> str:
        """See Terminal."""
        import msvcrt

        keys = ""
        while msvcrt.kbhit() and len(keys) < _MOST_KEYS:  # type: ignore[attr-defined, unused-ignore]
            keys += msvcrt.getwch()  # type: ignore[attr-defined, unused-ignore]
        return keys

    def close(self) -> None:
        """See Terminal."""


class PosixTerminal:
    """A terminal that gives keys at once and does not show them, as long as the program is in the
    foreground. Ctrl-C and Ctrl-Z work as ever."""

    def __init__(self, handle: int) -> None:
        import termios

        self.handle = handle
        self._found = termios.tcgetattr(handle)
        self._inside = self._leaving = False
        self._change = threading.RLock()
        """Held while the terminal is changed: by the thread that reads it, or by a signal handler,
        which may interrupt `close` on the same thread."""
        self._before = {number: signal.signal(number, self._leave_first) for number in _LEAVING}

    def pressed(self) -> str:
        """See Terminal."""
        import select

        if self._leaving or not self._in_foreground():
            return ""
        self._enter()
        try:
            ready = select.select([self.handle], [], [], 0)[0]
            return os.read(self.handle, _MOST_KEYS).decode(errors="ignore") if ready else ""
        except (OSError, ValueError):  # the terminal has gone
            return ""

    def close(self) -> None:
        """See Terminal."""
        self._leave()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _in_foreground(self) -> bool:
        """A background process that reads from or changes a terminal is stopped by the system."""
        try:
            return os.tcgetpgrp(self.handle) == os.getpgrp()
        except OSError:
            return False

    def _enter(self) -> None:
        import termios

        changed = list(self._found)
        changed[3] &= ~(termios.ICANON | termios.ECHO)
        changed[6] = [*self._found[6]]
        changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0
        with self._change, _no_terminal():
            if not (self._inside or self._leaving):
                termios.tcsetattr(self.handle, termios.TCSANOW, changed)
                self._inside = True

    def _leave(self) -> None:
        import termios

        with self._change, _no_terminal():
            if self._inside and self._in_foreground():
                termios.tcsetattr(self.handle, termios.TCSANOW, self._found)
            self._inside = False

    def _leave_first(self, number: int, frame: FrameType | None) -> None:
        r"""Ctrl-Z and Ctrl-\ do what they always do, on a terminal as it was found."""
        self._leaving = True
        self._leave()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        # the program was stopped, and continues
        signal.signal(number, self._leave_first)
        self._leaving = False


_LEAVING = [getattr(signal, name) for name in ("SIGTSTP", "SIGQUIT") if hasattr(signal, name)]
"""They end or stop the program, with nothing said to it."""


@contextlib.contextmanager
def _no_terminal() -> Iterator[None]:
    """It may have gone in between."""
    import termios

    with contextlib.suppress(OSError, termios.error):
        yield
