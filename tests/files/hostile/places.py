"""Things on the disk that are not files, or not what a file should be."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from ti_core.errors import EmbeddingError

from .assembler import table, torch_zip
from .case import Case

_HUGE = 5 * 2**30


def cases() -> Iterator[Case]:
    """Folders, links, pipes, and files that seem large."""
    yield Case("a folder.pt", Path.mkdir, EmbeddingError, "a folder", listed=False)
    yield Case("not there.pt", lambda path: None, EmbeddingError, "no embedding", listed=False)
    for start, name, says in (
        (b"", "a hole of 5 GB.safetensors", "header"),
        (b"PK\3\4", "a pickle of 5 GB.pt", "no end"),
        (b"\x80\x02", "an old pickle of 5 GB.bin", "belongs to no file of torch"),
        (b"\x89PNG\r\n\x1a\n", "an image of 5 GB.png", "MB"),
    ):
        listed = not name.endswith(".png")
        yield Case(name, _sparse(start), EmbeddingError, says, listed=listed)
    if os.name == "posix":
        yield from _of_unix()


def _of_unix() -> Iterator[Case]:
    for name, target, says in (
        ("a link to nothing.pt", "nothing", "no embedding"),
        ("a link to itself.pt", "a link to itself.pt", "no embedding"),
        ("a link without an end.safetensors", "/dev/zero", "a device"),
        ("a link to nowhere.bin", "/dev/null", "a device"),
        ("a link to the root.bin", "/", "a folder"),
    ):
        listed = target != "/"
        yield Case(name, _link(target), EmbeddingError, says, listed)
    yield Case("a pipe.pt", os.mkfifo, EmbeddingError, "a pipe")
    yield Case("a pipe.safetensors", os.mkfifo, EmbeddingError, "a pipe")
    yield Case("a pipe.png", os.mkfifo, EmbeddingError, "a pipe")
    for ending in ("pt", "safetensors", "png") if Path("/proc/kmsg").exists() else ():
        name = f"a file of the kernel.{ending}"
        yield Case(name, _link("/proc/kmsg"), EmbeddingError, "", listed=False)
    yield Case("a socket.pt", _socket, EmbeddingError, "socket")
    yield Case("two\nlines \x1b[31m.pt", _honest, None, "emb_params 2×8")
    yield Case("half a letter \udcff.pt", _honest, None, "emb_params 2×8")


def _sparse(start: bytes) -> Callable[[Path], object]:
    """Takes no room on most disks."""

    def make(path: Path) -> None:
        path.write_bytes(start)
        os.truncate(path, _HUGE)

    return make


def _link(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _honest(path: Path) -> None:
    path.write_bytes(torch_zip(table()))


def _socket(path: Path) -> None:
    """The path of a socket must be short, so it is made from within the folder."""
    before = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(before)
