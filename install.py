"""Run by the web UIs at every start, and by ComfyUI-Manager once. Hosts have all we need but this.

Python 3.10 cannot read dataset files in TOML by itself; `tomli` can, and needs nothing else.
"""

import importlib.util
import sys


def is_missing() -> bool:
    """Whether something is to be installed."""
    return sys.version_info < (3, 11) and importlib.util.find_spec("tomli") is None


if __name__ == "__main__" and is_missing() and importlib.util.find_spec("launch") is not None:
    import launch

    launch.run_pip("install tomli", "tomli, to read dataset files")
