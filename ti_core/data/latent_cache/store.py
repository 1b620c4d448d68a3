"""All latents that one VAE has made, in a folder that any number of runs share.

No locks: a run adds files under names of its own and never changes one. Two runs that encode the
same image at the same time both keep it, and either copy will do. A kill costs the images that
were not written yet.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from torch import Tensor

from ...errors import FileError, StorageError
from .portions import PORTION_NAME, StoredLatent, read_latent, read_portion, usable, write_portion
from .shelf import Shelf

_BYTES_A_PORTION = 16 * 2**20
"""128 images of 512 pixels a side: what a kill can cost, and what waits in memory."""
_SECONDS_A_PORTION = 60.0
"""On a slow processor that is some dozen images."""
_TOUCH_EVERY_SECONDS = 3600.0


class LatentStore:
    """Latents by the key of their image. For one thread; any number of processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.error: StorageError | None = None
        """Why nothing can be written. What is put in stays in memory then."""
        self._places: dict[str, StoredLatent] = {}
        self._waiting: dict[str, Tensor] = {}
        self._unwritten: dict[str, Tensor] = {}
        self._for_now, self._for_good = Shelf(), Shelf()
        self._touched: dict[Path, float] = {}
        self._written = time.monotonic()
        self._look()

    def has(self, key: str, shape: tuple[int, ...]) -> bool:
        """Whether there seems to be a latent of this key and shape; not whether it is whole."""
        place = self._places.get(key)
        if place and place.shape == shape:
            self._touch(place.path)
            return True
        if place:
            self._drop(place.path)
        return key in self._waiting or key in self._unwritten

    def get(self, key: str, shape: tuple[int, ...]) -> Tensor | None:
        """A latent of this shape, (2, channels, height, width) fp32; None if there is none, or if
        it is damaged.

        A damaged file is removed, and all that it held is to be made again.
        """
        for held in (self._waiting, self._unwritten):
            if key in held:
                return held[key].clone()
        if not self.has(key, shape):
            return None
        try:
            return read_latent(self._places[key])
        except FileError:
            self._drop(self._places[key].path)
            return None

    def hold(self, key: str, latent: Tensor) -> None:
        """Keep a latent in memory, for this run only."""
        self._unwritten[key] = self._for_good.put(latent)

    def put(self, key: str, latent: Tensor) -> None:
        """Keep a latent, (2, channels, height, width) fp32; written when there are some of them.

        One that is not finite stays in memory only: the VAE may do better next time.
        """
        if self.error or not usable(latent):
            self.hold(key, latent)
            return
        self._waiting[key] = self._for_now.put(latent)
        size = sum(each.nbytes for each in self._waiting.values())
        waited = time.monotonic() - self._written
        if size >= _BYTES_A_PORTION or waited >= _SECONDS_A_PORTION:
            self.flush()

    def flush(self) -> None:
        """Write what waits. Never raises: see `error`."""
        self._written = time.monotonic()
        if not self._waiting:
            return
        try:
            self._places |= write_portion(self.folder, self._waiting)
        except StorageError as error:
            self.error = error
            for key, latent in self._waiting.items():
                self.hold(key, latent)
        self._waiting = {}
        self._for_now.clear()

    def _look(self) -> None:
        """Find out what is there; what is not a portion is removed if it bears a portion's name."""
        try:
            names = sorted(name for name in os.listdir(self.folder) if PORTION_NAME.fullmatch(name))
        except OSError:  # not there yet, or writing says what is wrong with it
            return
        for name in names:
            try:
                self._places |= read_portion(self.folder / name)
            except FileError:
                self._drop(self.folder / name)

    def _drop(self, path: Path) -> None:
        self._places = {k: place for k, place in self._places.items() if place.path != path}
        with contextlib.suppress(OSError):  # gone already, a folder, or not ours to remove
            path.unlink()

    def _touch(self, path: Path) -> None:
        """Show that it is in use, now and then: what was not used for long is removed first."""
        now = time.monotonic()
        if now - self._touched.get(path, -_TOUCH_EVERY_SECONDS) >= _TOUCH_EVERY_SECONDS:
            self._touched[path] = now
            with contextlib.suppress(OSError):
                os.utime(path)
