"""`ti train --resume` without a run: those that can continue, and which of them should."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, TrainingError
from ..events import notice_of
from .plain import plain
from .telling import asked, remark, remark_on

if TYPE_CHECKING:
    from ..train.run_folder import RunFolder
    from ..train.runs import ResumableRun

ASK = "?"
"""The value of `--resume` that was typed without one."""


def chosen_run(logging_dir: Path, name: str, group: str = "embedding") -> RunFolder:
    """The only run of this name ("" for any) that can continue, or the one that the user chooses;
    `group` is as in `RunFolder.all_of`.

    Raises TrainingError when there is none, ConfigError when no one can be asked.
    """
    from ..train.runs import resumable

    wrecks: list[tuple[RunFolder, TrainingError]] = []
    runs = resumable(logging_dir, name, group, wrecks)
    for _, error in wrecks:
        remark_on(notice_of(error))
    if not runs:
        what = f"no run of {name or 'any name'} in {logging_dir} is unfinished"
        fix = "--resume latest --max_train_steps N adds steps to a finished one"
        raise TrainingError(what, "", fix)
    for number, run in enumerate(runs, start=1):
        remark(plain(f"{number}  {_told(run)}"))
    return (runs[0] if len(runs) == 1 else runs[_asked(len(runs)) - 1]).folder


def _told(run: ResumableRun) -> str:
    saved = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.saved))
    told = f"{run.name}  step {run.step} of {run.max_steps}  {saved}  {run.folder.path}"
    return f"{told}  {run.preview}" if run.preview else told


def _asked(count: int) -> int:
    """A number from 1 to `count`."""
    if not _can_be_asked():
        fix = "give its folder: --resume FOLDER, or --resume latest for the one begun last"
        raise ConfigError(f"{count} runs can be resumed", "", fix)
    answer = asked(f"which one? 1 to {count}, Enter for 1: ") or "1"
    if not answer.isdecimal() or not 1 <= int(answer) <= count:
        raise ConfigError(f"there is no run {answer!r} in the list", "", f"answer 1 to {count}")
    return int(answer)


def _can_be_asked() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
