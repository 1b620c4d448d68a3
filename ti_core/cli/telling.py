"""Errors in the words of the command line, and work that goes on after one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import TIError, codes_of
from .plain import with_flags


def tell(error: TIError) -> int:
    """Print an error; returns its exit code."""
    print("ti:", error.reworded(with_flags), file=sys.stderr)
    return codes_of(type(error)).exit


def for_each(files: Iterable[Path], work: Callable[[Path], object]) -> int:
    """Do the work for every file. One that it fails for is told, and the others follow.

    Returns the exit code of the last error, or 0.
    """
    code = 0
    for path in files:
        try:
            work(path)
        except TIError as error:
            code = tell(error)
    return code
