"""Room on the disks that a run will write to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from .finding import Finding, unchecked
from .inputs import CheckupInput
from .survey import Survey


def disk_space(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """Free bytes against what the run will write, one sum for each disk."""
    try:
        for folder, size in _by_disk(inputs.writes):
            yield _judged(folder, size)
    except OSError as error:
        yield unchecked("disk_space", f"free space on the disk ({error})")


def _by_disk(writes: Iterable[tuple[Path, int]]) -> list[tuple[Path, int]]:
    wanted: dict[int, tuple[Path, int]] = {}
    for folder, size in writes:
        existing = _existing(folder)
        device = os.stat(existing).st_dev
        first, sum_ = wanted.get(device, (existing, 0))
        wanted[device] = first, sum_ + size
    return list(wanted.values())


def _judged(folder: Path, size: int) -> Finding:
    free = shutil.disk_usage(folder).free
    if free >= size:
        what = f"the run writes about {spelled(size)}; {spelled(free)} are free at {folder}"
        return Finding("disk_space", "note", what)
    return Finding(
        "disk_full",
        "error",
        f"the run writes about {spelled(size)}, and only {spelled(free)} are free at {folder}",
        "it would stop when the disk is full",
        "make room, or choose other folders",
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def spelled(size: float) -> str:
    """Bytes as people read them, in powers of 1,000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
