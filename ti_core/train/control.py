"""What a user may ask of a run while it is active."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

from ..errors import ConfigError

Request = Literal["save", "preview"]
FASTER, SLOWER = 1.25, 0.8
"""What the learning rate is multiplied by; one takes the other back."""
SMALLEST_CHANGE, LARGEST_CHANGE = 1e-3, 1e3
"""Of the rate, at once or in sum."""

_LOOK_EVERY = 0.1
"""Seconds between two looks at the wishes while a run pauses."""


class Control:
    """Wishes for a run, to be told from any thread or from a signal handler.

    The run looks at them before every update. Nothing here waits for a lock: a signal handler may
    interrupt any line of it.
    """

    def __init__(self) -> None:
        self._finishing = self._paused = self._last_epoch = False
        self._requests: deque[Request] = deque()
        self._rates: deque[float] = deque()

    @property
    def finishing(self) -> bool:
        """Whether the run was asked to end."""
        return self._finishing

    @property
    def paused(self) -> bool:
        """Whether the run should wait; one that was asked to end does not."""
        return self._paused and not self.finishing

    @property
    def is_asked(self) -> bool:
        """Whether the run has to look at a wish before its next update."""
        waiting = self._requests or self._rates
        return bool(waiting or self.finishing or self._paused or self._last_epoch)

    def finish(self) -> None:
        """End now: everything is saved, and the present embedding is the result."""
        self._finishing = True

    def finish_epoch(self) -> None:
        """End when the present epoch does."""
        self._last_epoch = True

    def epoch_ended(self) -> None:
        """An epoch has been trained to its end."""
        self._finishing = self._finishing or self._last_epoch

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
        """Make the preview images, whatever `sample_every_n_steps` says."""
        self._requests.append("preview")

    def change_rate(self, factor: float) -> None:
        """Multiply the learning rate, from the next update on. Raises ConfigError for a factor that
        no one can mean."""
        if not SMALLEST_CHANGE <= factor <= LARGEST_CHANGE:
            fix = f"give {SMALLEST_CHANGE:g} to {LARGEST_CHANGE:g}"
            raise ConfigError(f"the learning rate cannot be multiplied by {factor:g}", "", fix)
        self._rates.append(factor)

    def ask(self, command: str) -> None:
        """What a word asks for: pause, continue, save, preview, finish, finish_epoch, faster,
        slower, or `rate` and a factor. Raises ConfigError for another."""
        word, _, rest = command.strip().partition(" ")
        if word == "rate":
            self.change_rate(_factor(rest))
        elif word in self._commands and not rest:
            self._commands[word]()
        else:
            known = ", ".join((*self._commands, "rate FACTOR"))
            raise ConfigError(f"a run has no command {command!r:.100}", "", f"write {known}")

    @property
    def _commands(self) -> dict[str, Callable[[], None]]:
        return {
            "pause": self.pause,
            "continue": self.go_on,
            "save": self.save_now,
            "preview": self.preview_now,
            "finish": self.finish,
            "finish_epoch": self.finish_epoch,
            "faster": lambda: self.change_rate(FASTER),
            "slower": lambda: self.change_rate(SLOWER),
        }

    def rate_change(self) -> float:
        """What the rate should be multiplied by since the last look; 1 for nothing."""
        factor = 1.0
        for _ in range(len(self._rates)):
            factor *= self._rates.popleft()
        return factor

    def requests(self) -> Iterator[Request]:
        """What was asked for since the last look, each wish once."""
        asked = dict.fromkeys(self._requests.popleft() for _ in range(len(self._requests)))
        return iter(asked)

    def wait(self) -> None:
        """A moment of a pause."""
        time.sleep(_LOOK_EVERY)


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text!r:.100} is not a factor", "", "write it like 0.5") from None
