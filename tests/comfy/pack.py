"""The repository's root as a package, as ComfyUI loads it, without its door.

`comfy_nodes` reaches the core by `..ti_core`. Here that is the `ti_core` that the tests import,
so that both know the same classes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
NAME = "textual_inversion_studio_pack"


def pack_module(name: str) -> ModuleType:
    """A module of the pack, such as `comfy_nodes.host.host`; ComfyUI's own must be importable."""
    if NAME not in sys.modules:
        package = ModuleType(NAME)
        package.__path__ = [str(ROOT)]
        sys.modules[NAME] = package
        sys.meta_path.insert(0, _SharedCore())
    return import_module(f"{NAME}.{name}")


class _SharedCore(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        name = fullname.removeprefix(f"{NAME}.")
        if name == fullname or name.split(".")[0] != "ti_core":
            return None
        return ModuleSpec(fullname, _Given(import_module(name)))


class _Given(Loader):
    """Hands out a module that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
