"""Keys while a training runs on a terminal: p, s, v, f, e, + and -."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import ConfigError
from ..train.control import FASTER, SLOWER, Control
from .terminal import Terminal, open_terminal

K = TypeVar("K", bound="Keys")

_LOOK_EVERY = 0.1
"""Seconds."""
HELP = (
    "keys: p pause and continue, s save now, v preview now, f finish, e finish after this "
    "epoch, + and - change the learning rate, ? this line"
)
_SAID = {
    "s": "saving after this step",
    "v": "making previews after this step",
    "f": "finishing after this step",
    "e": "finishing after this epoch",
    "+": f"the learning rate is multiplied by {FASTER:g}",
    "-": f"the learning rate is multiplied by {SLOWER:g}",
}

_WORDS = {
    "s": "save",
    "v": "preview",
    "f": "finish",
    "e": "finish_epoch",
    "+": "faster",
    "-": "slower",
}
"""Of `Control.ask`."""


class Keys:
    """Reads keys in a thread of its own, as a context manager; the terminal is left as it was
    found. Without a terminal, or in the background, it does nothing."""

    def __init__(self, control: Control, say: Callable[[str], None]) -> None:
        self._control, self._say = control, say
        self._over = threading.Event()
        self._terminal: Terminal | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self: K) -> K:
        self._terminal = open_terminal()
        if self._terminal is not None:
            self._say(HELP)
            self._thread = threading.Thread(target=self._watch, args=(self._terminal,), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._terminal is not None:
            self._terminal.close()

    def _watch(self, terminal: Terminal) -> None:
        while not self._over.wait(_LOOK_EVERY):
            for key in terminal.pressed():
                self.press(key)

    def press(self, key: str) -> None:
        """Do what a key stands for; others do nothing."""
        key = {"=": "+", "_": "-", "h": "?"}.get(key.lower(), key.lower())
        if key == "?":
            self._say(HELP)
        elif key == "p":
            self._pause()
        elif key in _SAID:
            self._ask(key)

    def _pause(self) -> None:
        paused = self._control.paused
        self._control.ask("continue" if paused else "pause")
        self._say("training continues" if paused else "pausing after this step; p continues")

    def _ask(self, key: str) -> None:
        try:
            self._control.ask(_WORDS[key])
        except ConfigError as error:
            self._say(str(error))
        else:
            self._say(_SAID[key])
