"""Pillow's warnings ignored while it decodes, in any number of threads."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator

_change = threading.Lock()
_blocks = 0
_found = warnings.catch_warnings()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings while any thread is in such a block.

    The filters belong to the process: had each thread its own `catch_warnings`, the last to leave
    could put back the filters of another one, and warnings would be ignored from then on.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _blocks, _found
    with _change:
        if not _blocks:
            _found = warnings.catch_warnings()
            _found.__enter__()
            warnings.simplefilter("ignore")
        _blocks += 1


def _leave() -> None:
    global _blocks
    with _change:
        _blocks -= 1
        if not _blocks:
            _found.__exit__(None, None, None)
