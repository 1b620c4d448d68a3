"""Checkpoints that a page may load, and the one that is loaded."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ti_core.checkup.disk import spelled
from ti_core.cli.standalone import DEMO, ModelConfig, open_host
from ti_core.errors import NoModelError, NotFoundError
from ti_core.port.session import Host

from ..job import Job

PROGRAMS = (
    *("stable-diffusion-webui", "stable-diffusion-webui-forge", "stable-diffusion-webui-reForge"),
    *("sd-webui-forge-classic", "sd-webui-forge-neo", "webui", "ComfyUI"),
)
"""Folders that A1111, Forge, reForge, Forge Neo and ComfyUI are usually installed in."""
HOMES = ("models/Stable-diffusion", "models/checkpoints")
"""Where they have their checkpoints: A1111 and the Forges, ComfyUI."""
MOST_LISTED = 1000
_ENDINGS = (".safetensors", ".ckpt")
_DIFFUSERS = "model_index.json"


@dataclass
class Shelf:
    """The checkpoints of some folders, of which one can be loaded at a time."""

    config: ModelConfig
    """The command line's, with the device; its own model can be loaded again."""
    folders: tuple[Path, ...] = ()
    """As given: checkpoints below them, or the programs whose folders they are."""
    host: Host | None = None
    """What is loaded."""
    loaded: str = ""
    """Which of the choices that is."""

    @property
    def is_demo(self) -> bool:
        """Whether the bundled model is loaded."""
        return self.loaded == DEMO

    def current(self) -> Host:
        """The loaded model. Raises NoModelError."""
        if self.host is None:
            raise NoModelError("no model is loaded", "", "load one on the Model tab")
        return self.host

    def choices(self) -> list[tuple[str, str]]:
        """(what is shown, path or name) of all that may be loaded, as the folders are now."""
        own = self.config.pretrained_model_name_or_path
        first = [(own, own)] if own not in ("", DEMO) else []
        found = [(_label(path), str(path)) for path in checkpoints(self.folders)]
        demo = (f"{DEMO}: the small model that comes with the program", DEMO)
        return [*first, *(each for each in found if each[1] != own), demo]

    def load(self, chosen: str, predicts_v: bool, job: Job) -> None:
        """Open one of the choices; until it is open, the one before stays. An interrupted load
        changes nothing. Raises NotFoundError for what is not a choice, and as `open_host`."""
        if chosen not in (value for _, value in self.choices()):
            raise NotFoundError(f"there is no checkpoint {chosen!r:.200}", "", "choose one")
        config = replace(
            self.config, pretrained_model_name_or_path=chosen, v_parameterization=predicts_v
        )
        job.change(stage="opening", total=100)
        host = open_host(config)

        def reached(share: float) -> bool:
            job.change(stage="reading the file", step=int(100 * share))
            return not job.control.finishing

        if host.identify(reached):
            self.unload()
            self.host, self.loaded = host, chosen

    def unload(self) -> None:
        """Give the memory back."""
        self.host, self.loaded = None, ""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def checkpoints(folders: Iterable[Path]) -> list[Path]:
    """Checkpoints and diffusers folders below `folders` and below the model folders of the programs
    in them, by path; `MOST_LISTED` at most. Links to folders are not followed."""
    found: dict[Path, None] = {}
    for home in _homes(folders):
        for path in _below(home):
            found[path] = None
            if len(found) == MOST_LISTED:
                return sorted(found)
    return sorted(found)


def _homes(folders: Iterable[Path]) -> Iterator[Path]:
    """A folder with programs in it is not searched through: only their model folders are."""
    for folder in folders:
        roots = (folder, *(folder / name for name in PROGRAMS))
        known = [root / home for root in roots for home in HOMES if (root / home).is_dir()]
        yield from known or [folder]


def _below(home: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(home.absolute()):
        if _DIFFUSERS in files:
            folders.clear()
            yield Path(folder)
            continue
        folders.sort()
        yield from (Path(folder, name) for name in sorted(files) if _is_checkpoint(name))


def _is_checkpoint(name: str) -> bool:
    return name.lower().endswith(_ENDINGS) and not name.startswith(".")


def _label(path: Path) -> str:
    try:
        size = spelled(path.stat().st_size) if path.is_file() else "diffusers folder"
    except OSError:
        size = "cannot be read"
    return f"{path.name} ({size}, {path.parent})"


def memory_in_use(device: str) -> str:
    """What this process takes, for people; empty where the system does not say."""
    if device.startswith("cuda"):
        return spelled(torch.cuda.memory_allocated())
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):  # not Linux
        return ""
    return spelled(pages * os.sysconf("SC_PAGE_SIZE"))
