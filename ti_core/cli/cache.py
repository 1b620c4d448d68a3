"""`ti cache`: what is kept of images that were encoded, and how to get rid of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..data.latent_cache.config import default_folder
from ..files.roots import present_folder
from ..options import Checked, make_config, option
from .options import OptionParser
from .telling import answer

_ABOUT = """Show the size of the latents that --cache_latents_to_disk keeps for later runs. The
folder can be deleted at any time; runs that need its content encode their images again."""


@dataclass(frozen=True)
class CacheOptions(Checked):
    """The cache folder, and what to remove from it."""

    title = "Cache"
    latent_cache_dir: str = option(
        "",
        "folder of the latents; the default is in the system's cache folder",
        label="Latent cache directory",
        path="output folder",
    )
    clear: bool = option(False, "remove all cached latents", label="Clear")


def parser() -> OptionParser:
    """All options of `ti cache`."""
    return OptionParser("ti cache", _ABOUT, CacheOptions, usage="[options]")


def run(argv: Sequence[str]) -> int:
    """Tell, or clear; returns the exit code."""
    config = make_config(CacheOptions, parser().read(argv))
    named = config.latent_cache_dir
    folder = present_folder(named, "latent_cache_dir") if named else default_folder()
    from ..data.latent_cache.tidying import clear, space

    if config.clear:
        answer(f"{folder}: {clear(folder) / 1e6:.1f} MB removed")
        return 0
    for vae, size in space(folder).items():
        answer(f"{vae}  {size / 1e6:10.1f} MB")
    answer(f"{folder}: {sum(space(folder).values()) / 1e6:.1f} MB")
    return 0
