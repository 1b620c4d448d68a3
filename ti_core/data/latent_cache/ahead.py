"""Images decoded in threads, some of them ahead of the VAE."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from typing import NamedTuple, Protocol

from torch import Tensor

from ...port.session import PictureSize
from ..picture_formats import MOST_PIXELS

_THREADS = 4
_MOST_WAITING = 8
"""Images: 25 MB of pixels at 512 x 512."""
_MOST_PIXELS = MOST_PIXELS // 2
"""Of the files of those that wait, together; a larger one is decoded alone."""


class EncodablePicture(Protocol):
    """What can be encoded."""

    @property
    def key(self) -> str:
        """Everything that decides its pixels: the file's content, size, crop, mirroring."""

    @property
    def size(self) -> PictureSize:
        """Where the pixels come from."""

    def pixels(self) -> Tensor:
        """(3, H, W) in [-1, 1], read again, in any thread. Raises DataError when they are not what
        they were."""


class _Waiting(NamedTuple):
    picture: EncodablePicture
    pixels: Future[Tensor]
    in_file: int


Decoded = tuple[EncodablePicture, Tensor]


def ahead(pictures: Iterable[EncodablePicture]) -> Generator[Decoded, None, None]:
    """Each image with its pixels, (3, H, W), in order; the next ones are decoded meanwhile.

    Raises what `pixels` raises, after the images before it. To end early, close it, which waits for
    the threads: `contextlib.closing`.
    """
    waiting = deque[_Waiting]()
    pool = ThreadPoolExecutor(_THREADS, "decode")
    try:
        for picture in pictures:
            in_file = prod(picture.size.original)
            while _full(waiting, in_file):
                yield _first(waiting)
            waiting.append(_Waiting(picture, pool.submit(picture.pixels), in_file))
        while waiting:
            yield _first(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _full(waiting: deque[_Waiting], in_file: int) -> bool:
    """Whether an image of so many pixels has to wait until one before it is taken."""
    together = in_file + sum(each.in_file for each in waiting)
    return len(waiting) == _MOST_WAITING or (bool(waiting) and together > _MOST_PIXELS)


def _first(waiting: deque[_Waiting]) -> Decoded:
    picture, pixels, _ = waiting.popleft()
    return picture, pixels.result()
