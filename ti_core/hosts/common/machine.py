"""What the machine has, container limits included."""

from __future__ import annotations

import os
from pathlib import Path

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Of a Linux container, by control groups of version 2 and 1; "max" or a huge number: none."""


def main_memory() -> int:
    """Bytes of main memory that this process may use at most; 0 where the system does not say.

    It does not depend on what other programs take.
    """
    found = [_physical(), *(_limit(Path(path)) for path in _LIMITS)]
    return min((size for size in found if size), default=0)


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return 0


def _limit(path: Path) -> int:
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0
