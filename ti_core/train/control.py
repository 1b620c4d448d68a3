"""What a user may ask of a run while it goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Literal

Request = Literal["save", "preview"]

_LOOK_EVERY = 0.1
"""Seconds between two looks at the wishes while a run pauses."""


class Control:
    """Wishes for a run, to be told from any thread or from a signal handler.

    The run looks at them before every update. Nothing here waits for a lock: a signal handler may
    interrupt any line of it.
    """

    def __init__(self) -> None:
        self._finishing = self._paused = False
        self._requests: deque[Request] = deque()

    @property
    def finishing(self) -> bool:
        """Whether the run was asked to end."""
        return self._finishing

    @property
    def paused(self) -> bool:
        """Whether the run shall wait; one that was asked to end does not."""
        return self._paused and not self.finishing

    def finish(self) -> None:
        """End now: everything is saved, and the present embedding is the result."""
        self._finishing = True

    def pause(self) -> None:
        """Wait before the next update, with the model still claimed."""
        self._paused = True

    def go_on(self) -> None:
        """End of the pause."""
        self._paused = False

    def save_now(self) -> None:
        """Write the state and a numbered copy."""
        self._requests.append("save")

    def preview_now(self) -> None:
        """Make the preview pictures, whatever `sample_every_n_steps` says."""
        self._requests.append("preview")

    def requests(self) -> Iterator[Request]:
        """What was asked for since the last look, each wish once."""
        asked = dict.fromkeys(self._requests.popleft() for _ in range(len(self._requests)))
        return iter(asked)

    def wait(self) -> None:
        """A moment of a pause."""
        time.sleep(_LOOK_EVERY)
