"""Reads what `torch.save` wrote (.pt, .bin, .ckpt) without executing it.

The pickle inside runs on `RestrictedUnpickler`, which imports nothing that the file names.
Sizes are believed only after a look at the real file: nothing is allocated that the file could
not fill, and no tensor reaches beyond its storage. Both formats of torch are read: the zip
(since 1.6) and the older row of pickles.
"""

from __future__ import annotations

import mmap
import os
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import torch

from ..errors import FileError, UnsafeFileError
from .numpy_pickle import swapped
from .pickle_machine import BrokenPickleError
from .regular_file import open_regular
from .restricted_unpickler import RestrictedUnpickler
from .zip_directory import ZIP_START, Member, data_start, read_directory

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MOST_PICKLE_BYTES = 32 * 2**20
"""No honest `data.pkl` comes near: tensors lie outside of it."""


def read_torch_file(path: Path, *, map_memory: bool = False) -> object:
    """What is in a file; see `read_torch`. Raises FileError, too, for what is no regular file."""
    with open_regular(path) as file:
        return read_torch(file, path, map_memory=map_memory)


def read_torch(file: BinaryIO, path: Path, *, map_memory: bool = False) -> object:
    """The object that was saved: nested dicts and lists of tensors and plain values.

    The file is read from its beginning, wherever it stands; `path` is its name in errors.
    With `map_memory` the tensors of a zip lie in the file (private copy on write) and only what
    is touched costs memory; meant for checkpoints, which are larger than what is used of them.

    Raises:
        UnsafeFileError: the file asks for code to be run, lies about its sizes, or would take
            more memory than any model or embedding.
        FileError: it is damaged, or no torch file.
    """
    try:
        file.seek(0)
        return _read(file, path, map_memory)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {path.name}", str(error)) from error
    except Exception as error:  # a broken pickle can fail in any way
        known = isinstance(error, (BrokenPickleError, EOFError))
        why = str(error) if known else "its contents make no sense"
        raise FileError(f"{path.name} is damaged or no torch file", why) from error


def _read(file: BinaryIO, path: Path, map_memory: bool) -> object:
    if file.read(4) == ZIP_START:
        return _read_zip(file, path, map_memory)
    file.seek(0)
    return _read_legacy(file, path)


# --- the zip format ---------------------------------------------------------------------------


def _read_zip(file: BinaryIO, path: Path, map_memory: bool) -> object:
    members = read_directory(file, path)
    pickle_name = next((name for name in members if name.endswith("/data.pkl")), None)
    if pickle_name is None:
        raise FileError(f"{path.name} is no torch file", "the zip has no data.pkl")
    folder = pickle_name.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in members:
        raise FileError(f"{path.name} is a TorchScript program, not a file of tensors")
    if members[pickle_name].size > _MOST_PICKLE_BYTES:
        raise UnsafeFileError(f"{path.name} was refused", "its pickle is absurdly large")
    storages = _ZipStorages(file, path, members, folder, map_memory)
    return RestrictedUnpickler(BytesIO(bytes(storages.member(pickle_name))), storages, path).load()


class _ZipStorages:
    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        members: dict[str, Member],
        folder: str,
        map_memory: bool,
    ) -> None:
        self._file, self._path, self._members, self._folder = file, path, members, folder
        self._map: mmap.mmap | None = None
        if map_memory:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._loaded: dict[str, torch.UntypedStorage] = {}
        self._widths: dict[str, int] = {}
        self.swaps = self._is_big_endian()

    def _is_big_endian(self) -> bool:
        """torch notes the order of bytes since 2.1; before, it was that of every machine."""
        name = f"{self._folder}byteorder"
        order = bytes(self.member(name)) if name in self._members else b"little"
        if order not in (b"little", b"big"):
            raise FileError(f"{self._path.name} is damaged", "its byte order is unknown")
        return order == b"big"

    def member(self, name: str) -> bytearray | memoryview:
        """The bytes of a member; writable, as torch wants them."""
        member = self._members[name]
        start = data_start(self._file, member, self._path)
        if self._map is not None:
            return memoryview(self._map)[start : start + member.size]
        content = bytearray(member.size)
        self._file.seek(start)
        _fill(self._file, content, self._path, f"member '{name}'")
        return content

    def load(self, key: str, size: int, width: int) -> torch.UntypedStorage:
        if key not in self._loaded:
            name = f"{self._folder}data/{key}"
            if name not in self._members:
                raise FileError(f"{self._path.name} is damaged", f"storage '{key}' is missing")
            self._loaded[key] = self._in_our_order(self.member(name), width)
            self._widths[key] = width
        storage = self._loaded[key]
        if size > storage.nbytes() or (self.swaps and width != self._widths[key]):
            why = f"storage '{key}' claims {size} bytes and has {storage.nbytes()}, or two types"
            raise UnsafeFileError(f"{self._path.name} was refused", why)
        return storage

    def _in_our_order(self, content: bytearray | memoryview, width: int) -> torch.UntypedStorage:
        if not self.swaps or len(content) == 0:
            return _storage_of(content)
        flat = torch.frombuffer(content, dtype=torch.uint8)
        return swapped(flat, width).untyped_storage()


def _storage_of(content: bytearray | memoryview) -> torch.UntypedStorage:
    if len(content) == 0:
        return torch.empty(0, dtype=torch.uint8).untyped_storage()
    return torch.frombuffer(content, dtype=torch.uint8).untyped_storage()


def _fill(file: BinaryIO, content: bytearray, path: Path, what: str) -> None:
    if file.readinto(content) != len(content):  # type: ignore[attr-defined]
        raise FileError(f"{path.name} is cut off", f"{what} is incomplete")


# --- the format before torch 1.6 --------------------------------------------------------------


def _read_legacy(file: BinaryIO, path: Path) -> object:
    """Five pickles in a row (magic, protocol, system, object, storage keys), then raw numbers.

    Those are little-endian on every machine, whatever is noted about the system.
    """
    storages = _LegacyStorages(path, os.fstat(file.fileno()).st_size)
    unpickler = RestrictedUnpickler(file, storages, path)
    if unpickler.load() != _LEGACY_MAGIC or unpickler.load() != _LEGACY_PROTOCOL:
        raise FileError(f"{path.name} is no torch file", "it is some other pickle")
    unpickler.load()
    result = unpickler.load()
    storages.fill(file, unpickler.load())
    return result


class _LegacyStorages:
    """Memory for the numbers that follow the pickles; filled at the end."""

    swaps = False

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._left = path, size
        self._contents: dict[str, bytearray] = {}
        self._loaded: dict[str, torch.UntypedStorage] = {}

    def load(self, key: str, size: int, width: int) -> torch.UntypedStorage:
        if key not in self._loaded:
            self._left -= size
            if self._left < 0:
                why = "its tensors claim more bytes than the file has"
                raise UnsafeFileError(f"{self._path.name} was refused", why)
            self._contents[key] = bytearray(size)
            self._loaded[key] = _storage_of(self._contents[key])
        storage = self._loaded[key]
        if size > storage.nbytes():
            why = f"storage '{key}' is given two sizes"
            raise UnsafeFileError(f"{self._path.name} was refused", why)
        return storage

    def fill(self, file: BinaryIO, keys: Any) -> None:
        known = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not known or set(keys) != set(self._contents):
            raise FileError(f"{self._path.name} is damaged", "its list of storages does not fit")
        for key in keys:
            content = self._contents[key]
            count = int.from_bytes(file.read(8), "little")
            if count > len(content) or (count == 0) != (not content):
                raise FileError(f"{self._path.name} is damaged", f"storage '{key}' does not fit")
            _fill(file, content, self._path, f"storage '{key}'")
