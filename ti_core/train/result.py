"""The finished file: written where it belongs, and never over one that is not this run's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import setting
from ..events import Notice
from ..files.atomic import storage_errors, write_bytes, write_new
from ..files.checksum import file_sha256
from ..files.replaced import put_aside, replacing
from ..files.sidecars import about_own_sidecars
from ..files.twins import namesakes
from .config import OutputConfig
from .learnable import Content
from .run_folder import RunFolder

_STRANGE = "not a regular file"


class Result(NamedTuple):
    """A finished file."""

    path: Path
    content: Content
    written: bool
    """False where it lay there already, byte for byte."""


def put_result(
    wanted: Path,
    content: Callable[[str], Content],
    folder: RunFolder,
    output: OutputConfig,
    tell: Callable[[Notice], None],
) -> Result:
    """Write what a run has made as `wanted`; `content` gives the file of a name.

    A file that is there is replaced, and kept as a copy, if this run has written it or `overwrite`
    says so; embeddings of the same name in other formats likewise. Any other stays, whenever it
    came there: then the name gets a number, and a warning is told. Raises StorageError; the same
    call again does what is left to do.
    """
    for path in _numbered(wanted):
        made = content(path.stem)
        written = _put(path, made.data, folder, output, tell)
        if written is not None:
            break
    for other in namesakes(path):
        if output.overwrite or _is_ours(other, _digest_of(other), folder):
            put_aside(other, output.keep_replaced)
    if path != wanted:
        what = f"{wanted} was not replaced: it is not the file of this run"
        fix = f"to replace it after all, resume the run with {setting('overwrite')}"
        tell(Notice("warning", what, f"the result is {path.name}", fix))
    return Result(path, made, bool(written))


def _numbered(path: Path) -> Iterator[Path]:
    """cat, cat-2, cat-3 …"""
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1


def _put(
    path: Path,
    data: bytes,
    folder: RunFolder,
    output: OutputConfig,
    tell: Callable[[Notice], None],
) -> bool | None:
    """Whether it had to be written; None where another file is to stay."""
    there, digest = _digest_of(path), hashlib.sha256(data).hexdigest()
    if there == digest:
        return False
    ours = bool(there) and _is_ours(path, there, folder)
    if there and not (output.overwrite or ours):
        return None
    # noted before it is there: a kill in between must not make it a stranger's
    folder.add_results({there} - {"", _STRANGE}, made=[digest])
    if not (there or output.overwrite):
        return write_new(path, data) or None
    with replacing(path, output.keep_replaced, same_word=ours and output.write_sidecars):
        write_bytes(path, data)
    for notice in [] if ours or output.write_sidecars else about_own_sidecars(path):
        tell(notice)
    return True


def _digest_of(path: Path) -> str:
    """SHA-256; "" where nothing is."""
    if not os.path.lexists(path):
        return ""
    if not path.is_file():
        return _STRANGE
    with storage_errors(path):
        return file_sha256(path)


def _is_ours(path: Path, digest: str, folder: RunFolder) -> bool:
    """Version 0.2 kept no note of what it wrote, only of where."""
    known = folder.results()
    if known is not None:
        return digest in known
    return any(event.get("path") == str(path) for event in folder.events("Finished"))
