"""Settings of the latent cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ...options import Checked, unrecorded


@dataclass(frozen=True)
class CacheConfig(Checked):
    """Where latents are kept."""

    title = "Latents"
    cache_latents: bool = unrecorded(
        True,
        "encode every image once, before the first step; otherwise at each step, which is "
        "slower and keeps the VAE in memory",
        label="Encode images once",
        advanced=True,
    )
    cache_latents_to_disk: bool = unrecorded(
        False,
        "store latents on disk instead of in memory: later runs on the same images start at "
        "once, and the memory does not grow with the number of images",
        label="Keep latents on disk",
    )
    latent_cache_dir: str = unrecorded(
        "",
        "folder for these latents, shared by all runs and models; can be deleted at any time; "
        "the default is the system's cache folder",
        label="Latent cache directory",
        path="output folder",
        advanced=True,
    )
    latent_cache_gb: float = unrecorded(
        20.0,
        "size limit of that folder; least recently used latents are removed first",
        label="Most space for latents",
        unit="GB",
        limits=(0.1, 100_000),
        advanced=True,
    )

    @property
    def folder(self) -> Path:
        """Where latents are kept."""
        return Path(self.latent_cache_dir) if self.latent_cache_dir else default_folder()


def default_folder() -> Path:
    """Where the system wants such things; the working folder for a user without a home."""
    known = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        base = Path(known) if known else Path.home() / ".cache"
    except RuntimeError:
        base = Path(".cache")
    return base / "textual-inversion-studio" / "latents"
