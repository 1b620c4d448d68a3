"""Images are decoded in threads, ahead of who takes them, and in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ti_core.data.latent_cache import ahead as module
from ti_core.data.latent_cache.ahead import ahead
from ti_core.data.latent_cache.config import CacheConfig
from ti_core.data.latent_cache.latents import latents_of
from ti_core.errors import DataError
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import LatentDistribution, PictureSize

from .pictures import CountingSession, paint

SOON = 20.0
"""Seconds that a thread may take on a busy machine."""


def nothing(number: int) -> None:
    """What most pictures of these tests do when they are decoded."""


@dataclass(frozen=True)
class Numbered:
    """A picture whose pixels are its number."""

    number: int
    decoding: Callable[[int], None] = nothing
    side: int = 8

    @property
    def key(self) -> str:
        return str(self.number)

    @property
    def size(self) -> PictureSize:
        return PictureSize((self.side, self.side), (0, 0), (8, 8))

    def pixels(self) -> Tensor:
        self.decoding(self.number)
        return torch.full((3, 8, 8), float(self.number))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [each.name for each in threading.enumerate() if each.name.startswith("decode")] == []


def test_they_come_in_order_whichever_is_ready_first() -> None:
    third = threading.Event()

    def decoding(number: int) -> None:
        if number == 2:
            third.set()
        assert third.wait(SOON)

    found = list(ahead(Numbered(number, decoding) for number in range(20)))
    assert [int(pixels[0, 0, 0]) for _, pixels in found] == list(range(20))
    assert [picture.key for picture, _ in found] == [str(number) for number in range(20)]


def test_the_next_ones_are_decoded_while_one_is_looked_at() -> None:
    decoded = [threading.Event() for _ in range(20)]
    pictures = [Numbered(number, lambda n: decoded[n].set()) for number in range(20)]
    with closing(ahead(pictures)) as found:
        next(found)
        assert all(each.wait(SOON) for each in decoded[: module._MOST_WAITING])
        assert not any(each.is_set() for each in decoded[module._MOST_WAITING :])


def test_large_files_wait_for_each_other() -> None:
    begun = list[int]()
    side = int(module._MOST_PIXELS**0.5)
    pictures = [Numbered(number, begun.append, side) for number in range(3)]
    with closing(ahead(pictures)) as found:
        for number, _ in enumerate(found):
            assert begun == list(range(number + 1))


def test_an_error_comes_where_its_image_is() -> None:
    def decoding(number: int) -> None:
        if number == 3:
            raise DataError("it has changed")

    found = ahead(Numbered(number, decoding) for number in range(20))
    assert [next(found)[0].key for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(DataError, match="it has changed"):
        next(found)


def test_the_vae_computes_in_the_thread_of_the_caller(tmp_path: Path) -> None:
    seen = set[str]()

    class Watched(CountingSession):
        def encode_images(self, pixels: Tensor) -> LatentDistribution:
            seen.add(threading.current_thread().name)
            return super().encode_images(pixels)

    disk = CacheConfig(cache_latents_to_disk=True, latent_cache_dir=str(tmp_path / "cache"))
    for config in (CacheConfig(), disk):
        latents_of(paint(tmp_path / "in", range(5)), Watched(FakeHost()), config)
    assert seen == {threading.current_thread().name}
