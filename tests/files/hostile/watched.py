"""Reads every file that is named on standard input, as JSON, under watch, in a process of its own.

Prints one JSON object for each, and one with the figures. The working folder holds a module that
leaves the canary when it is imported.
"""

from __future__ import annotations

import codecs
import faulthandler
import json
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from ti_core.errors import TIError
from ti_core.files.library import Library
from ti_core.files.picture_plugins import PACKAGES, is_known

from .promises import Peak, forbidden_events
from .readers import READERS

_HUNG = 120
"""Seconds without progress after which this process tells where it stands, and ends."""
_MOST_MEMORY = 8 * 2**30
"""Address space of this process, most of it the libraries'; beyond it memory is refused."""


def main() -> None:
    """First the honest ones, with which everything that Python loads late is loaded."""
    order = json.load(sys.stdin)
    warnings.simplefilter("error")
    for encoding in ("raw_unicode_escape", "utf-32-be", "utf-32-le", "utf-16-be", "utf-16-le"):
        codecs.lookup(encoding)
    Image.init()
    for plugin in PACKAGES:
        is_known(plugin)
    for reader, name in order["honest"]:
        READERS[reader](Path(name))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    events, peak = forbidden_events(), Peak()
    for reader, name in order["cases"]:
        _say({**_read(reader, Path(name)), "memory": peak.above_start()})
    _say({"library": _library(order["folder"]), "events": events, "peak": peak.above_start()})


def _read(reader: str, path: Path) -> dict[str, Any]:
    faulthandler.dump_traceback_later(_HUNG, exit=True)
    start = time.process_time()
    try:
        found = {"error": None, "text": READERS[reader](path), "ours": True}
    except TIError as error:
        found = {"error": type(error).__name__, "text": str(error), "ours": True}
    except BaseException as error:
        found = {"error": type(error).__name__, "text": repr(error), "ours": False}
    return {"name": path.name, "seconds": time.process_time() - start, **found}


def _library(folder: str) -> dict[str, str]:
    """Name → why it was skipped, "" for an embedding."""
    faulthandler.dump_traceback_later(10 * _HUNG, exit=True)
    library = Library([Path(folder)])
    library.refresh()
    skipped = {each.path.name: f"{each.error}: {each.reason}" for each in library.skipped}
    return {**skipped, **{Path(entry.file).name: "" for entry in library.entries}}


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
