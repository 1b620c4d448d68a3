"""The launcher of a real Forge, Forge Neo or reForge, so that they take reduced checkpoints.

    python …/tests/real_hosts/forge_server.py launch.py --data-dir FOLDER …   # in their folder

All is done that `python launch.py …` does; once their code is imported, its sizes are changed as
`tests/webui/reduced_forge.py` and `reduced_reforge.py` tell.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def main() -> None:
    """As if the first argument had been run."""
    sys.argv = sys.argv[1:]
    sys.path[0] = os.getcwd()
    launch: Any = importlib.import_module("launch")
    begin = launch.start

    def start() -> None:
        importlib.import_module("webui")  # the checkpoint is loaded later, by the main loop
        _reduce(Path(sys.argv[sys.argv.index("--data-dir") + 1]))
        begin()

    launch.start = start
    launch.main()


def _reduce(home: Path) -> None:
    """Our own packages are on the path for that long only: the extension must find its own."""
    sys.path.append(str(ROOT))
    try:
        if importlib.util.find_spec("ldm_patched") is None:
            importlib.import_module("tests.webui.reduced_forge").reduce(home)
        else:
            importlib.import_module("tests.webui.reduced_reforge").reduce()
    finally:
        sys.path.remove(str(ROOT))


if __name__ == "__main__":
    main()
