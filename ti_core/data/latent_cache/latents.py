"""The latents of a run's images: in memory, on the disk, or made again each time.

Every image is encoded alone, so that its latent depends on nothing but itself and the VAE: a run
gives the same bits whichever of the three it uses, and however much of the cache it finds. Decoding
is done in threads beside the VAE, which stays in the thread of the caller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing

import PIL
import torch
from torch import Tensor

from ... import __version__
from ...errors import setting
from ...events import Notice, notice_of
from ...port.session import Session
from .ahead import EncodablePicture, ahead
from .config import CacheConfig
from .fingerprint import vae_facts
from .shelf import Shelf
from .store import LatentStore
from .tidying import tidy

Latents = Mapping[str, Tensor]
"""An image's key → mean and standard deviation of its latent, (2, channels, h, w) fp32, CPU."""

OnProgress = Callable[[int, int], bool]
"""Told how many images are encoded, of how many; False ends the work, and what is requested later
is encoded then."""
_MUCH_MEMORY = 10**9


def latents_of(
    pictures: Sequence[EncodablePicture],
    session: Session,
    config: CacheConfig,
    progress: OnProgress = lambda done, total: True,
    tell: Callable[[Notice], None] = lambda notice: None,
) -> Latents:
    """The latents of images, kept as the settings say.

    Raises DataError when an image has changed, and what the session raises. A cache that does not
    work is told of, and done without.
    """
    if config.cache_latents_to_disk:
        return OnDisk(pictures, session, config, progress, tell)
    if config.cache_latents:
        return InMemory(pictures, session, progress, tell)
    return EachTime(pictures, session)


def encoded(picture: EncodablePicture, session: Session) -> Tensor:
    """(2, channels, h, w) of one image. Raises DataError when it has changed."""
    return encoded_pixels(picture.pixels(), session)


def encoded_pixels(pixels: Tensor, session: Session) -> Tensor:
    """The same of pixels, (3, H, W) in [-1, 1]."""
    found = session.encode_images(pixels[None])
    return torch.stack([found.mean[0], found.std[0]]).float().cpu()


class EachTime(Mapping[str, Tensor]):
    """Nothing is kept: every look at a latent encodes its image."""

    def __init__(self, pictures: Sequence[EncodablePicture], session: Session) -> None:
        self.pictures = {picture.key: picture for picture in pictures}
        self.session = session

    def __getitem__(self, key: str) -> Tensor:
        return encoded(self.pictures[key], self.session)

    def __iter__(self) -> Iterator[str]:
        return iter(self.pictures)

    def __len__(self) -> int:
        return len(self.pictures)


class InMemory(EachTime):
    """A1111's way: everything is encoded at the start and held."""

    def __init__(
        self,
        pictures: Sequence[EncodablePicture],
        session: Session,
        progress: OnProgress,
        tell: Callable[[Notice], None],
    ) -> None:
        super().__init__(pictures, session)
        self._latents: dict[str, Tensor] = {}
        shelf = Shelf()
        with closing(ahead(self.pictures.values())) as decoded:
            for number, (picture, pixels) in enumerate(decoded, start=1):
                latent = shelf.put(encoded_pixels(pixels, session))
                self._latents[picture.key] = latent
                if number == 1:
                    self._weigh(latent.nbytes, tell)
                if not progress(number, len(self.pictures)):
                    break

    def __getitem__(self, key: str) -> Tensor:
        held = self._latents.get(key)
        return super().__getitem__(key) if held is None else held

    def _weigh(self, one: int, tell: Callable[[Notice], None]) -> None:
        size = one * len(self.pictures)
        if size > _MUCH_MEMORY:
            what = f"the latents of {len(self.pictures)} images take {size / 1e9:.1f} GB of memory"
            fix = f"use {setting('cache_latents_to_disk')}, which also makes the next start quick"
            tell(Notice("info", what, "", fix))


class OnDisk(EachTime):
    """What earlier runs have encoded is found again; only what is requested is in memory."""

    def __init__(
        self,
        pictures: Sequence[EncodablePicture],
        session: Session,
        config: CacheConfig,
        progress: OnProgress,
        tell: Callable[[Notice], None],
    ) -> None:
        super().__init__(pictures, session)
        self._vae = vae_facts(session)
        self._store = LatentStore(config.folder / f"vae-{self._vae.fingerprint}")
        self._make_missing(progress)
        self._store.flush()
        tidy(config.folder, config.latent_cache_gb * 1e9)
        if self._store.error:
            tell(notice_of(self._store.error))

    def __getitem__(self, key: str) -> Tensor:
        """A latent that is damaged or gone is made again."""
        picture = self.pictures[key]
        found = self._store.get(latent_key(key), self._shape(picture))
        if found is None:
            found = self._keep(picture, encoded(picture, self.session))
            self.session.release("vae")
        return found

    def _make_missing(self, progress: OnProgress) -> None:
        missing = [picture for picture in self.pictures.values() if not self._has(picture)]
        there = len(self.pictures) - len(missing)
        with closing(ahead(missing)) as decoded:
            for number, (picture, pixels) in enumerate(decoded, start=there + 1):
                self._keep(picture, encoded_pixels(pixels, self.session))
                if not progress(number, len(self.pictures)):
                    break

    def _has(self, picture: EncodablePicture) -> bool:
        return self._store.has(latent_key(picture.key), self._shape(picture))

    def _shape(self, picture: EncodablePicture) -> tuple[int, ...]:
        return self._vae.shape(*picture.size.target)

    def _keep(self, picture: EncodablePicture, latent: Tensor) -> Tensor:
        self._store.put(latent_key(picture.key), latent)
        return latent


def latent_key(picture: str) -> str:
    """The name of a latent among those of one VAE: the image's key, and the programs that decode
    and cut it, whose next version may do so otherwise."""
    told = json.dumps([picture, __version__, PIL.__version__])
    return hashlib.sha256(told.encode()).hexdigest()[:32]
