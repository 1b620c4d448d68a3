"""Where a node writes a file when there may be one already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comfy_api.latest import io

from ..ti_core.errors import ConfigError
from ..ti_core.files.twins import namesakes

WHEN_THERE = ("add a number", "stop", "overwrite")


def when_there_input(what: str) -> io.Input:
    """The choice; `what` is "embedding" or "hypernetwork"."""
    return io.Combo.Input(
        "when_there",
        options=list(WHEN_THERE),
        display_name="If it exists",
        default=WHEN_THERE[0],
        tooltip=f"What to do when there is another {what} of that name: write "
        "name-2, name-3…, stop with an error, or replace it and keep the old file as a "
        "numbered copy.",
    )


def free_path(path: Path, when_there: str, what: str) -> Path:
    """The path, or the next one that is free. Raises ConfigError when there is none to be had."""
    taken = [path] if path.exists() else namesakes(path)
    if when_there == "overwrite" or not taken:
        return path
    if when_there == "stop":
        fix = "choose another name, or what to do if it exists"
        raise ConfigError(f"there is already the {what} {taken[0].name}", "", fix)
    for number in range(2, 10_000):
        other = path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not (other.exists() or namesakes(other)):
            return other
    raise ConfigError(f"there are too many {what}s called {path.stem}", "", "choose another name")


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Combo boxes of the first V3 versions let any text through."""
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}", "", f"choose one of {', '.join(choices)}")
