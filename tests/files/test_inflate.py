"""zlib streams of strangers."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from ti_core.files.inflate import inflated


def test_a_stream_is_unpacked_and_what_follows_it_is_ignored() -> None:
    assert inflated(zlib.compress(b"cat" * 100) + b"more", 300) == b"cat" * 100


def test_a_bomb_is_refused_before_it_fills_the_memory() -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than 2 MB"):
        inflated(bomb, 2 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("stream", "what"), [(b"", "cut off"), (b"rubbish", "damaged"), (b"\x78\x9c\xff", "damaged")]
)
def test_rubbish_is_a_value_error(stream: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        inflated(stream, 100)


def test_a_stream_that_is_cut_off_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="cut off"):
        inflated(zlib.compress(bytes(range(256)))[:-5], 1000)
