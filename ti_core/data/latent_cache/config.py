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
        "encode every picture once, before the first step; otherwise at each step, which is slower "
        "and needs the VAE all the time",
        label="Encode pictures once",
        advanced=True,
    )
    cache_latents_to_disk: bool = unrecorded(
        False,
        "keep latents on the disk instead of in memory: later runs on the same pictures start at "
        "once, and ten thousand pictures take no more memory than ten",
        label="Keep latents on disk",
    )
    latent_cache_dir: str = unrecorded(
        "",
        "folder for these latents, shared by all runs and models; may be deleted at any time; "
        "the system's folder for such things if not given",
        label="Latent cache directory",
        path="output folder",
        advanced=True,
    )
    latent_cache_gb: float = unrecorded(
        20.0,
        "how large that folder may grow: what was not used for the longest time is removed",
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
